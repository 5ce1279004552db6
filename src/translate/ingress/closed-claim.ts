/** Routes of an Ingress that asks for client certificates where nobody would be asked: they are closed, never open. */
import type { PathKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { Route } from '../../model/routing-table.ts';
import type { Ingress } from '../../model/snapshot.ts';
import { isSameData } from '../same-data.ts';
import type { HostClaim } from './ingress.ts';

/** The annotation that asks for client certificates. */
export const AUTH_TLS_FIELD = 'metadata.annotations[nginx.ingress.kubernetes.io/auth-tls-secret]';

/** The same paths, all answered 503. What comes out as it is in `previous` is taken from there and counts as unchanged. */
export function closedClaim(claim: HostClaim, previous: HostClaim | undefined): HostClaim {
  const paths = new Map<PathKey, Route>();
  for (const [key, route] of claim.paths) paths.set(key, closed(route, previous?.paths.get(key)));
  const { fallback } = claim;
  return { paths, fallback: fallback === null ? null : closed(fallback, previous?.fallback) };
}

function closed(route: Route, previous: Route | null | undefined): Route {
  const { action } = route;
  const service = action.kind === 'forward' ? action.upstream.replace(/;.*/, '') : action.service;
  const shut: Route = { ...route, action: { kind: 'unavailable', service } };
  return previous && isSameData(shut, previous) ? previous : shut;
}

/** A client is asked by the name that it wants; who wants none, or any, cannot be. */
export function needsHost(ingress: Ingress): Problem {
  return problemOf(ingress, {
    severity: 'error',
    reason: 'InvalidAnnotation',
    field: AUTH_TLS_FIELD,
    message:
      'client certificates can only be asked for where there is a host to go by, and this Ingress also serves any host; what it serves there is answered 503 until it names its hosts or leaves that to another Ingress',
  });
}
