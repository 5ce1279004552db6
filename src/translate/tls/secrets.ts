import { type ObjectKey, objectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import type { Ingress, Secret } from '../../model/snapshot.ts';
import { problemOf } from '../problem-of.ts';

export interface CheckedTls {
  readonly problems: readonly Problem[];
  /** The Secrets that were looked up, found or not. */
  readonly secrets: ReadonlySet<ObjectKey>;
}

/** Whether the Secrets of `spec.tls` are there and have what a `kubernetes.io/tls` Secret must have. */
export function checkTlsSecrets(ingress: Ingress, secrets: ReadonlyMap<ObjectKey, Secret>): CheckedTls {
  const problems: Problem[] = [];
  const used = new Set<ObjectKey>();
  for (const [index, { secretName }] of ingress.tls.entries()) {
    if (secretName === null) continue;
    const key = objectKey(ingress.meta.namespace, secretName);
    used.add(key);
    const secret = secrets.get(key);
    const fault = secret === undefined ? `there is no Secret ${key}` : secretFault(secret);
    if (fault === null) continue;
    problems.push(
      problemOf(ingress, {
        severity: 'error',
        reason: secret === undefined ? 'SecretNotFound' : 'InvalidSecret',
        field: `spec.tls[${index}].secretName`,
        message: `${fault}; the hosts of this entry have no certificate of their own until that is mended`,
      }),
    );
  }
  return { problems, secrets: used };
}

const TLS_TYPE = 'kubernetes.io/tls';

function secretFault(secret: Secret): string | null {
  const { key } = secret.meta;
  if (secret.type !== TLS_TYPE) return `Secret ${key} is of type "${secret.type}", expected ${TLS_TYPE}`;
  const missing = ['tls.crt', 'tls.key'].filter(
    (name) => (secret.data.get(name)?.reveal().length ?? 0) === 0,
  );
  return missing.length === 0 ? null : `Secret ${key} has no ${missing.join(' and no ')}`;
}
