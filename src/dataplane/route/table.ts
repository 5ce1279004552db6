/**
 * The routing table of one worker. `match` runs for every request: look-ups by text, no closures, no regular
 * expressions, and a bound on the work that the client's path cannot move.
 */
import type { Hostname, PathKey, UpstreamKey } from '../../model/keys.ts';
import type { Route } from '../../model/routing-table.ts';
import type { HostPatch, PatchChunk, UpstreamPatch } from '../../model/table-patch.ts';
import { hashOf, hashStep, NO_TEXT, TextTable } from '../text-table.ts';

/** What the owner of the table does with its contents. */
export interface LiveTableOwner<T extends object> {
  hasUpstream(key: UpstreamKey): boolean;
  /** Called once per route, when the first request for it arrives; its result is what `match` gives from then on. */
  compile(route: Route): T;
  /** A new upstream, or a changed one of the same key. Comes before any route that uses it. */
  setUpstream(upstream: UpstreamPatch): void;
  /** Comes after the last route that used it is gone. */
  removeUpstream(key: UpstreamKey): void;
}

/** A path's route as it came (JSON) and, from its first match on, as its owner compiled it. */
interface Slot<T> {
  /** The path; '' for a fallback. */
  readonly text: string;
  readonly json: string;
  live: T | null;
}

class LiveHost<T> {
  /** As it stands in its table: the name, or what follows the `*`. */
  readonly text: string;
  // What every request looks at stands here: each further object is one more that is in no cache.
  /** null while there is none. */
  exact: TextTable<Slot<T>> | null = null;
  /** By prefix without trailing slash; '' is the prefix of every path. */
  readonly prefix = new TextTable<Slot<T>>();
  /** Segments of the longest prefix: bounds the search; -1 when there is no prefix. */
  segments = -1;
  /** How many prefixes there are of each number of segments. */
  readonly depths: number[] = [];
  fallback: Slot<T> | null = null;

  constructor(text: string) {
    this.text = text;
  }
}

/** What was received of the next table. */
interface Staged<T> {
  /** Hosts that are not live yet, built as far as they were received. */
  readonly hosts: Map<Hostname, LiveHost<T>>;
  readonly patches: HostPatch[];
  readonly removedHosts: Hostname[];
  readonly upstreams: UpstreamPatch[];
  readonly removedUpstreams: UpstreamKey[];
}

function emptyStage<T>(): Staged<T> {
  return { hosts: new Map(), patches: [], removedHosts: [], upstreams: [], removedUpstreams: [] };
}

const SLASH = 47;
const EXACT = 61; // `=`, see exactPath

export class LiveTable<T extends object> {
  readonly #owner: LiveTableOwner<T>;
  readonly #exactHosts = new TextTable<LiveHost<T>>();
  /** By what follows the `*`: `.example.com`. */
  readonly #wildcardHosts = new TextTable<LiveHost<T>>();
  #anyHost: LiveHost<T> | null = null;
  #staged: Staged<T> = emptyStage();
  #generation = 0;

  constructor(owner: LiveTableOwner<T>) {
    this.#owner = owner;
  }

  /** Generation of the table that was applied last; 0 before the first. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Takes one chunk of a `diffTables`. What is new and not yet reachable (hosts, upstreams) is built right
   * away, so that `commit` has little left to do; what changes something live waits for it.
   */
  stage(chunk: PatchChunk): void {
    for (const upstream of chunk.upstreams) {
      if (this.#owner.hasUpstream(upstream.key)) this.#staged.upstreams.push(upstream);
      else this.#owner.setUpstream(upstream);
    }
    for (const patch of chunk.hosts) {
      if (this.#liveHost(patch.host) !== null) this.#staged.patches.push(patch);
      else patchHost(this.#stagedHost(patch.host), patch);
    }
    for (const host of chunk.removedHosts) this.#staged.removedHosts.push(host);
    for (const key of chunk.removedUpstreams) this.#staged.removedUpstreams.push(key);
  }

  /** Makes all that was staged live in one step. */
  commit(generation: number): void {
    const staged = this.#staged;
    this.#staged = emptyStage();
    for (const upstream of staged.upstreams) this.#owner.setUpstream(upstream);
    for (const [host, built] of staged.hosts) this.#addHost(host, built);
    for (const patch of staged.patches) patchHost(this.#liveHost(patch.host)!, patch);
    for (const host of staged.removedHosts) this.#removeHost(host);
    for (const key of staged.removedUpstreams) this.#owner.removeUpstream(key);
    this.#generation = generation;
  }

  /**
   * Takes a host in its one spelling (see `hostname`) and a path in match form (see `normalizePath`). Gives
   * null when nothing serves the request: 404.
   *
   * The most specific host that matches owns the request: exact, then `*.` for exactly one label, then any.
   * In it the longest path wins, of two equally long the exact one; then the host's fallback; then that of any
   * host. A less specific host's paths are not tried (kubernetes Ingress leaves this open).
   */
  match(host: string, path: string): T | null {
    const owning = this.#exactHosts.get(host) ?? this.#wildcardHost(host) ?? this.#anyHost;
    if (owning === null) return null;
    const slot = findPath(owning, path) ?? owning.fallback ?? this.#anyHost?.fallback ?? null;
    if (slot === null) return null;
    if (slot.live === null) slot.live = this.#owner.compile(JSON.parse(slot.json) as Route);
    return slot.live;
  }

  #wildcardHost(host: string): LiveHost<T> | undefined {
    if (this.#wildcardHosts.size === 0) return undefined;
    const dot = host.indexOf('.');
    return dot > 0 ? this.#wildcardHosts.get(host.slice(dot)) : undefined;
  }

  #liveHost(host: Hostname): LiveHost<T> | null {
    if (host === '') return this.#anyHost;
    const found = host.startsWith('*.') ? this.#wildcardHosts.get(host.slice(1)) : this.#exactHosts.get(host);
    return found ?? null;
  }

  #stagedHost(host: Hostname): LiveHost<T> {
    let found = this.#staged.hosts.get(host);
    if (found === undefined) {
      found = new LiveHost<T>(host.startsWith('*.') ? host.slice(1) : host);
      this.#staged.hosts.set(host, found);
    }
    return found;
  }

  #addHost(host: Hostname, built: LiveHost<T>): void {
    if (host === '') this.#anyHost = built;
    else if (host.startsWith('*.')) this.#wildcardHosts.set(built);
    else this.#exactHosts.set(built);
  }

  #removeHost(host: Hostname): void {
    if (host === '') this.#anyHost = null;
    else if (host.startsWith('*.')) this.#wildcardHosts.delete(host.slice(1));
    else this.#exactHosts.delete(host);
  }
}

