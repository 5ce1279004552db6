/** The source of objects that is a Kubernetes API server. */
import type { KubernetesApi } from '../../kubernetes/api.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { type AnyObject, EMPTY_SNAPSHOT, type Kind, type Snapshot } from '../../model/snapshot.ts';
import { Debounce } from '../debounce.ts';
import { createLookup } from '../names/lookup.ts';
import { NameResolver } from '../names/resolver.ts';
import type { Source, Wants } from '../source.ts';
import { type Changes, nextSnapshot, objectsOf } from '../store.ts';
import { feedForbidden, secretForbidden } from './access.ts';
import { CacheKeeper } from './cache-keeper.ts';
import { Connection, type OnEvent } from './connection.ts';
import { Feed, type FeedTarget } from './feed.ts';
import { CRDS, resourceName, SECRETS, WATCHED_KINDS, type WatchedKind } from './kinds.ts';
import type { Change } from './list-watch.ts';
import { Objects } from './objects.ts';
import { SecretReader } from './secrets.ts';
import type { CacheOptions } from './snapshot-cache.ts';
import { isForbidden, isOutOfReach, isSettled, type WatchedFeed } from './watched-feed.ts';

export interface KubernetesOptions {
  readonly api: KubernetesApi;
  /** Those that are read; empty for all. */
  readonly namespaces: readonly string[];
  /** Where the kinds of metallb.io are read when not all namespaces are. */
  readonly metallbNamespace?: string;
  /** Those that are watched; all that Tidegate knows when not given. */
  readonly kinds?: readonly Kind[];
  readonly dnsServers: readonly string[];
  /** A watch that is silent for this long is opened anew. */
  readonly watchIdleMs: number;
  /** Null: nothing is kept on disk. */
  readonly cache: CacheOptions | null;
  readonly onEvent: OnEvent;
}

export interface KubernetesSource extends Source {
  /** Whether all that is watched is up to date, as far as we know. */
  readonly isConnected: boolean;
  /** Since that was last so, in milliseconds; 0 while it is. Null when it never was. */
  readonly behindMs: number | null;
}

/** A change is handed on when it was quiet for so long: a Service and its slices come on different connections … */
const SETTLE_MS = 3;
/** … or this long after its first notice, in a cluster that is never quiet. */
const MAX_WAIT_MS = 50;
/** How long a change may be held back because a Secret that it names is still being read. */
const MAX_HOLD_MS = 3000;
/** An API server that answers is waited for so long before the cache is used. */
const CACHE_AFTER_MS = 10_000;

export function kubernetesSource(options: KubernetesOptions): KubernetesSource {
  return new Watching(options);
}

class Watching implements KubernetesSource {
  readonly #options: KubernetesOptions;
  readonly #feeds: readonly WatchedFeed[];
  readonly #crds: Feed;
  #watchesCrds = false;
  readonly #objects = new Objects();
  /** Apart, because a change of objects is held back until the Secrets that it names are there. */
  readonly #secretObjects = new Objects();
  readonly #secrets: SecretReader;
  readonly #names: NameResolver;
  readonly #connection: Connection;
  readonly #settled = new Debounce(MAX_WAIT_MS, () => this.#update());
  #snapshot = EMPTY_SNAPSHOT;
  #phase: 'starting' | 'cached' | 'live' = 'starting';
  /** Until when the snapshot that was handed out last may be held back; null when it is not. */
  #heldUntil: number | null = null;
  #holdTimer: NodeJS.Timeout | undefined;
  #cacheTimer: NodeJS.Timeout | undefined;
  /** Null: nothing is kept on disk. */
  readonly #cache: CacheKeeper | null;
  #cached: Promise<void> | null = null;
  #closed = false;
  #onSnapshot: (snapshot: Snapshot) => void = () => {};
  #onFirst = (): void => {};

