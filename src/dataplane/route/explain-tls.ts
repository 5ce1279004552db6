/** The part of an explanation that follows from the TLS of the host: it repeats what the filters decide, in their order. */
import type { TlsHost, TlsTable } from '../../model/certificate.ts';
import type { Hostname } from '../../model/keys.ts';
import type { Route, RoutingTable } from '../../model/routing-table.ts';
import type { Explanation, Outcome } from './explanation.ts';
import type { NormalPath } from './path.ts';

/** What is said about the TLS of a host, or of the wildcard that covers it. */
export function tlsHostOf({ tlsHosts }: TlsTable, host: string): TlsHost | null {
  if (host === '') return null;
  const wildcard = `*${host.slice(host.indexOf('.'))}`;
  return tlsHosts.get(host as Hostname) ?? tlsHosts.get(wildcard as Hostname) ?? null;
}

/** What happens to TLS connections that name this host, when they are not served here; null when they are. */
export function passedThrough(tlsHost: TlsHost | null, { upstreams }: RoutingTable): Outcome | null {
  const route = tlsHost?.passthrough ?? null;
  if (route === null) return null;
  const upstream = route.action.kind === 'forward' ? (upstreams.get(route.action.upstream) ?? null) : null;
  return { kind: 'passed-through', route, upstream };
}

/** As `tlsRedirect` decides about requests in clear, for clients that no trusted proxy speaks for. */
export function redirected(
  tlsHost: TlsHost | null,
  host: string,
  route: Route | null,
  path: NormalPath | null,
): Outcome | null {
  if (route === null || path === null) return null;
  const { tlsRedirect, keepTrailingSlash } = route.policy;
  if (tlsRedirect === 'never' || (tlsRedirect === 'with-tls' && tlsHost?.bare !== false)) return null;
  const target = keepTrailingSlash ? path.forward : path.forward.replace(/\/$/, '');
  return { kind: 'redirected', route, location: `https://${host}${target}` };
}

/** As `clientCertificateRefusal` decides, as far as it does not depend on what the client shows. */
export function uncertified(tlsHost: TlsHost | null, route: Route | null, overTls: boolean): Outcome | null {
  const asked = tlsHost?.clientAuth ?? null;
  if (tlsHost === null || asked === null) return null;
  const clients = `clients of "${tlsHost.host}" are asked for a certificate`;
  if (asked.kind === 'closed') {
    return { kind: 'answered', status: 403, why: `${clients}, and what to ask for is not known`, route };
  }
  if (overTls || (asked.mode !== 'required' && asked.matchSubject === '')) return null;
  return { kind: 'answered', status: 400, why: `${clients}, which none can show without TLS`, route };
}

/** What clients of the host are to show. */
export function askedFor(tlsHost: TlsHost | null): Explanation['clientCertificate'] {
  const asked = tlsHost?.clientAuth ?? null;
  return asked?.kind === 'ask' ? asked.mode : null;
}
