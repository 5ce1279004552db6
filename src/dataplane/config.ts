/** What a worker is told once, at its start: plain data, so that it crosses the thread border as it is. */
export interface DataplaneConfig {
  readonly transport: 'net';
  readonly listeners: readonly ListenerConfig[];
  /** CIDRs whose X-Forwarded-* and X-Request-ID are believed, and whose Forwarded is passed on. */
  readonly trustedProxies: readonly string[];
  /** Also send `Forwarded` (RFC 7239) upstream. */
  readonly sendForwarded: boolean;
  /** Value of `Server` for responses whose backend sent none; '' for no such field. */
  readonly serverName: string;
  readonly accessLog: AccessLogConfig;
  readonly tls: TlsConfig;
  /** Upgrade tokens (lower case) that are tunnelled; `*` for any. */
  readonly upgrades: readonly string[];
  /** Listeners without TLS understand HTTP/2 with prior knowledge besides HTTP/1. */
  readonly http2Cleartext: boolean;
  readonly limits: Limits;
  readonly timeouts: Timeouts;
}

export interface ListenerConfig {
  readonly name: string;
  readonly scheme: 'http' | 'https';
  readonly address: string;
  readonly port: number;
}

export interface TlsConfig {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Suites of TLS 1.2 by OpenSSL's names, joined by colons, best first. */
  readonly ciphers: string;
  /** The same for TLS 1.3. */
  readonly ciphersuites: string;
  /** Groups of key exchange, best first. */
  readonly groups: string;
  /** Value of `Strict-Transport-Security` (RFC 6797) in responses over TLS; '' for no such field. */
  readonly hsts: string;
}

export interface AccessLogConfig {
  readonly enabled: boolean;
  /** Share of requests that are logged, 0..1; answers of 500 and above are always logged. */
  readonly sample: number;
}

/** Every bound of the data plane in one place; all per worker unless said otherwise. */
export interface Limits {
  /** Bytes of the request line. Over it: 414. */
  readonly requestLineBytes: number;
  /** Bytes of a request head. Over it: 431. */
  readonly requestHeadBytes: number;
  /** Field lines of a head. Over it: 431 (request), 502 (response). */
  readonly fieldCount: number;
  readonly responseHeadBytes: number;
  readonly trailerBytes: number;
  readonly trailerCount: number;
  /** Bytes of chunk extensions in one message. */
  readonly chunkExtensionBytes: number;
  /** Request body bytes where the route sets no limit of its own; 0 = none. Over it: 413. */
  readonly bodyBytes: number;
  /** Client connections; further ones are closed at once. */
  readonly connections: number;
  /** Requests in flight; further ones get 503 with Retry-After. */
  readonly requests: number;
  /** Requests on one client connection before it is closed politely. */
  readonly requestsPerConnection: number;
  /** Connections to one endpoint. */
  readonly endpointConnections: number;
  /** Idle connections kept to one endpoint. */
  readonly endpointIdleConnections: number;
  /** Requests that wait for a connection of one upstream. Over it: 503. */
  readonly pendingRequests: number;
  /** Request body bytes kept so that the request can be sent again. */
  readonly replayBytes: number;
  /** 1xx responses passed on for one request. */
  readonly informationalResponses: number;
  /** HTTP/2 streams that a client may have open on one connection. */
  readonly http2ConcurrentStreams: number;
  /** Request body bytes of one HTTP/2 stream, and of one connection, that a client may send ahead. */
  readonly http2StreamWindow: number;
  readonly http2ConnectionWindow: number;
  /** HTTP/2 streams on one connection to an endpoint, also when the endpoint would take more. */
  readonly upstreamStreams: number;
  /** Response body bytes of one HTTP/2 stream that an endpoint may send ahead of its client. */
  readonly upstreamStreamWindow: number;
  /** TLS handshakes at the same time. Over it slow ones are dropped, else new ones. */
  readonly tlsHandshakes: number;
}

/** All in milliseconds; 0 switches a timeout off. */
export interface Timeouts {
  /** From accept to the end of the TLS handshake. */
  readonly tlsHandshake: number;
  /** From the first byte of a request to the end of its head (or from accept, for the first). Over it: 408. */
  readonly requestHead: number;
  /** Between two reads of a request body. Over it: 408. */
  readonly bodyIdle: number;
  /** Bytes per second a request body must reach after `bodyRateGrace`; 0 = off. */
  readonly bodyRate: number;
  readonly bodyRateGrace: number;
  /** A client connection without a request. */
  readonly keepAlive: number;
  /** The client takes no byte of the response. */
  readonly sendIdle: number;
  readonly connect: number;
  /** No byte of a response from the upstream. Over it: 504. */
  readonly response: number;
  /** The upstream takes no byte of the request. */
  readonly upstreamSendIdle: number;
  /** An idle pooled upstream connection. */
  readonly upstreamIdle: number;
  /**
   * A connection to an HTTP/2 endpoint with open streams on which nothing comes: it is asked by PING, and given up
   * when there is no answer for as long again.
   */
  readonly upstreamPing: number;
  /** A tunnel without a byte in either direction. */
  readonly tunnelIdle: number;
  /** Waiting for an upstream connection when all are taken. Over it: 503. */
  readonly pending: number;
  /** From SIGTERM until what still runs is cut. */
  readonly drain: number;
  /** In a drain, how long an idle keep-alive connection may still send a request. */
  readonly drainIdle: number;
}

export const DEFAULT_LIMITS: Limits = {
  requestLineBytes: 8192,
  requestHeadBytes: 32_768,
  fieldCount: 100,
  responseHeadBytes: 65_536,
  trailerBytes: 8192,
  trailerCount: 32,
  chunkExtensionBytes: 16_384,
  bodyBytes: 0,
  connections: 100_000,
  requests: 50_000,
  requestsPerConnection: 10_000,
  endpointConnections: 1024,
  endpointIdleConnections: 512,
  pendingRequests: 1024,
  replayBytes: 65_536,
  informationalResponses: 32,
  http2ConcurrentStreams: 128,
  http2StreamWindow: 262_144,
  http2ConnectionWindow: 1_048_576,
  upstreamStreams: 128,
  upstreamStreamWindow: 131_072,
  tlsHandshakes: 512,
};

export const DEFAULT_TIMEOUTS: Timeouts = {
  tlsHandshake: 10_000,
  requestHead: 10_000,
  bodyIdle: 30_000,
  bodyRate: 240,
  bodyRateGrace: 10_000,
  keepAlive: 60_000,
  sendIdle: 30_000,
  connect: 2000,
  response: 60_000,
  upstreamSendIdle: 30_000,
  upstreamIdle: 30_000,
  upstreamPing: 10_000,
  tunnelIdle: 3_600_000,
  pending: 1000,
  drain: 25_000,
  drainIdle: 1000,
};
