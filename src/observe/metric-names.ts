/** Every metric of ours by name: help texts and docs/reference/metrics.md come from here. */

export interface MetricDoc {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

const ROUTE_LABELS = ['host', 'namespace', 'ingress', 'service'] as const;

/** Rendered by exposition.ts. */
export const SERIES_METRICS = {
  requests: counter(
    'requests_total',
    [...ROUTE_LABELS, 'code'],
    'Requests answered; code is the status class, like 2xx.',
  ),
  duration: histogram(
    'request_duration_seconds',
    [...ROUTE_LABELS],
    "From the end of a request's head to the last byte of its response, or to the switch of protocols that makes it a tunnel (101, or 200 to an extended CONNECT); a tunnel counts when it has ended.",
  ),
  upstream: histogram(
    'upstream_duration_seconds',
    [...ROUTE_LABELS],
    'From sending a request to the endpoint to the head of its response.',
  ),
  received: counter(
    'received_bytes_total',
    [...ROUTE_LABELS],
    'Bytes of request bodies received from clients.',
  ),
  sent: counter('sent_bytes_total', [...ROUTE_LABELS], 'Bytes of response bodies sent to clients.'),
} as const satisfies Record<string, MetricDoc>;

/** Kept by the main thread. */
export const PROCESS_METRICS = {
  info: gauge('build_info', ['version'], 'Always 1.'),
  generation: gauge('config_generation', [], 'Generation of the live routing table.'),
  reloads: counter('config_reloads_total', [], 'Tables made live since the start.'),
  reloadSeconds: histogram(
    'config_reload_seconds',
    [],
    'From a settled change to its table being live in all workers.',
  ),
  objects: gauge('config_objects', ['kind'], 'Objects in use, by kind.'),
  problems: gauge('config_problems', ['severity'], 'Problems in the objects, as tidegate check prints them.'),
  restarts: counter('worker_restarts_total', [], 'Workers that died and were replaced.'),
  droppedLines: counter(
    'log_dropped_lines_total',
    [],
    'Log lines lost because standard output was read too slowly or did not take them.',
  ),
  apiRequests: counter(
    'kubernetes_requests_total',
    ['verb', 'resource', 'code'],
    'Requests to the Kubernetes API server; code is the status, or error when there was no answer.',
  ),
  leading: gauge('leader', [], 'Whether this replica writes to the cluster.'),
  clusterWrites: counter(
    'cluster_writes_total',
    ['what', 'result'],
    'Writes of status and event; result is done, gone (the object was deleted), retry or refused.',
  ),
  connected: gauge(
    'source_connected',
    [],
    'Whether everything that is watched is up to date; 1 for a folder of manifests.',
  ),
  behind: gauge(
    'source_behind_seconds',
    [],
    'Since everything that is watched was last up to date; 0 while it is, NaN when it never was.',
  ),
  certificateExpiry: gauge(
    'certificate_expiry_timestamp_seconds',
    ['name', 'id'],
    'When a certificate that is served expires, in seconds since 1970; the 500 that expire first. name is its first DNS name, id the beginning of the SHA-256 of its chain.',
  ),
  series: gauge(
    'metric_series',
    [],
    'Series of host, ingress and service in use; beyond 20000 further ones count as host="other".',
  ),
} as const satisfies Record<string, MetricDoc>;

/** How full address pools are, under MetalLB's names: its dashboards and alerts go on working. */
export const POOL_METRICS = {
  addresses: poolGauge('addresses_total', 'Addresses of the pool that Services can have, taken or not.'),
  ipv4: poolGauge('ipv4_addresses_total', 'Those of IPv4.'),
  ipv6: poolGauge('ipv6_addresses_total', 'Those of IPv6.'),
  inUse: poolGauge('addresses_in_use_total', 'Addresses of the pool that Services have.'),
  ipv4InUse: poolGauge('ipv4_addresses_in_use_total', 'Those of IPv4.'),
  ipv6InUse: poolGauge('ipv6_addresses_in_use_total', 'Those of IPv6.'),
} as const satisfies Record<string, MetricDoc>;

function poolGauge(name: string, help: string): MetricDoc {
  return { name: `metallb_allocator_${name}`, type: 'gauge', labels: ['pool'], help };
}

/**
 * What workers report under these names (see stats.ts in the data plane). A name that is not listed is shown
 * all the same; only its help is general.
 */
export const WORKER_METRICS: readonly MetricDoc[] = [
  counter('connections_total', [], 'Client connections accepted.'),
  counter('connections_refused_total', [], 'Client connections closed at once because there were too many.'),
  gauge('connections', [], 'Client connections open now.'),
  gauge('requests', [], 'Requests in flight.'),
  gauge('tunnels', [], 'Tunnels open now.'),
  counter('limit_hits_total', ['limit'], 'Requests or connections ended by a limit or a timeout.'),
  counter('tls_handshakes_total', ['result'], 'TLS handshakes: full, resumed or failed.'),
  counter('upgrades_total', [], 'Connections that became tunnels, such as WebSockets.'),
  counter(
    'l4_connections_total',
    ['result'],
    'Connections passed through as they came: ended, or failed because no endpoint could be reached.',
  ),
  counter(
    'l4_bytes_total',
    ['direction'],
    'Bytes passed through on them: received from clients, sent to clients.',
  ),
  gauge('upstream_connections', [], 'Connections to endpoints open now.'),
  gauge('upstream_idle_connections', [], 'Those of them that wait for a request.'),
  gauge(
    'upstream_ejected_endpoints',
    [],
    'Endpoints left out now because they failed, each counted by every worker that leaves it out.',
  ),
  counter('upstream_connections_total', [], 'Connections opened to endpoints.'),
  counter('upstream_connection_failures_total', [], 'Connections to endpoints that could not be opened.'),
  counter(
    'upstream_tls_handshakes_total',
    ['result'],
    'TLS handshakes with endpoints: full, resumed or failed.',
  ),
  counter('upstream_retries_total', [], 'Further attempts after a failed one.'),
  counter('upstream_ejections_total', [], 'Endpoints taken out for a while because they failed.'),
  counter('internal_errors_total', [], 'Requests that ended with an error of our own: each is a bug.'),
  counter('access_log_lines_total', [], 'Lines of the access log.'),
  gauge(
    'worker_event_loop_lag_seconds',
    ['worker'],
    'Latest that a timer of the worker was since the report before.',
  ),
];

function counter(name: string, labels: readonly string[], help: string): MetricDoc {
  return { name: `tidegate_${name}`, type: 'counter', labels, help };
}

function gauge(name: string, labels: readonly string[], help: string): MetricDoc {
  return { name: `tidegate_${name}`, type: 'gauge', labels, help };
}

function histogram(name: string, labels: readonly string[], help: string): MetricDoc {
  return { name: `tidegate_${name}`, type: 'histogram', labels, help };
}
