import type { Route, RoutePolicy } from '../../model/routing-table.ts';
import { routeFragment } from '../access-log.ts';
import type { LiveUpstream, Upstreams } from '../upstream/upstreams.ts';

/** Where connections go. */
export interface TunnelRoute {
  /** null: it cannot be resolved; connections are reset. */
  readonly upstream: LiveUpstream | null;
  readonly policy: Pick<RoutePolicy, 'connectTimeoutMs' | 'retries'>;
  /** The route's part of an access-log line. */
  readonly logFragment: string;
}

/** What a route says about connections that are passed through. */
export function tunnelRoute({ origin, action, policy }: Route, upstreams: Upstreams): TunnelRoute {
  const upstream = action.kind === 'forward' ? (upstreams.get(action.upstream) ?? null) : null;
  const service = action.kind === 'unavailable' ? action.service : (upstream?.service ?? '');
  return { upstream, policy, logFragment: routeFragment(origin.namespace, origin.name, service) };
}