  constructor(options: KubernetesOptions) {
    this.#options = options;
    const { api, namespaces, cache, onEvent } = options;
    this.#connection = new Connection(api.server, onEvent);
    this.#cache = cache === null ? null : new CacheKeeper(cache, () => this.#snapshot, onEvent);
    this.#secrets = new SecretReader({
      api,
      isInScope: (namespace) => namespaces.length === 0 || namespaces.includes(namespace),
      onRead: (key, value) => this.#secretObjects.put(SECRETS, key, value),
      onGone: (key) => {
        this.#secretObjects.remove('Secret', key);
        this.#settled.hint(SETTLE_MS);
      },
      onProgress: () => this.#settled.hint(SETTLE_MS),
    });
    this.#names = new NameResolver(createLookup({ servers: options.dnsServers }), () =>
      this.#settled.hint(SETTLE_MS),
    );
    const kinds = [...WATCHED_KINDS, SECRETS].filter(({ kind }) => options.kinds?.includes(kind) ?? true);
    this.#feeds = kinds.flatMap((watched) => this.#feedsOf(watched));
    const crds = { resource: CRDS, namespace: null, isOptional: true, metadataOnly: true };
    this.#crds = this.#feed(crds, (changes) => this.#crdsChanged(changes));
  }

  get isConnected(): boolean {
    return this.#connection.isConnected;
  }

  get isProvisional(): boolean {
    return this.#phase === 'cached';
  }

  get behindMs(): number | null {
    return this.#connection.behindMs;
  }

  start(onSnapshot: (snapshot: Snapshot) => void): Promise<void> {
    this.#onSnapshot = onSnapshot;
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    for (const { feed } of this.#feeds) feed.start();
    if (this.#cache !== null) {
      this.#cacheTimer = setTimeout(() => this.#startFromCache(), CACHE_AFTER_MS);
    }
    return first;
  }

  want({ names, secrets }: Wants): boolean {
    // What was read since the snapshot was made is not in it.
    const isBehind = this.#secretObjects.hasChanges;
    this.#names.setNames(names);
    this.#secrets.want(secrets);
    const now = performance.now();
    if (this.#heldUntil !== null && now >= this.#heldUntil) this.#secrets.giveUp();
    if (this.#phase === 'cached' || (this.#secrets.isSettled && !isBehind)) {
      clearTimeout(this.#holdTimer);
      this.#heldUntil = null;
    } else if (this.#heldUntil === null) {
      this.#heldUntil = now + MAX_HOLD_MS;
      this.#lookAgainIn(MAX_HOLD_MS);
    }
    return this.#heldUntil === null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#settled.cancel();
    this.#names.close();
    this.#secrets.close();
    clearTimeout(this.#holdTimer);
    clearTimeout(this.#cacheTimer);
    await Promise.all([...this.#feeds.map(({ feed }) => feed.close()), this.#crds.close(), this.#cached]);
    await this.#cache?.close();
    this.#onFirst();
  }

  #feedsOf(watched: WatchedKind): WatchedFeed[] {
    const { namespaces, metallbNamespace } = this.#options;
    const everywhere = watched.scope === 'cluster' || namespaces.length === 0;
    const isMetalLb = watched.resource.group === 'metallb.io' && metallbNamespace !== undefined;
    const some = isMetalLb ? [metallbNamespace] : namespaces;
    return (everywhere ? [null] : some).map((namespace) => {
      const target = {
        resource: watched.resource,
        namespace,
        isOptional: watched.need === 'optional',
        metadataOnly: watched === SECRETS,
      };
      return { watched, feed: this.#feed(target, (changes) => this.#changed(watched, changes)) };
    });
  }

  #feed(target: FeedTarget, onChanges: (changes: readonly Change[]) => void): Feed {
    const { api, watchIdleMs } = this.#options;
    const onStatus = () => this.#statusChanged();
    const isAnnounced = () => this.#crds.status === 'live';
    return new Feed(api, target, { watchIdleMs, random: Math.random, isAnnounced, onChanges, onStatus });
  }

  #changed(watched: WatchedKind, changes: readonly Change[]): void {
    if (watched === SECRETS) return this.#secrets.take(changes);
    for (const change of changes) {
      if (change.type === 'put') this.#objects.put(watched, change.item.id, change.item.value);
      else this.#objects.remove(watched.kind, change.id);
    }
    if (this.#phase === 'live') this.#settled.hint(SETTLE_MS);
  }

  #crdsChanged(changes: readonly Change[]): void {
    const names = new Set(changes.map((change) => (change.type === 'put' ? change.item.id : change.id)));
    for (const { feed } of this.#feeds) if (names.has(resourceName(feed.target.resource))) feed.hurry();
  }

  #statusChanged(): void {
    if (this.#closed) return;
    const secrets = this.#feeds.filter(({ watched }) => watched === SECRETS);
    // Who does not watch them reads by name what is needed.
    if (secrets.length === 0) this.#secrets.setIndex('forbidden');
    else if (secrets.every(({ feed }) => feed.isSynced)) this.#secrets.setIndex('complete');
    else if (secrets.some(({ feed }) => isForbidden(feed))) this.#secrets.setIndex('forbidden');
    if (!this.#watchesCrds && this.#feeds.some(({ feed }) => feed.status === 'absent')) {
      this.#watchesCrds = true;
      this.#crds.start();
    }
    this.#connection.note(this.#feeds);
    if (this.#phase !== 'live') this.#connection.noteRefusals(this.#feeds);
    if (this.#phase !== 'live' && this.#feeds.every(isSettled)) this.#becomeLive();
    else if (this.#phase === 'starting' && this.#feeds.some(isOutOfReach)) this.#startFromCache();
    else if (this.#phase === 'live') this.#settled.hint(SETTLE_MS);
  }

  /** Everything was listed: from here on what we know is the cluster, and no longer what was on disk. */
  #becomeLive(): void {
    clearTimeout(this.#cacheTimer);
    const changes = this.#objects.takeChanges();
    const wasCached = this.isProvisional;
    const gone = wasCached ? [...vanished(this.#snapshot, changes.put, this.#feeds)] : [];
    // What is there but not valid any more keeps its last good version, also when that was on disk.
    const removed = gone.filter(({ kind, key }) => !this.#objects.isInvalid(kind, key));
    this.#phase = 'live';
    this.#publish({ put: changes.put, removed }, wasCached);
  }

  #update(): void {
    if (this.#closed || this.#phase === 'starting') return;
    if (this.#heldUntil !== null) {
      const left = this.#heldUntil - performance.now();
      if (!this.#secrets.isSettled && left > 0) return this.#lookAgainIn(left);
      return this.#publish(this.#secretObjects.takeChanges());
    }
    const secrets = this.#secretObjects.takeChanges();
    if (this.#phase === 'cached') return this.#publish(secrets);
    const objects = this.#objects.takeChanges();
    this.#publish({
      put: [...objects.put, ...secrets.put],
      removed: [...objects.removed, ...secrets.removed],
    });
  }

  #lookAgainIn(ms: number): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = setTimeout(() => this.#update(), ms + 1);
  }

  /** `isConfirmed`: what was provisional counts from now on, also where it stays the same. */
  #publish(changes: Changes, isConfirmed = false): void {
    const all = { ...changes, problems: this.#problems(), resolvedNames: this.#names.results };
    const next = nextSnapshot(this.#snapshot, all);
    const isFirst = this.#snapshot.version === 0;
    const isHeld = this.#heldUntil !== null;
    if (next === this.#snapshot && !isHeld && !isFirst && !isConfirmed) return;
    // An empty cluster changes nothing, but the first snapshot is promised.
    this.#snapshot = next.version === 0 ? { ...next, version: 1 } : next;
    this.#onSnapshot(this.#snapshot);
    if (this.#heldUntil !== null) return;
    this.#onFirst();
    if (this.#phase === 'live') this.#cache?.saveLater();
    if (isHeld) this.#settled.hint(SETTLE_MS);
  }

  #problems(): Problem[] {
    const problems = [...this.#objects.problems, ...this.#secretObjects.problems];
    for (const { feed } of this.#feeds) {
      if (isForbidden(feed)) problems.push(feedForbidden(feed.target, feed.failure!, feed.isSynced));
    }
    for (const [key, failure] of this.#secrets.forbidden) problems.push(secretForbidden(key, failure));
    return problems;
  }

  #startFromCache(): void {
    if (this.#cache === null || this.#cached !== null) return;
    clearTimeout(this.#cacheTimer);
    const isWanted = () => !this.#closed && this.#phase === 'starting';
    this.#cached = this.#cache.read(isWanted, (snapshot) => {
      this.#phase = 'cached';
      this.#snapshot = snapshot;
      this.#onSnapshot(snapshot);
      this.#onFirst();
    });
  }
}

/** What the cache had of the kinds that were listed since, and the cluster has no longer. Secrets go their own way. */
function* vanished(
  cached: Snapshot,
  present: Iterable<AnyObject>,
  feeds: readonly WatchedFeed[],
): Generator<{ readonly kind: Kind; readonly key: ObjectKey }> {
  const there = new Set<string>();
  for (const { kind, meta } of present) there.add(`${kind} ${meta.key}`);
  const kinds = new Set(feeds.filter(({ feed }) => feed.isSynced).map(({ watched }) => watched.kind));
  for (const kind of kinds) {
    if (kind === 'Secret') continue;
    for (const key of objectsOf(cached, kind).keys()) if (!there.has(`${kind} ${key}`)) yield { kind, key };
  }
}
