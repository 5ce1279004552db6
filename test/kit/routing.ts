/** Parts of a routing table, of which a test says only what it is about. */
import { EMPTY_TLS_TABLE } from '../../src/model/certificate.ts';
import type { Hostname, PathKey, UpstreamKey } from '../../src/model/keys.ts';
import type { HostTable, Route, RoutingTable, Upstream } from '../../src/model/routing-table.ts';

/** A route of an Ingress `ns/web` to its Service `ns/web:80`, without limits. */
export function route(host: string, path: string, more: Partial<Route> = {}): Route {
  return {
    origin: { kind: 'Ingress', namespace: 'ns', name: 'web', field: '' },
    host: host as Hostname,
    path,
    action: { kind: 'forward', upstream: 'ns/web:80' as UpstreamKey },
    policy: {
      maxBodyBytes: 0,
      connectTimeoutMs: 0,
      responseTimeoutMs: 0,
      sendTimeoutMs: 0,
      retries: 0,
      tlsRedirect: 'never',
      keepTrailingSlash: false,
    },
    ...more,
  };
}

/** `routes` by path key: `^/a` is a prefix, `=/a` exact. */
export function host(
  name: string,
  routes: Readonly<Record<string, Route>>,
  fallback: Route | null = null,
): HostTable {
  return { host: name as Hostname, paths: new Map(Object.entries(routes) as [PathKey, Route][]), fallback };
}

/** Its endpoints are on port 80. */
export function upstream(key: string, ...addresses: readonly string[]): Upstream {
  return {
    key: key as UpstreamKey,
    service: { namespace: 'ns', name: key, port: '80' },
    protocol: 'http1',
    tls: null,
    balance: { kind: 'round-robin' },
    endpoints: addresses.map((address) => ({ address, port: 80, zone: null })),
  };
}

export function table(hosts: readonly HostTable[], upstreams: readonly Upstream[] = []): RoutingTable {
  return {
    generation: 1,
    hosts: new Map(hosts.map((each) => [each.host, each])),
    upstreams: new Map(upstreams.map((each) => [each.key, each])),
    tls: EMPTY_TLS_TABLE,
  };
}