/** The slot of the longest path that matches; an exact path is as long as the request's, so it comes first. */
function findPath<T>(host: LiveHost<T>, path: string): Slot<T> | undefined {
  const { exact, segments } = host;
  const found = exact === null ? undefined : exact.get(path);
  if (found !== undefined || segments < 0) return found;
  // Few rules are deeper than this.
  return segments <= 1 ? findShallow(host.prefix, path, segments) : findDeep(host.prefix, path, segments);
}

/** No prefix has more than one segment. */
function findShallow<T>(prefix: TextTable<Slot<T>>, path: string, segments: number): Slot<T> | undefined {
  if (segments > 0) {
    const slash = path.indexOf('/', 1);
    const end = slash < 0 ? path.length : slash;
    const slot = end > prefix.longest ? undefined : prefix.find(hashOf(path, end), path, end);
    if (slot !== undefined) return slot;
  }
  return prefix.find(NO_TEXT, path, 0);
}

/** The ends of a path's first segments, and the hash of the path up to there. */
const ends: number[] = [];
const hashes: number[] = [];

/**
 * Prefixes of up to `segments` segments: a path of thousands of slashes costs as little as a short one, and no byte of
 * it is hashed twice.
 */
function findDeep<T>(prefix: TextTable<Slot<T>>, path: string, segments: number): Slot<T> | undefined {
  const stop = Math.min(path.length, prefix.longest + 1);
  let count = 0;
  let hash = NO_TEXT;
  for (let i = 0; i < stop && count < segments; i++) {
    const unit = path.charCodeAt(i);
    if (unit === SLASH && i > 0) {
      ends[count] = i;
      hashes[count++] = hash;
    }
    hash = hashStep(hash, unit);
  }
  if (count < segments && stop === path.length) {
    ends[count] = stop;
    hashes[count++] = hash;
  }
  while (count-- > 0) {
    const slot = prefix.find(hashes[count]!, path, ends[count]!);
    if (slot !== undefined) return slot;
  }
  return prefix.find(NO_TEXT, path, 0);
}

function patchHost<T>(host: LiveHost<T>, patch: HostPatch): void {
  for (const key of patch.removed) removePath(host, key);
  for (let i = 0; i < patch.set.length; i += 2) setPath(host, patch.set[i] as PathKey, patch.set[i + 1]!);
  if (patch.fallback === undefined) return;
  if (patch.fallback === null) host.fallback = null;
  else if (host.fallback?.json !== patch.fallback)
    host.fallback = { text: '', json: patch.fallback, live: null };
}

/** A route that did not change keeps what its owner compiled, and so its state. */
function setPath<T>(host: LiveHost<T>, key: PathKey, json: string): void {
  const text = key.slice(1);
  const exact = key.charCodeAt(0) === EXACT;
  if (exact) host.exact ??= new TextTable();
  const paths = exact ? host.exact! : host.prefix;
  const before = paths.get(text);
  if (before?.json === json) return;
  paths.set({ text, json, live: null });
  if (exact || before !== undefined) return;
  const depth = segmentCount(text);
  while (host.depths.length <= depth) host.depths.push(0);
  host.depths[depth]! += 1; // in range: the line before made it so
  host.segments = host.depths.length - 1;
}

function removePath<T>(host: LiveHost<T>, key: PathKey): void {
  const path = key.slice(1);
  if (key.charCodeAt(0) === EXACT) {
    host.exact?.delete(path);
    if (host.exact?.size === 0) host.exact = null;
    return;
  }
  if (!host.prefix.delete(path)) return;
  host.depths[segmentCount(path)]! -= 1; // in range: setPath counted this path
  while (host.depths.at(-1) === 0) host.depths.pop();
  host.segments = host.depths.length - 1;
}

function segmentCount(prefix: string): number {
  let count = 0;
  for (let i = 0; i < prefix.length; i++) if (prefix.charCodeAt(i) === SLASH) count++;
  return count;
}
