/** A Secret that an annotation names. */
import { type ObjectKey, objectKey } from '../../model/keys.ts';
import type { Ingress } from '../../model/snapshot.ts';

export type SecretReference =
  | { readonly kind: 'own'; readonly key: ObjectKey }
  /** What is wrong; nothing may be read. */
  | { readonly kind: 'refused'; readonly fault: string };

/** Of a namespace and of a Secret; anything else could lead the request that reads it elsewhere (`..`). */
const NAME = /^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/;

/** Takes `NAMESPACE/NAME`. Of another namespace than that of `ingress` not even is asked for whether it is there. */
export function secretReference(ingress: Ingress, named: string): SecretReference {
  const [namespace = '', name = '', more] = named.split('/');
  if (!NAME.test(namespace) || !NAME.test(name) || more !== undefined) {
    const shown = named.slice(0, 100);
    return { kind: 'refused', fault: `"${shown}" is not valid: expected NAMESPACE/NAME of a Secret` };
  }
  if (namespace !== ingress.meta.namespace) {
    const fault = `"${named}" is in another namespace than the Ingress, which is not allowed`;
    return { kind: 'refused', fault };
  }
  return { kind: 'own', key: objectKey(namespace, name) };
}
