/** Requests that came without TLS and are to come with it: RoutePolicy.tlsRedirect. */
import type { RoutePolicy } from '../../model/routing-table.ts';
import type { Peer } from '../exchange/peer.ts';
import { isAuthority } from '../message/authority.ts';
import { X_FORWARDED_HOST, X_FORWARDED_PROTO } from '../message/field-names.ts';
import type { RequestHead } from '../message/request-head.ts';
import { requestHost } from '../route/resolve.ts';

/** Which hosts are served with TLS. */
export interface TlsHosts {
  /** Takes a host in its one spelling: see `requestHost`. */
  hasHost(host: string): boolean;
}

/**
 * Where the client is sent; null when the request is served as it is. As ingress-nginx does it: the scheme that a
 * trusted proxy tells counts, the port is dropped, and one slash at the end is too, unless the policy keeps it.
 */
export function tlsRedirect(
  policy: RoutePolicy,
  head: RequestHead,
  target: string,
  peer: Peer,
  hosts: TlsHosts,
): string | null {
  if (policy.tlsRedirect === 'never') return null;
  const told = peer.trusted ? head.fields.first(X_FORWARDED_PROTO).toLowerCase() : '';
  const scheme = told === 'http' || told === 'https' ? told : peer.scheme;
  if (scheme !== 'http') return null;
  const forwarded = peer.trusted ? head.fields.first(X_FORWARDED_HOST) : '';
  const host = requestHost(isAuthority(forwarded) ? forwarded : head.authority);
  if (host === '') return null;
  if (policy.tlsRedirect === 'with-tls' && !hosts.hasHost(host)) return null;
  const path = policy.keepTrailingSlash || !target.endsWith('/') ? target : target.slice(0, -1);
  return `https://${host}${path}`;
}
