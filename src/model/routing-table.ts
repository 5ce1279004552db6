/**
 * The RoutingTable: what the data plane does, as plain, immutable, serialisable data. Every dialect is a
 * translator into it; nothing in here knows Kubernetes beyond names that end up in logs and metrics.
 */
import { EMPTY_TLS_TABLE, type TlsTable } from './certificate.ts';
import type { Hostname, PathKey, UpstreamKey } from './keys.ts';
import type { ObjectRef } from './problem.ts';
import type { UpstreamTls } from './upstream-tls.ts';

export interface RoutingTable {
  /** Grows by one with each table that differs from the one before. */
  readonly generation: number;
  readonly hosts: ReadonlyMap<Hostname, HostTable>;
  readonly upstreams: ReadonlyMap<UpstreamKey, Upstream>;
  readonly tls: TlsTable;
}

/**
 * One host: exact, `*.` wildcard (exactly one label) or '' (any host). The most specific matching host owns a
 * request; when none of its paths match, its fallback serves, then the fallback of '', then 404.
 */
export interface HostTable {
  readonly host: Hostname;
  /** Exact paths and element-wise prefixes. Longest wins; of equal length the exact one. */
  readonly paths: ReadonlyMap<PathKey, Route>;
  readonly fallback: Route | null;
}

export interface Route {
  readonly origin: RouteOrigin;
  readonly host: Hostname;
  /** The path as the user wrote it; '' for a fallback. */
  readonly path: string;
  readonly action: RouteAction;
  readonly policy: RoutePolicy;
}

/** Which object and field a route comes from. */
export interface RouteOrigin extends ObjectRef {
  readonly field: string;
}

export type RouteAction =
  | {
      readonly kind: 'forward';
      readonly upstream: UpstreamKey;
      /** For requests that came over TLS, where those go another way (backend-protocol AUTO_HTTP). */
      readonly upstreamOverTls?: UpstreamKey;
    }
  /** The backend cannot be resolved: answered with 503 until it can. */
  | { readonly kind: 'unavailable'; readonly service: string };

/** Zero means "no limit" for sizes and timeouts. */
export interface RoutePolicy {
  readonly maxBodyBytes: number;
  readonly connectTimeoutMs: number;
  /** From the request's last byte sent to the response's first byte, and between two reads of the response. */
  readonly responseTimeoutMs: number;
  readonly sendTimeoutMs: number;
  /** Further attempts after the first, each on another endpoint where there is one. */
  readonly retries: number;
  /** Which requests that came without TLS are sent to https: those to hosts that are served with it, or all. */
  readonly tlsRedirect: 'never' | 'with-tls' | 'always';
  /** That redirect keeps a slash at the end. */
  readonly keepTrailingSlash: boolean;
}

export interface Upstream {
  readonly key: UpstreamKey;
  /** For logs, metrics and `explain`. */
  readonly service: ServiceRef;
  readonly protocol: UpstreamProtocol;
  /** null: in clear. */
  readonly tls: UpstreamTls | null;
  readonly balance: BalancePolicy;
  /** Sorted by address and port, without duplicates. Empty: 503. */
  readonly endpoints: readonly Endpoint[];
}

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  /** As the route names it: number or name. */
  readonly port: string;
}

/** `http2`: every request is a stream of a shared connection (by prior knowledge, or by ALPN over TLS). */
export type UpstreamProtocol = 'http1' | 'http2';

export interface Endpoint {
  /** IP literal without brackets. */
  readonly address: string;
  readonly port: number;
  readonly zone: string | null;
}

export type BalancePolicy =
  | { readonly kind: 'round-robin' }
  /** Power of two choices over requests in flight. */
  | { readonly kind: 'least-request' }
  /** Power of two choices over peak-EWMA latency times requests in flight. */
  | { readonly kind: 'ewma' }
  /** Consistent: an endpoint that comes or goes moves only its share of the keys. */
  | { readonly kind: 'hash'; readonly by: HashSource };

export type HashSource =
  | { readonly kind: 'client-address' }
  | { readonly kind: 'uri' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

export const EMPTY_TABLE: RoutingTable = {
  generation: 0,
  hosts: new Map(),
  upstreams: new Map(),
  tls: EMPTY_TLS_TABLE,
};

/** `namespace/name:port` — how a service is named in logs, metrics and messages. */
export function describeService(ref: ServiceRef): string {
  return `${ref.namespace}/${ref.name}:${ref.port}`;
}
