/** Which Services need another status than they have, and which pools. */
import type { ObjectKey } from '../model/keys.ts';
import type { IpAddressPool, PoolUsage } from '../model/metallb.ts';
import type { Condition, Service, Snapshot } from '../model/snapshot.ts';

/** What a Service of ours was given. */
export interface GivenAddresses {
  readonly addresses: readonly string[];
  /** null without addresses, or while nobody knows where they come from. */
  readonly pool: string | null;
  /** Why that is not all that was asked for; null when it is. */
  readonly fault: { readonly reason: string; readonly message: string } | null;
}

/** The status a Service is to have. */
export interface ServiceStatus {
  /** As it was when this was planned. */
  readonly service: Service;
  /** null: what we wrote is to be taken back, for it is not ours any more. */
  readonly wanted: { readonly addresses: readonly string[]; readonly condition: Condition } | null;
}

/** Tells how it stands with the addresses of a Service; `kubectl wait --for=condition=…` can wait for it. */
export const ADDRESS_CONDITION = 'tidegate.io/AddressAllocated';
/** As MetalLB writes it. */
export const POOL_ANNOTATION = 'metallb.io/ip-allocated-from-pool';
const MAX_MESSAGE = 32_768;

/**
 * Only differences. `now` in ms since the epoch. Services with no entry in `given` are touched only where we wrote:
 * where `manager`, our field manager, has applied something to the status.
 */
export function planServiceStatuses(
  { services }: Pick<Snapshot, 'services'>,
  given: ReadonlyMap<ObjectKey, GivenAddresses>,
  manager: string,
  now: number,
): Map<ObjectKey, ServiceStatus> {
  const plan = new Map<ObjectKey, ServiceStatus>();
  for (const [key, service] of services) {
    const grant = given.get(key);
    if (grant === undefined) {
      if (service.statusManagers.includes(manager)) plan.set(key, { service, wanted: null });
      continue;
    }
    // Nobody asked us for anything, as far as we can tell.
    if (grant.pool === null && grant.fault === null) continue;
    const condition = conditionOf(service, grant, now);
    const same = isSameIngress(service, grant.addresses) && isSameCondition(service.conditions, condition);
    if (!same) plan.set(key, { service, wanted: { addresses: grant.addresses, condition } });
  }
  return plan;
}

function conditionOf(service: Service, { addresses, pool, fault }: GivenAddresses, now: number): Condition {
  const status = addresses.length > 0 ? 'True' : 'False';
  const before = service.conditions.find(({ type }) => type === ADDRESS_CONDITION);
  return {
    type: ADDRESS_CONDITION,
    status,
    reason: fault?.reason ?? 'Allocated',
    message: (fault?.message ?? `from the pool ${pool}`).slice(0, MAX_MESSAGE),
    observedGeneration: service.meta.generation,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : Math.floor(now / 1000) * 1000,
  };
}

/** The server adds `ipMode: VIP` to what we write, which is what we mean. */
function isSameIngress({ loadBalancer }: Service, addresses: readonly string[]): boolean {
  return (
    loadBalancer.length === addresses.length &&
    loadBalancer.every(
      ({ ip, hostname, ipMode }, at) => ip === addresses[at] && hostname === '' && ipMode !== 'Proxy',
    )
  );
}

/** A generation that says nothing new is no reason to write. */
function isSameCondition(
  present: readonly Condition[],
  { type, status, reason, message }: Condition,
): boolean {
  const [own] = present;
  return (
    present.length === 1 &&
    own?.type === type &&
    own.status === status &&
    own.reason === reason &&
    own.message === message
  );
}

/** The object to apply to `status` (server-side apply): all and only what is ours. */
export function serviceStatusObject({ service, wanted }: ServiceStatus): object {
  const object = identityOf('v1', service);
  if (wanted === null) return object;
  const { lastTransitionTime, ...condition } = wanted.condition;
  const time = new Date(lastTransitionTime).toISOString().replace('.000Z', 'Z');
  return {
    ...object,
    status: {
      loadBalancer: { ingress: wanted.addresses.map((ip) => ({ ip })) },
      conditions: [{ ...condition, lastTransitionTime: time }],
    },
  };
}

/** Services whose annotation says another pool than the one their addresses are from; null: none. */
export function planPoolAnnotations(
  { services }: Pick<Snapshot, 'services'>,
  given: ReadonlyMap<ObjectKey, GivenAddresses>,
  manager: string,
): Map<ObjectKey, { readonly service: Service; readonly pool: string | null }> {
  const plan = new Map<ObjectKey, { readonly service: Service; readonly pool: string | null }>();
  for (const [key, service] of services) {
    const grant = given.get(key);
    const present = service.meta.annotations.get(POOL_ANNOTATION) ?? null;
    const unknown = grant !== undefined && grant.pool === null && grant.addresses.length > 0;
    const notOurs = grant === undefined && !service.statusManagers.includes(manager);
    if (unknown || notOurs) continue;
    const pool = grant?.pool ?? null;
    if (pool !== present) plan.set(key, { service, pool });
  }
  return plan;
}

/** The object to apply to the Service itself. Without a pool it takes back the annotation, if it is ours. */
export function poolAnnotationObject(service: Service, pool: string | null): object {
  const { metadata, ...object } = identityOf('v1', service);
  const annotations = pool === null ? {} : { annotations: { [POOL_ANNOTATION]: pool } };
  return { ...object, metadata: { ...metadata, ...annotations } };
}

export interface PoolStatus {
  readonly object: IpAddressPool;
  readonly usage: PoolUsage;
}

/** Pools that say something else of their use than is so. */
export function planPoolStatuses(pools: Iterable<PoolStatus>): PoolStatus[] {
  return [...pools].filter(({ object, usage }) => {
    const said = object.usage;
    return said === null || COUNTS.some((count) => said[count] !== usage[count]);
  });
}

const COUNTS = ['assignedIPv4', 'assignedIPv6', 'availableIPv4', 'availableIPv6'] as const;

export function poolStatusObject({ object, usage }: PoolStatus): object {
  return { ...identityOf('metallb.io/v1beta1', object), status: { ...usage } };
}

/** The uid makes sure that it is still the same object. */
function identityOf(apiVersion: string, { kind, meta }: Service | IpAddressPool) {
  const { namespace, name, uid } = meta;
  return { apiVersion, kind, metadata: { namespace, name, ...(uid === '' ? {} : { uid }) } };
}
