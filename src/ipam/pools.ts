/**
 * Address pools as they are searched: of the pools that may be used, which addresses belong to which, and in what
 * order they are tried. Every address belongs to one pool at most.
 */
import type { IpAddress } from '../model/ip.ts';
import { type IpRange, parseRange, rangeContains, rangesOverlap } from '../model/ip-range.ts';
import { formatIp } from '../model/ip-text.ts';
import { type ObjectKey, objectKey } from '../model/keys.ts';
import { matchesAny, matchesLabels } from '../model/label-selector.ts';
import type { IpAddressPool, PoolAddresses } from '../model/metallb.ts';
import type { Problem } from '../model/problem.ts';
import { problemOf } from '../model/problem-of.ts';
import type { Namespace, ObjectMeta, Service, Snapshot } from '../model/snapshot.ts';
import { addressSpace, claimRange, firstEndingAt, type OwnedRange } from './address-space.ts';

export interface Pool {
  readonly name: string;
  readonly object: IpAddressPool;
  /** In the order they are used; without what an older pool has. */
  readonly ranges: readonly IpRange[];
}

/** null: what no Service can have. */
type Owner = Pool | null;

/** Unspecified, loopback, multicast, broadcast (RFC 6890): nothing would come to them from outside. */
const UNUSABLE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/4', '255.255.255.255/32', '::/127', 'ff00::/8'].map(
  (text) => parseRange(text)!,
);

export interface PoolSet {
  /** In the order they are tried: by priority (0 last), then by name. */
  readonly pools: readonly Pool[];
  readonly byName: ReadonlyMap<string, Pool>;
  /** All ranges of one family, sorted; they do not overlap. */
  readonly index: Readonly<Record<4 | 6, readonly OwnedRange<Owner>[]>>;
  /** Pools that are there but cannot be read: what lies in no other pool may lie in one of these. */
  readonly unreadable: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

/**
 * Takes a snapshot and the namespace that pools are read from (null for all). Of two pools with one name, and of two
 * that overlap, the older one (then by namespace and name) has what is in both and the newer one the rest: a pool that
 * grows into another takes no more from it than it has to.
 */
export function readPools(snapshot: Snapshot, namespace: string | null): PoolSet {
  const problems: Problem[] = [];
  const index = addressSpace<Owner>();
  for (const range of UNUSABLE) claimRange(index, range, null);
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
    const pool: Pool = { name, object, ranges };
    for (const [at, entry] of object.addresses.entries()) {
      const { free, other } = claimRange(index, entry, pool);
      if (other !== null) problems.push(overlap(object, at, entry, other.range, other.owner));
      for (const range of free) ranges.push(range);
    }
    byName.set(name, pool);
  }
  const pools = [...byName.values()].sort(inSearchOrder);
  const unreadable = unreadablePools(snapshot, namespace);
  return { pools, byName, index, unreadable, problems };
}

/** The pool an address belongs to; null for none. */
export function poolOf(set: PoolSet, ip: IpAddress): Pool | null {
  const ranges = set.index[ip.family];
  const found = ranges[firstEndingAt(ranges, ip.value)];
  if (found === undefined || found.range.first > ip.value) return null;
  return found.owner?.object.avoidBuggyIps && isBuggy(ip) ? null : found.owner;
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
  return problemOf(object, {
    severity: 'warning',
    reason: 'OtherNamespace',
    field: 'metadata.namespace',
    message: `only pools in namespace ${JSON.stringify(namespace)} are used (--metallb-namespace); this one is not`,
  });
}

function sameName(object: IpAddressPool, other: IpAddressPool): Problem {
  return problemOf(object, {
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
  range: IpRange,
  owner: Owner,
): Problem {
  const field = `spec.addresses[${index}]`;
  if (owner === null) {
    const [first, last] = [range.first, range.last].map((value) => formatIp({ family: range.family, value }));
    const message = `${JSON.stringify(entry.text)}: no Service can have ${first} to ${last}; these are left out`;
    return problemOf(object, { severity: 'warning', reason: 'PoolOverlap', field, message });
  }
  const theirs = owner.object.addresses.find((each) => rangesOverlap(each, range));
  return problemOf(object, {
    severity: 'error',
    reason: 'PoolOverlap',
    field,
    message:
      `${JSON.stringify(entry.text)} overlaps ${JSON.stringify(theirs?.text)} of the older pool ` +
      `${JSON.stringify(owner.name)}: give each address to one pool; those in both are of the older one until then`,
  });
}
