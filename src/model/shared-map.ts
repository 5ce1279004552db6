/**
 * Immutable maps of which each version shares most of its memory with the one before. A plain copy of 10,000
 * entries per change costs a millisecond and megabytes of long-lived garbage, whose collection stops the thread.
 *
 * Small maps are plain Maps, copied whole. Larger ones spread their entries by a hash of the key over shards, and
 * a change copies only the shards that it touches; those that are the same need not be compared. The order of
 * iteration means nothing.
 */

/** Maps of at most this many entries are plain Maps. */
const SMALL = 64;
/** Entries per shard: fewer make the list of shards long, more make each copy large. */
const SHARD_ENTRIES = 32;

/** What to make of a map: the new values by key, undefined for a key that goes. */
export type Edits<K extends string, V extends object> = ReadonlyMap<K, V | undefined>;

/** `before` after some edits; `before` itself when they change nothing. */
export function withEdits<K extends string, V extends object>(
  before: ReadonlyMap<K, V>,
  edits: Edits<K, V>,
): ReadonlyMap<K, V> {
  const changes: [K, V | undefined][] = [];
  let size = before.size;
  for (const [key, value] of edits) {
    const present = before.get(key);
    if (present === value) continue;
    changes.push([key, value]);
    if (present === undefined) size++;
    else if (value === undefined) size--;
  }
  if (changes.length === 0) return before;
  if (size <= SMALL) return plainWith(before, changes);
  return shardedWith(before, changes, size);
}

/** The keys whose values came, went or were replaced (`!==`). */
export function changedKeys<K extends string, V extends object>(
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
): ReadonlySet<K> {
  const changed = new Set<K>();
  if (before instanceof ShardedMap && after instanceof ShardedMap && before.isLike(after)) {
    for (const [index, shard] of after.shards.entries()) addChanged(before.shards[index]!, shard, changed);
  } else addChanged(before, after, changed);
  return changed;
}

function addChanged<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>, changed: Set<K>): void {
  if (before === after) return;
  let kept = 0;
  for (const [key, value] of after) {
    const previous = before.get(key);
    if (previous !== undefined) kept++;
    if (previous !== value) changed.add(key);
  }
  if (kept < before.size) for (const key of before.keys()) if (!after.has(key)) changed.add(key);
}

function plainWith<K, V>(
  before: ReadonlyMap<K, V>,
  changes: readonly (readonly [K, V | undefined])[],
): Map<K, V> {
  const copy = new Map(before);
  for (const [key, value] of changes) {
    if (value === undefined) copy.delete(key);
    else copy.set(key, value);
  }
  return copy;
}

function shardedWith<K extends string, V extends object>(
  before: ReadonlyMap<K, V>,
  changes: readonly (readonly [K, V | undefined])[],
  size: number,
): ShardedMap<K, V> {
  const shards = shardsFor(before, size);
  const byShard = Map.groupBy(changes, ([key]) => shardOf(key, shards.length));
  for (const [index, some] of byShard) shards[index] = plainWith(shards[index]!, some);
  return new ShardedMap(shards, size);
}

/** The shards of `map`, as many as suit `size` entries: its own as long as those are neither crowded nor bare. */
function shardsFor<K extends string, V extends object>(
  map: ReadonlyMap<K, V>,
  size: number,
): ReadonlyMap<K, V>[] {
  if (map instanceof ShardedMap) {
    const perShard = size / map.shards.length;
    if (perShard > SHARD_ENTRIES / 4 && perShard < SHARD_ENTRIES * 2) return [...map.shards];
  }
  const shards = Array.from(
    { length: 2 ** Math.ceil(Math.log2(size / SHARD_ENTRIES)) },
    () => new Map<K, V>(),
  );
  for (const [key, value] of map) shards[shardOf(key, shards.length)]!.set(key, value);
  return shards;
}

/** FNV-1a over the UTF-16 units; `count` is a power of two. Keys made to collide cost a copy of one large shard. */
function shardOf(key: string, count: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (count - 1);
}

class ShardedMap<K extends string, V extends object> implements ReadonlyMap<K, V> {
  readonly shards: readonly ReadonlyMap<K, V>[];
  readonly size: number;

  constructor(shards: readonly ReadonlyMap<K, V>[], size: number) {
    this.shards = shards;
    this.size = size;
  }

  /** True when a key is in the same shard of both. */
  isLike(other: ShardedMap<K, V>): boolean {
    return this.shards.length === other.shards.length;
  }

  get(key: K): V | undefined {
    return this.shards[shardOf(key, this.shards.length)]!.get(key);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }

  *entries(): MapIterator<[K, V]> {
    for (const shard of this.shards) yield* shard;
  }

  *keys(): MapIterator<K> {
    for (const shard of this.shards) yield* shard.keys();
  }

  *values(): MapIterator<V> {
    for (const shard of this.shards) yield* shard.values();
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}
