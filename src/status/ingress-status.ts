/** Which Ingresses need another status than they have. */
import type { ObjectKey } from '../model/keys.ts';
import type { Ingress, LoadBalancerIngress, Snapshot } from '../model/snapshot.ts';
import { sortedAddresses } from './addresses.ts';

/** The status an Ingress is to have. */
export interface IngressStatus {
  /** As it was when this was planned. */
  readonly ingress: Ingress;
  /** null: what we wrote is to be taken back, for it is not ours any more. */
  readonly addresses: readonly LoadBalancerIngress[] | null;
}

/**
 * Only differences: nothing for an Ingress that says already what it should. `ours` are those of our class; of all
 * others only the ones that carry a status of ours are touched: one that `manager`, our field manager, has applied.
 * `addresses` null: nothing is known, only take back.
 */
export function planIngressStatuses(
  { ingresses }: Pick<Snapshot, 'ingresses'>,
  ours: ReadonlyMap<ObjectKey, Ingress>,
  manager: string,
  addresses: readonly LoadBalancerIngress[] | null,
): Map<ObjectKey, IngressStatus> {
  const plan = new Map<ObjectKey, IngressStatus>();
  for (const [key, ingress] of ingresses) {
    const isOurs = ours.get(key) !== undefined;
    if (isOurs && addresses !== null && !isSameStatus(ingress.loadBalancer, addresses)) {
      plan.set(key, { ingress, addresses });
    }
    if (!isOurs && ingress.statusManagers.includes(manager)) plan.set(key, { ingress, addresses: null });
  }
  return plan;
}

/** Takes back what is ours everywhere: for the end of the last replica. */
export function planWithdrawal(
  { ingresses }: Pick<Snapshot, 'ingresses'>,
  manager: string,
): Map<ObjectKey, IngressStatus> {
  return planIngressStatuses({ ingresses }, new Map(), manager, null);
}

/** `wanted` is sorted; others may have written the same in another order. */
function isSameStatus(
  present: readonly LoadBalancerIngress[],
  wanted: readonly LoadBalancerIngress[],
): boolean {
  if (present.length !== wanted.length) return false;
  const sorted = present.length > 1 ? sortedAddresses(present) : present;
  return sorted.every(({ ip, hostname }, at) => ip === wanted[at]!.ip && hostname === wanted[at]!.hostname);
}

/**
 * The object to apply to `status` (server-side apply): all and only what is ours. Without a status it takes back what
 * we applied before and leaves what is others'. The uid makes sure that it is still the same object.
 */
export function ingressStatusObject({ ingress, addresses }: IngressStatus): object {
  const { namespace, name, uid } = ingress.meta;
  const object = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { namespace, name, ...(uid === '' ? {} : { uid }) },
  };
  if (addresses === null) return object;
  const ingressList = addresses.map(({ ip, hostname }) => ({
    ...(ip === '' ? {} : { ip }),
    ...(hostname === '' ? {} : { hostname }),
  }));
  return { ...object, status: { loadBalancer: { ingress: ingressList } } };
}
