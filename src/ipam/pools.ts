/**
 * Address pools as they are searched: of the pools that may be used, which addresses belong to which, and in what
 * order they are tried. Every address belongs to one pool at most.
 */
import type { IpAddress } from '../model/ip.ts';
import { type IpRange, rangeContains, rangesOverlap } from '../model/ip-range.ts';
import { type ObjectKey, objectKey } from '../model/keys.ts';
import { matchesAny, matchesLabels } from '../model/label-selector.ts';
import type { IpAddressPool, PoolAddresses } from '../model/metallb.ts';
import type { Problem } from '../model/problem.ts';
import type { Namespace, ObjectMeta, Service, Snapshot } from '../model/snapshot.ts';
import { problemAt } from './problem-at.ts';

export interface Pool {
  readonly name: string;
  readonly object: IpAddressPool;
  /** In the order they are used. */
  readonly ranges: readonly IpRange[];
}

export interface PoolSet {
  /** In the order they are tried: by priority (0 last), then by name. */
  readonly pools: readonly Pool[];
  readonly byName: ReadonlyMap<string, Pool>;
  /** All ranges of one family, sorted; they do not overlap. */
  readonly index: Readonly<Record<4 | 6, readonly IndexedRange[]>>;
  /** Pools that are there but cannot be read: what lies in no other pool may lie in one of these. */
  readonly unreadable: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

interface IndexedRange {
  readonly range: IpRange;
  readonly pool: Pool;
}

/**
 * Takes a snapshot and the namespace that pools are read from (null for all). Of two pools with one name, and of two
 * that overlap, the older one (then by namespace and name) has the addresses; the newer one's entry is left out.
 */
export function readPools(snapshot: Snapshot, namespace: string | null): PoolSet {
  const problems: Problem[] = [];
  const taken: { readonly entry: PoolAddresses; readonly pool: string }[] = [];
  const byName = new Map<string, Pool>();
  for (const object of [...snapshot.ipAddressPools.values()].sort(byAge)) {
    const { name } = object.meta;
    if (namespace !== null && object.meta.namespace !== namespace) {
      problems.push(otherNamespace(object, namespace));
      continue;
    }
    const twin = byName.get(name);
    if (twin !== undefined) {
      problems.push(sameName(object, twin.object));
      continue;
    }
    const ranges: IpRange[] = [];
    for (const [index, entry] of object.addresses.entries()) {
      const other = taken.find((earlier) => rangesOverlap(earlier.entry, entry));
      if (other !== undefined) {
        problems.push(overlap(object, index, entry, other));
        continue;
      }
      ranges.push(entry);
      taken.push({ entry, pool: name });
    }
    byName.set(name, { name, object, ranges });
  }
  const pools = [...byName.values()].sort(inSearchOrder);
  const unreadable = unreadablePools(snapshot, namespace);
  return { pools, byName, index: { 4: indexOf(pools, 4), 6: indexOf(pools, 6) }, unreadable, problems };
}

/** The pool an address belongs to; null for none. */
export function poolOf(set: PoolSet, ip: IpAddress): Pool | null {
  const ranges = set.index[ip.family];
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.range.last < ip.value) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low];
  if (found === undefined || found.range.first > ip.value) return null;
  return found.pool.object.avoidBuggyIps && isBuggy(ip) ? null : found.pool;
}

/** Whether an address is one of the pool's. */
export function poolHas(pool: Pool, ip: IpAddress): boolean {
  if (pool.object.avoidBuggyIps && isBuggy(ip)) return false;
  return pool.ranges.some((range) => rangeContains(range, ip));
}

/**
 * Whether a pool may give addresses to a Service that asks for it, or for nothing in particular. `ofUnknown` is the
 * answer when that depends on the labels of a namespace that is not known.
 */
export function poolServes(
  { object }: Pool,
  { meta }: Service,
  namespaces: ReadonlyMap<ObjectKey, Namespace>,
  ofUnknown = false,
): boolean {
  const allocation = object.serviceAllocation;
  if (allocation === null) return true;
  if (!matchesAny(allocation.serviceSelectors, meta.labels)) return false;
  if (allocation.namespaces.length === 0 && allocation.namespaceSelectors.length === 0) return true;
  if (allocation.namespaces.includes(meta.namespace)) return true;
  if (allocation.namespaceSelectors.length === 0) return false;
  const labels = namespaces.get(objectKey('', meta.namespace))?.meta.labels;
  if (labels === undefined) return ofUnknown;
  return allocation.namespaceSelectors.some((selector) => matchesLabels(selector, labels));
}

/** IPv4 addresses ending in .0 and .255, which some old clients take for network and broadcast. */
export function isBuggy({ family, value }: IpAddress): boolean {
  const end = value & 0xffn;
  return family === 4 && (end === 0n || end === 0xffn);
}

function indexOf(pools: readonly Pool[], family: 4 | 6): IndexedRange[] {
  return pools
    .flatMap((pool) => pool.ranges.map((range) => ({ range, pool })))
    .filter(({ range }) => range.family === family)
    .sort((a, b) => (a.range.first < b.range.first ? -1 : 1));
}

function byAge({ meta: a }: { meta: ObjectMeta }, { meta: b }: { meta: ObjectMeta }): number {
  return a.creationTimestamp - b.creationTimestamp || (a.key < b.key ? -1 : 1);
}

function inSearchOrder(a: Pool, b: Pool): number {
  return priorityOf(a) - priorityOf(b) || (a.name < b.name ? -1 : 1);
}

function priorityOf({ object }: Pool): number {
  return object.serviceAllocation?.priority || Number.POSITIVE_INFINITY;
}

/** Pools that the source could not decode. */
function unreadablePools(snapshot: Snapshot, namespace: string | null): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { object, severity } of snapshot.problems) {
    if (object?.kind !== 'IPAddressPool' || severity !== 'error') continue;
    if (namespace === null || object.namespace === namespace) names.add(object.name);
  }
  return names;
}

function otherNamespace(object: IpAddressPool, namespace: string): Problem {
  return problemAt(object, {
    severity: 'warning',
    reason: 'OtherNamespace',
    field: 'metadata.namespace',
    message: `only pools in namespace ${JSON.stringify(namespace)} are used (--metallb-namespace); this one is not`,
  });
}

function sameName(object: IpAddressPool, other: IpAddressPool): Problem {
  return problemAt(object, {
    severity: 'error',
    reason: 'DuplicateObject',
    field: 'metadata.name',
    message: `there is a pool of this name in namespace ${other.meta.namespace}; this one is not used`,
  });
}

function overlap(
  object: IpAddressPool,
  index: number,
  entry: PoolAddresses,
  other: { readonly entry: PoolAddresses; readonly pool: string },
): Problem {
  return problemAt(object, {
    severity: 'error',
    reason: 'PoolOverlap',
    field: `spec.addresses[${index}]`,
    message:
      `${JSON.stringify(entry.text)} overlaps ${JSON.stringify(other.entry.text)} of the older pool ` +
      `${JSON.stringify(other.pool)}: give each address to one pool; this entry is not used until then`,
  });
}
