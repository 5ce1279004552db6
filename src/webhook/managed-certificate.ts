/** Keeps the webhook's certificate in a Secret that all replicas share, and tells the API server whom to trust. */
import type { KubernetesApi } from '../kubernetes/api.ts';
import { type Resource, resourcePath } from '../kubernetes/resource.ts';
import { type ApiFailure, isRecord } from '../kubernetes/result.ts';
import {
  isServingGood,
  makeServing,
  readSecretData,
  type ServingCertificate,
  secretData,
} from './serving-certificate.ts';

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export interface ManagedOptions {
  readonly api: KubernetesApi;
  readonly secret: ObjectName;
  readonly service: ObjectName;
  /** Name of the ValidatingWebhookConfiguration. */
  readonly configuration: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type Managed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

const SECRETS: Resource = { group: '', version: 'v1', plural: 'secrets' };
const CONFIGURATIONS: Resource = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
};
/** Replicas that start together get into each other's way once or twice, not more often. */
const ATTEMPTS = 5;

/** Gives what is in the Secret, made or renewed where that is due; of several that try one wins, and all use its. */
export async function ensureServing(options: ManagedOptions): Promise<Managed<ServingCertificate>> {
  const { api, secret, service, now } = options;
  const path = resourcePath(SECRETS, secret);
  const names = dnsNames(service);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await api.request('GET', path);
    if (!found.ok && found.status !== 404) return failed(`Secret ${nameOf(secret)}`, found);
    const object = found.ok && isRecord(found.body) ? found.body : null;
    const present = readSecretData(object?.['data']);
    if (present !== null && isServingGood(present, names, now())) return { ok: true, value: present };
    const made = makeServing(names, now(), present);
    const body = { ...(object ?? emptySecret(secret)), data: secretData(made) };
    const written =
      object === null
        ? await api.request('POST', resourcePath(SECRETS, { namespace: secret.namespace }), { body })
        : await api.request('PUT', path, { body });
    if (written.ok) return { ok: true, value: made };
    // Another replica was first: its certificate counts.
    if (written.status !== 409) return failed(`Secret ${nameOf(secret)}`, written);
  }
  return { ok: false, message: `Secret ${nameOf(secret)}: others changed it again and again` };
}

/** Writes the authority into the webhooks that lead to our Service; gives whether that was needed. */
export async function ensureTrust(options: ManagedOptions, authority: string): Promise<Managed<boolean>> {
  const { api, configuration } = options;
  const what = `ValidatingWebhookConfiguration ${configuration}`;
  const path = resourcePath(CONFIGURATIONS, { name: configuration });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await api.request('GET', path);
    if (!found.ok) return failed(what, found);
    const changed = withBundle(found.body, options.service, Buffer.from(authority).toString('base64'));
    if (changed === null) return { ok: true, value: false };
    const written = await api.request('PUT', path, { body: changed });
    if (written.ok) return { ok: true, value: true };
    if (written.status !== 409) return failed(what, written);
  }
  return { ok: false, message: `${what}: others changed it again and again` };
}

/** null when every webhook of ours has it already. */
function withBundle(configuration: unknown, service: ObjectName, caBundle: string): object | null {
  if (!isRecord(configuration) || !Array.isArray(configuration['webhooks'])) return null;
  let changed = false;
  const webhooks = configuration['webhooks'].map((webhook: unknown) => {
    const config = isRecord(webhook) && isRecord(webhook['clientConfig']) ? webhook['clientConfig'] : null;
    const target = isRecord(config?.['service']) ? config['service'] : null;
    const isOurs = target?.['name'] === service.name && target['namespace'] === service.namespace;
    if (!isOurs || config?.['caBundle'] === caBundle) return webhook;
    changed = true;
    return { ...(webhook as object), clientConfig: { ...config, caBundle } };
  });
  return changed ? { ...configuration, webhooks } : null;
}

function dnsNames({ namespace, name }: ObjectName): string[] {
  return [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
}

function emptySecret({ namespace, name }: ObjectName): object {
  return { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { namespace, name } };
}

function nameOf({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}

function failed(what: string, { reason, message }: ApiFailure): { ok: false; message: string } {
  return { ok: false, message: `${what}: ${reason}: ${message}` };
}
