/** A route with everything a request needs of it, made once, at its first match. */
import type { Route, RoutePolicy } from '../../model/routing-table.ts';
import { routeFragment } from '../access-log.ts';
import type { Series, Stats } from '../stats.ts';
import type { LiveUpstream, Upstreams } from '../upstream/upstreams.ts';

export interface LiveRoute {
  readonly host: string;
  readonly policy: RoutePolicy;
  /** null: the backend cannot be resolved, 503. */
  readonly upstream: LiveUpstream | null;
  /** For requests that came over TLS: mostly the same. */
  readonly upstreamOverTls: LiveUpstream | null;
  readonly series: Series;
  /** The route's part of an access-log line. */
  readonly logFragment: string;
}

export function compileRoute(route: Route, upstreams: Upstreams, stats: Stats): LiveRoute {
  const { origin, action } = route;
  const upstream = action.kind === 'forward' ? (upstreams.get(action.upstream) ?? null) : null;
  const overTls = action.kind === 'forward' ? action.upstreamOverTls : undefined;
  const service = action.kind === 'unavailable' ? action.service : (upstream?.service ?? '');
  return {
    host: route.host,
    policy: shared(route.policy),
    upstream,
    upstreamOverTls: overTls === undefined ? upstream : (upstreams.get(overTls) ?? null),
    series: stats.series(route.host, origin.namespace, origin.name, service),
    logFragment: routeFragment(origin.namespace, origin.name, service),
  };
}

/** Most routes have the same policy: one object for all of them stays in the processor's cache. */
const policies = new Map<string, RoutePolicy>();
const MOST_POLICIES = 1000;

function shared(policy: RoutePolicy): RoutePolicy {
  const text = JSON.stringify(policy);
  const known = policies.get(text);
  if (known !== undefined) return known;
  if (policies.size < MOST_POLICIES) policies.set(text, policy);
  return policy;
}
