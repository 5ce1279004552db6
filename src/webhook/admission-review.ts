/** AdmissionReview (admission.k8s.io/v1): the question of the API server and our answer. */
import { isRecord } from '../kubernetes/result.ts';
import type { Verdict } from './reviewer.ts';

export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  /** The object as it would be; null for a deletion. */
  readonly object: unknown;
  /** As it is; null for a creation. */
  readonly old: unknown;
}

type Json = Readonly<Record<string, unknown>>;

/** Takes JSON of any shape; null when it is no AdmissionReview of this version. */
export function readReview(value: unknown): AdmissionRequest | null {
  if (
    !isRecord(value) ||
    value['apiVersion'] !== 'admission.k8s.io/v1' ||
    value['kind'] !== 'AdmissionReview'
  )
    return null;
  const { request } = value as { readonly request?: unknown };
  if (!isRecord(request) || typeof request['uid'] !== 'string' || request['uid'].length > 100) return null;
  const { uid, operation, namespace, name } = request;
  return {
    uid,
    operation: typeof operation === 'string' ? operation : '',
    object: named(request['object'], namespace, name),
    old: request['oldObject'] ?? null,
  };
}

/** An object may be sent without namespace, and with `generateName` without a name. */
function named(object: unknown, namespace: unknown, name: unknown): unknown {
  if (!isRecord(object)) return null;
  const metadata = isRecord(object['metadata']) ? object['metadata'] : {};
  const generated = typeof metadata['generateName'] === 'string' ? `${metadata['generateName']}x` : undefined;
  return {
    ...object,
    metadata: {
      ...metadata,
      namespace: metadata['namespace'] ?? namespace,
      name: metadata['name'] || name || generated,
    },
  };
}

/** Whether there is anything to say: deletions, and changes of objects that are being deleted, are never held up. */
export function needsReview({ operation, object }: AdmissionRequest): boolean {
  if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
  return isRecord(object) && !isDeleting(object);
}

function isDeleting(object: Json): boolean {
  return isRecord(object['metadata']) && Boolean(object['metadata']['deletionTimestamp']);
}

export function reviewAnswer(uid: string, { allowed, message, warnings }: Verdict): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(allowed ? {} : { status: { code: 403, reason: 'Forbidden', message } }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  };
}
