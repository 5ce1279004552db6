/** The books: on which addresses each Service answers, and which of them are ours to announce. */
import { parseIp } from '../model/ip.ts';
import { formatIp } from '../model/ip-text.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { ExposedService, ServiceAddress } from '../model/service-address.ts';
import type { Namespace, Service } from '../model/snapshot.ts';
import { isOurs, type Ownership } from './ownership.ts';
import { type PoolSet, poolOf, poolServes } from './pools.ts';

export interface Books {
  readonly services: ReadonlyMap<ObjectKey, Service>;
  readonly namespaces: ReadonlyMap<ObjectKey, Namespace>;
  readonly pools: PoolSet;
  readonly ownership: Ownership;
  /**
   * Addresses that were decided on here, in the place of the status; null where the status is what counts (in a
   * cluster all follow it, the leader too, so that nobody announces what was not written down).
   */
  readonly decided: ReadonlyMap<ObjectKey, { readonly addresses: readonly string[] }> | null;
  /** Also announce `spec.externalIPs`, as far as a pool that may serve the Service has them. */
  readonly announceExternalIps: boolean;
}

/** Every Service that is reached from outside, in the order of the snapshot. */
export function exposedServices(books: Books): ExposedService[] {
  const exposed: ExposedService[] = [];
  for (const service of books.services.values()) {
    if (service.type === 'ExternalName' || service.headless) continue;
    const addresses = [...loadBalancerAddresses(service, books), ...externalAddresses(service, books)];
    const nodePorts = service.ports.some(({ nodePort }) => nodePort > 0);
    if (addresses.length > 0 || nodePorts) exposed.push({ service, addresses, nodePorts });
  }
  return exposed;
}

/** Those of other classes are in the books (traffic for them may come by), but without a pool: others announce them. */
function loadBalancerAddresses(service: Service, books: Books): ServiceAddress[] {
  if (service.type !== 'LoadBalancer') return [];
  const ours = isOurs(service, books.ownership);
  const decided = ours ? books.decided?.get(service.meta.key)?.addresses : undefined;
  const status = books.decided !== null && ours ? [] : service.loadBalancer.map(({ ip }) => ip);
  return (decided ?? status).flatMap((text) => entry(text, 'load-balancer', ours, service, books));
}

function externalAddresses(service: Service, books: Books): ServiceAddress[] {
  return service.externalIps.flatMap((text) =>
    entry(text, 'external-ip', books.announceExternalIps, service, books),
  );
}

function entry(
  text: string,
  origin: ServiceAddress['origin'],
  announced: boolean,
  service: Service,
  { pools, namespaces }: Books,
): ServiceAddress[] {
  const ip = parseIp(text);
  if (ip === null) return [];
  const pool = announced ? poolOf(pools, ip) : null;
  const allowed = pool !== null && poolServes(pool, service, namespaces);
  return [{ address: formatIp(ip), family: ip.family, origin, pool: allowed ? pool.name : null }];
}
