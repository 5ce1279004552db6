/**
 * The difference between two routing tables, in the form in which it crosses to the workers.
 *
 * A route travels as JSON text made once (and shared by all workers) and parsed only when the first request
 * for it arrives: a message port copies text at memory speed, while cloning 100,000 objects would stop a
 * worker for hundreds of milliseconds.
 */
import type { Hostname, PathKey, UpstreamKey } from './keys.ts';
import type { HostTable, Route, RoutingTable, Upstream } from './routing-table.ts';
import { changedKeys } from './shared-map.ts';
import { type UpstreamTlsPatch, upstreamTlsPatch } from './upstream-tls.ts';

/** One slice of a patch, small enough to be read by a worker without a noticeable pause. */
export interface PatchChunk {
  readonly upstreams: readonly UpstreamPatch[];
  readonly removedUpstreams: readonly UpstreamKey[];
  readonly hosts: readonly HostPatch[];
  readonly removedHosts: readonly Hostname[];
}

export interface UpstreamPatch extends Omit<Upstream, 'tls'> {
  readonly tls: UpstreamTlsPatch | null;
}

export interface HostPatch {
  readonly host: Hostname;
  /** Route as JSON text, null for "none", undefined for "as before". */
  readonly fallback: string | null | undefined;
  /** Keys and routes as JSON text, alternating: key, route, key, route … */
  readonly set: readonly string[];
  readonly removed: readonly PathKey[];
}

/**
 * What must be done to `from` to get `to`, in chunks of at most `chunkRoutes` routes or upstreams each. All
 * chunks are to be received before any is applied, and then applied together.
 */
export function diffTables(from: RoutingTable, to: RoutingTable, chunkRoutes: number): PatchChunk[] {
  const chunks: PatchChunk[] = [];
  let size = 0;
  let upstreams: UpstreamPatch[] = [];
  let removedUpstreams: UpstreamKey[] = [];
  let hosts: HostPatch[] = [];
  let removedHosts: Hostname[] = [];

  const flush = (): void => {
    if (size === 0) return;
    chunks.push({ upstreams, removedUpstreams, hosts, removedHosts });
    size = 0;
    upstreams = [];
    removedUpstreams = [];
    hosts = [];
    removedHosts = [];
  };
  const counted = (cost: number): void => {
    size += cost;
    if (size >= chunkRoutes) flush();
  };

  const goneUpstreams: UpstreamKey[] = [];
  for (const key of changedKeys(from.upstreams, to.upstreams)) {
    const upstream = to.upstreams.get(key);
    if (upstream === undefined) {
      goneUpstreams.push(key);
      continue;
    }
    upstreams.push(upstreamPatch(upstream));
    counted(1 + upstream.endpoints.length);
  }
  for (const host of changedKeys(from.hosts, to.hosts)) {
    const table = to.hosts.get(host);
    if (table === undefined) {
      removedHosts.push(host);
      counted(1);
      continue;
    }
    for (const patch of diffHost(from.hosts.get(host), table, chunkRoutes)) {
      hosts.push(patch);
      counted(1 + patch.set.length / 2 + patch.removed.length);
    }
  }
  for (const key of goneUpstreams) {
    removedUpstreams.push(key);
    counted(1);
  }
  flush();
  return chunks;
}

/** The patches of one host; more than one when a single message would be too large. */
function* diffHost(
  before: HostTable | undefined,
  after: HostTable,
  chunkRoutes: number,
): Generator<HostPatch> {
  let fallback: string | null | undefined;
  if (after.fallback !== (before?.fallback ?? null)) fallback = routeText(after.fallback);
  let set: string[] = [];
  let removed: PathKey[] = [];
  let pending = before === undefined || fallback !== undefined;
  for (const key of changedKeys(before?.paths ?? NO_PATHS, after.paths)) {
    const route = after.paths.get(key);
    if (route === undefined) removed.push(key);
    else set.push(key, JSON.stringify(route));
    pending = true;
    if (set.length / 2 + removed.length < chunkRoutes) continue;
    yield { host: after.host, fallback, set, removed };
    fallback = undefined;
    set = [];
    removed = [];
    pending = false;
  }
  if (pending) yield { host: after.host, fallback, set, removed };
}

const NO_PATHS: HostTable['paths'] = new Map();

function upstreamPatch(upstream: Upstream): UpstreamPatch {
  return { ...upstream, tls: upstream.tls === null ? null : upstreamTlsPatch(upstream.tls) };
}

function routeText(route: Route | null): string | null {
  return route === null ? null : JSON.stringify(route);
}
