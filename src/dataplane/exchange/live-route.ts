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
  readonly series: Series;
  /** The route's part of an access-log line. */
  readonly logFragment: string;
}

export function compileRoute(route: Route, upstreams: Upstreams, stats: Stats): LiveRoute {
  const { origin, action } = route;
  const upstream = action.kind === 'forward' ? (upstreams.get(action.upstream) ?? null) : null;
  const service = action.kind === 'unavailable' ? action.service : (upstream?.service ?? '');
  return {
    host: route.host,
    policy: route.policy,
    upstream,
    series: stats.series(route.host, origin.namespace, origin.name, service),
    logFragment: routeFragment(origin.namespace, origin.name, service),
  };
}
