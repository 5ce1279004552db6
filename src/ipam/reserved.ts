/** Addresses that belong to somebody else, and pools that reach into networks of the cluster. */
import { type IpAddress, parseIp, parsePrefix } from '../model/ip.ts';
import { rangeOfPrefix, rangesOverlap } from '../model/ip-range.ts';
import { formatIp } from '../model/ip-text.ts';
import type { Problem } from '../model/problem.ts';
import { problemOf } from '../model/problem-of.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { isOurs, type Ownership } from './ownership.ts';
import { type Pool, type PoolSet, poolOf } from './pools.ts';
import { quote } from './request.ts';

type World = Pick<Snapshot, 'services' | 'nodes'>;

/**
 * What of the pools nobody may get, as text, with what has it: addresses of Nodes, cluster IPs, and what other load
 * balancers have given to their Services.
 */
export function reservedAddresses(
  set: PoolSet,
  { services, nodes }: World,
  ownership: Ownership,
): Map<string, string> {
  const reserved = new Map<string, string>();
  if (set.pools.length === 0) return reserved;
  const reserve = (text: string, owner: () => string): void => {
    const ip = parseIp(text);
    if (ip !== null && poolOf(set, ip) !== null) reserved.set(formatIp(ip), owner());
  };
  for (const service of services.values()) {
    const { key } = service.meta;
    for (const ip of service.clusterIps) reserve(ip, () => `Service ${key} as its cluster IP`);
    if (service.type !== 'LoadBalancer' || isOurs(service, ownership)) continue;
    for (const { ip } of service.loadBalancer) reserve(ip, () => `Service ${key}${OF_ANOTHER_CLASS}`);
  }
  for (const { meta, addresses } of nodes.values()) {
    for (const { address } of addresses) reserve(address, () => `Node ${meta.name}`);
  }
  return reserved;
}

/** Two load balancers may well have one pool, so that alone is no problem. */
const OF_ANOTHER_CLASS = ' of another class';

/** A warning for each pool that has addresses of the cluster itself. */
export function networkProblems(
  set: PoolSet,
  reserved: ReadonlyMap<string, string>,
  world: World,
): Problem[] {
  const inPools = new Map<Pool, { readonly ip: IpAddress; readonly owner: string; count: number }>();
  for (const [text, owner] of reserved) {
    const ip = owner.endsWith(OF_ANOTHER_CLASS) ? null : parseIp(text);
    const pool = ip === null ? null : poolOf(set, ip);
    if (ip === null || pool === null) continue;
    const known = inPools.get(pool);
    if (known === undefined) inPools.set(pool, { ip, owner, count: 1 });
    else known.count++;
  }
  const inUse = [...inPools].map(([pool, { ip, owner, count }]) => {
    const more = count > 1 ? `, and ${count - 1} more like it` : '';
    return overlap(
      pool,
      `has ${formatIp(ip)}, which belongs to ${owner}${more}: take it out of the pool; it is not given to a Service`,
    );
  });
  return [...inUse, ...podNetworkProblems(set, world)];
}

function podNetworkProblems({ pools }: PoolSet, { nodes }: World): Problem[] {
  const networks = [...nodes.values()].flatMap((node) =>
    node.podCidrs.flatMap((text) => {
      const prefix = parsePrefix(text);
      return prefix === null ? [] : [{ node: node.meta.name, text, range: rangeOfPrefix(prefix) }];
    }),
  );
  return pools.flatMap((pool) => {
    const hit = networks.find(({ range }) => pool.ranges.some((own) => rangesOverlap(own, range)));
    if (hit === undefined) return [];
    const message = `overlaps the pod network ${quote(hit.text)} of Node ${hit.node}: addresses of both lead to one of them only; take other addresses for the pool`;
    return [overlap(pool, message)];
  });
}

function overlap({ object }: Pool, message: string): Problem {
  return problemOf(object, { severity: 'warning', reason: 'PoolOverlap', field: 'spec.addresses', message });
}
