/** Every setting there is, as one list: flags, environment, settings file, help and docs are made from it. */
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Limits, type Timeouts } from '../dataplane/config.ts';
import type { ValueKind } from './values.ts';
import * as value from './values.ts';

export interface Option<T> {
  /** Path in the settings file, like `http` or `limits.requestLineBytes`. */
  readonly key: string;
  /** Without the dashes. */
  readonly flag: string;
  readonly environment: string;
  readonly group: OptionGroup;
  readonly kind: ValueKind<T>;
  /** As a user would write it; null when there is none and the value stays unset. */
  readonly default: string | null;
  readonly doc: string;
}

export const OPTION_GROUPS = [
  'Source',
  'Cluster',
  'Webhook',
  'Listeners',
  'TLS',
  'Translation',
  'Addresses',
  'Speaker',
  'Forwarding',
  'Observing',
  'Draining',
  'Limits',
  'Timeouts',
] as const;
export type OptionGroup = (typeof OPTION_GROUPS)[number];

function option<T, D extends string | null>(
  group: OptionGroup,
  key: string,
  kind: ValueKind<T>,
  fallback: D,
  doc: string,
  flag: string = kebab(key),
): Option<D extends null ? T | null : T> {
  const environment = `TIDEGATE_${flag.toUpperCase().replaceAll('-', '_')}`;
  return { key, flag, environment, group, kind, default: fallback, doc };
}

function kebab(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export const OPTIONS = {
  source: option(
    'Source',
    'source',
    value.choice('manifests', 'kubernetes'),
    null,
    'Where objects come from; by default kubernetes in a pod or with a kubeconfig, else manifests.',
  ),
  manifests: option(
    'Source',
    'manifests',
    value.filePath,
    null,
    'Folder of manifests, read recursively and watched.',
  ),
  kubeconfig: option('Source', 'kubeconfig', value.filePath, null, 'Kubeconfig of the cluster to watch.'),
  context: option(
    'Source',
    'context',
    value.fieldText,
    null,
    'Context of the kubeconfig; by default its current one.',
  ),
  namespaces: option(
    'Source',
    'namespaces',
    value.namespaces,
    '',
    'Namespaces whose objects are read from the API server; by default all.',
  ),
  watchIdle: option(
    'Source',
    'watchIdle',
    value.duration('zero-is-zero'),
    '2m',
    'A watch of the API server that is silent for this long is opened anew; a server says something every minute.',
  ),
  snapshotCache: option(
    'Source',
    'snapshotCache',
    value.filePath,
    null,
    'File with the last good objects, used at a start while the API server is away; none is kept by default.',
  ),
  cacheSecrets: option(
    'Source',
    'cacheSecrets',
    value.onOff,
    'off',
    'Whether Secrets are written to that file too: private keys in the clear, readable by the program and root alone.',
  ),
  dnsServers: option(
    'Source',
    'dnsServers',
    value.dnsServers,
    '',
    'DNS servers that resolve ExternalName Services; by default those of the system.',
  ),

  leaderElection: option(
    'Cluster',
    'leaderElection',
    value.onOff,
    'on',
    'Whether replicas choose by a Lease which of them writes to the cluster; off only where there is just one.',
  ),
  lease: option(
    'Cluster',
    'lease',
    value.objectReference('Lease'),
    null,
    'The Lease; by default tidegate in the own namespace.',
  ),
  leaseDuration: option(
    'Cluster',
    'leaseDuration',
    value.duration('zero-is-zero'),
    '15s',
    'How long the others wait for a sign of life of the leader; it stops after two thirds of that and renews about every eighth. At least 3s.',
  ),
  publishService: option(
    'Cluster',
    'publishService',
    value.objectReference('Service'),
    null,
    'Service in front of Tidegate, whose addresses stand in the status of Ingresses.',
  ),
  publishStatusAddress: option(
    'Cluster',
    'publishStatusAddress',
    value.publishedAddresses,
    '',
    'IP addresses and host names that stand in the status of Ingresses instead.',
  ),
  publishNodeAddresses: option(
    'Cluster',
    'publishNodeAddresses',
    value.choice('off', 'internal', 'external'),
    'off',
    'Addresses of nodes in the status of Ingresses: of those with a ready endpoint of the publishing Service, or of all that are ready.',
  ),
  updateStatusOnShutdown: option(
    'Cluster',
    'updateStatusOnShutdown',
    value.toggle,
    'false',
    'Take the addresses out of the status of Ingresses when the last replica stops; needs the publishing Service to know that.',
  ),
  events: option(
    'Cluster',
    'events',
    value.onOff,
    'on',
    'Whether problems of objects become Events, as kubectl describe shows them.',
  ),

  webhook: option(
    'Webhook',
    'webhook',
    value.listenAddress,
    ':8444',
    'Address of the admission webhook; port 0 takes any free one.',
  ),
  webhookService: option(
    'Webhook',
    'webhookService',
    value.objectReference('Service'),
    null,
    'Service under which the API server reaches the webhook; by default tidegate-webhook in the own namespace.',
  ),
  webhookSecret: option(
    'Webhook',
    'webhookSecret',
    value.objectReference('Secret'),
    null,
    'Secret that holds the certificate which Tidegate makes for the webhook; by default tidegate-webhook in the own namespace.',
  ),
  webhookConfiguration: option(
    'Webhook',
    'webhookConfiguration',
    value.objectName,
    'tidegate',
    'ValidatingWebhookConfiguration that is told the authority of that certificate.',
  ),
  webhookCertificate: option(
    'Webhook',
    'webhookCertificate',
    value.filePath,
    null,
    'File with a certificate chain (PEM) in the place of one of our own making; read anew when it changes.',
  ),
  webhookKey: option(
    'Webhook',
    'webhookKey',
    value.filePath,
    null,
    'File with the private key of that certificate (PEM).',
  ),

  http: option(
    'Listeners',
    'http',
    value.listenAddress,
    '127.0.0.1:8080',
    'Address for HTTP; port 0 takes any free one.',
  ),
  https: option(
    'Listeners',
    'https',
    value.listenAddress,
    '127.0.0.1:8443',
    'Address for HTTPS; port 0 takes any free one.',
  ),
  http2Cleartext: option(
    'Listeners',
    'http2Cleartext',
    value.onOff,
    'off',
    'Whether the HTTP listener also understands HTTP/2 from clients that begin with it (prior knowledge).',
  ),
  admin: option(
    'Listeners',
    'admin',
    value.listenAddress,
    '127.0.0.1:9090',
    'Address for health, metrics and the dashboard.',
  ),
  adminName: option(
    'Listeners',
    'adminName',
    value.objectName,
    null,
    'Host name under which the admin listener may be asked, besides IP addresses and localhost.',
  ),
  workers: option(
    'Listeners',
    'workers',
    value.workerCount,
    'auto',
    'Worker threads; auto is one for each core the process may use.',
  ),
  transport: option(
    'Listeners',
    'transport',
    value.choice('auto', 'net', 'uring'),
    'auto',
    'How sockets are driven; auto takes the best that works here.',
  ),

  tlsMinVersion: option('TLS', 'tlsMinVersion', value.choice('1.2', '1.3'), '1.2', 'Least version of TLS.'),
  tlsCiphers: option(
    'TLS',
    'tlsCiphers',
    value.cipherList,
    'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
    "Cipher suites of TLS 1.2 by OpenSSL's names, best first; ChaCha20 first for clients that have it first.",
  ),
  tlsCiphersuites: option(
    'TLS',
    'tlsCiphersuites',
    value.ciphersuiteList,
    'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    'Cipher suites of TLS 1.3, best first; ChaCha20 first for clients that have it first.',
  ),
  tlsGroups: option(
    'TLS',
    'tlsGroups',
    value.groupList,
    'X25519MLKEM768:X25519:P-256:P-384',
    'Groups of key exchange, best first.',
  ),
  hsts: option(
    'TLS',
    'hsts',
    value.onOff,
    'on',
    'Strict-Transport-Security in responses over TLS, in the place of what a backend sends.',
  ),
  hstsMaxAge: option(
    'TLS',
    'hstsMaxAge',
    value.wholeNumber(0, 1_000_000_000),
    '31536000',
    'Seconds that browsers shall keep to HTTPS.',
  ),
  hstsIncludeSubdomains: option(
    'TLS',
    'hstsIncludeSubdomains',
    value.onOff,
    'on',
    'Whether that is for all hosts below, too.',
  ),
  hstsPreload: option(
    'TLS',
    'hstsPreload',
    value.onOff,
    'off',
    'Whether browsers may build the host into their lists.',
  ),

  ingressClass: option(
    'Translation',
    'ingressClass',
    value.objectName,
    'tidegate',
    'Name of our IngressClass.',
  ),
  controller: option(
    'Translation',
    'controller',
    value.controllerName,
    'tidegate.io/ingress-controller',
    'IngressClasses whose spec.controller is this one are ours.',
  ),
  watchIngressWithoutClass: option(
    'Translation',
    'watchIngressWithoutClass',
    value.toggle,
    'false',
    'Also serve Ingresses that name no class when no class is the default.',
  ),
  hostSharing: option(
    'Translation',
    'hostSharing',
    value.choice('any-namespace', 'same-namespace'),
    'any-namespace',
    'Whether Ingresses of any namespace may add to a host, or it belongs to the namespace of its oldest claimant.',
  ),
  defaultCertificate: option(
    'Translation',
    'defaultCertificate',
    value.objectReference('Secret'),
    null,
    'Secret with the certificate for hosts without one; without it a self-signed certificate is made at the start.',
  ),
  sslRedirect: option(
    'Translation',
    'sslRedirect',
    value.onOff,
    'on',
    'Whether plain requests to hosts with an entry in spec.tls are redirected to https, where an Ingress does not say.',
  ),
  balance: option(
    'Translation',
    'balance',
    value.choice('round-robin', 'least-request', 'ewma'),
    'round-robin',
    'How endpoints are chosen where an Ingress does not say.',
  ),
  externalNames: option(
    'Translation',
    'externalNames',
    value.onOff,
    'on',
    'Whether Services of type ExternalName are served.',
  ),
  externalNamesLoopback: option(
    'Translation',
    'externalNamesLoopback',
    value.toggle,
    'false',
    'Let ExternalName Services lead to loopback and link-local addresses.',
  ),

  loadBalancerClass: option(
    'Addresses',
    'loadBalancerClass',
    value.loadBalancerClass,
    'tidegate.io/load-balancer',
    'Services of type LoadBalancer with this spec.loadBalancerClass get their addresses from us.',
  ),
  watchServicesWithoutClass: option(
    'Addresses',
    'watchServicesWithoutClass',
    value.toggle,
    null,
    'So do those that name no class; by default only with the source manifests, since in a cluster they may belong to another load balancer.',
  ),
  metallbNamespace: option(
    'Addresses',
    'metallbNamespace',
    value.objectName,
    null,
    'Namespace of the IPAddressPools, advertisements and BGP peers that count; by default metallb-system with the source kubernetes, every one with manifests.',
  ),
  shareAddressesAcrossNamespaces: option(
    'Addresses',
    'shareAddressesAcrossNamespaces',
    value.toggle,
    'true',
    'Services of different namespaces may share an address (metallb.io/allow-shared-ip), as in MetalLB. Say false where tenants do not trust each other: whoever guesses a sharing key gets free ports of an address that others use.',
  ),
  addressState: option(
    'Addresses',
    'addressState',
    value.filePath,
    null,
    'File that remembers from one start to the next which Service has which address; for the source manifests, where no status does.',
  ),

  speaker: option(
    'Speaker',
    'speaker',
    value.toggle,
    'false',
    'Also announce the addresses of Services from this node, as the command speaker does.',
  ),
  nodeName: option(
    'Speaker',
    'nodeName',
    value.objectName,
    null,
    'Name of the Node that this is; by default that in the variable NODE_NAME, else the host name.',
  ),
  bgpListen: option(
    'Speaker',
    'bgpListen',
    value.listenAddress,
    ':179',
    'Where BGP peers may connect to. Those that we connect to ourselves need no listener.',
  ),
  speakerStop: option(
    'Speaker',
    'speakerStop',
    value.choice('auto', 'withdraw', 'keep'),
    'auto',
    'What becomes of BGP routes at the end: withdraw takes them back, keep leaves them with peers that do graceful restart; auto keeps them unless the Node is cordoned or it is run that ends, which serves what it announces.',
  ),
  excludedInterfaces: option(
    'Speaker',
    'excludedInterfaces',
    value.patterns,
    '^docker.*,^cbr.*,^dummy.*,^virbr.*,^lxcbr.*,^veth.*,^lo$,^cali.*,^tunl.*,^flannel.*,^kube-ipvs.*,^cni.*,^nodelocaldns.*,^lxc.*',
    'Interfaces on which nothing is announced by ARP and NDP.',
  ),
  speakerKey: option(
    'Speaker',
    'speakerKey',
    value.filePath,
    null,
    'File with the secret that the speakers of all nodes share, at least 16 bytes; without it there is no layer 2 as soon as there are several Nodes.',
  ),
  speakerPort: option(
    'Speaker',
    'speakerPort',
    value.wholeNumber(1, 65_535),
    '7947',
    'UDP port on which speakers tell each other that they live; the same on all nodes.',
  ),
  speakerHeartbeat: option(
    'Speaker',
    'speakerHeartbeat',
    value.duration('zero-is-zero'),
    '100ms',
    'How often; a speaker that was not heard for four times that is taken for dead, so the same on all nodes. 20ms to 10s.',
  ),
  announceExternalIps: option(
    'Speaker',
    'announceExternalIps',
    value.toggle,
    'false',
    'Also announce spec.externalIPs of Services, as far as a pool has them.',
  ),
  announceExcludedNodes: option(
    'Speaker',
    'announceExcludedNodes',
    value.toggle,
    'false',
    'Also announce from Nodes with the label node.kubernetes.io/exclude-from-external-load-balancers.',
  ),

  trustedProxies: option(
    'Forwarding',
    'trustedProxies',
    value.cidrs,
    '',
    'Peers whose X-Forwarded-* and X-Request-ID are believed, and whose Forwarded is passed on.',
  ),
  sendForwarded: option(
    'Forwarding',
    'sendForwarded',
    value.toggle,
    'false',
    'Also send Forwarded (RFC 7239) to backends.',
  ),
  serverName: option(
    'Forwarding',
    'serverName',
    value.fieldText,
    'tidegate',
    'Value of Server in responses that have none; empty for no such field.',
  ),
  upgrades: option(
    'Forwarding',
    'upgrades',
    value.upgradeTokens,
    '*',
    'Upgrade protocols that are tunnelled; * for any, empty for none.',
  ),

  accessLog: option(
    'Observing',
    'accessLog',
    value.choice('json', 'off'),
    'json',
    'Access log on standard output, one JSON object per request.',
  ),
  accessLogSample: option(
    'Observing',
    'accessLogSample',
    value.fraction(),
    '1',
    'Share of requests that are logged; answers of 500 and above always are.',
  ),
  logLevel: option(
    'Observing',
    'logLevel',
    value.choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'Least level of the program log. The line that says the program is ready is written at every level but silent.',
  ),
  readyFile: option(
    'Observing',
    'readyFile',
    value.filePath,
    null,
    'File that is there while the program is ready, for probes where two of them share the ports of a node during an update; an admin port in use is then waited for.',
  ),

  drainDelay: option(
    'Draining',
    'drainDelay',
    value.duration('zero-is-zero'),
    '0',
    'From SIGTERM, when readiness goes false, until the listeners close.',
  ),
} as const;

interface LimitDoc {
  readonly unit: 'bytes' | 'count';
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const TIB = 1024 ** 4;

const LIMIT_DOCS: { readonly [K in keyof Limits]: LimitDoc } = {
  requestLineBytes: { unit: 'bytes', min: 128, max: MIB, doc: 'Request line. Over it: 414.' },
  requestHeadBytes: { unit: 'bytes', min: 256, max: MIB, doc: 'Request head. Over it: 431.' },
  fieldCount: {
    unit: 'count',
    min: 4,
    max: 10_000,
    doc: 'Field lines of a head. Over it: 431 (request) or 502 (response).',
  },
  responseHeadBytes: { unit: 'bytes', min: 256, max: MIB, doc: 'Response head. Over it: 502.' },
  trailerBytes: { unit: 'bytes', min: 0, max: MIB, doc: 'Trailers of one message.' },
  trailerCount: { unit: 'count', min: 0, max: 10_000, doc: 'Trailer fields of one message.' },
  chunkExtensionBytes: { unit: 'bytes', min: 0, max: MIB, doc: 'Chunk extensions of one message.' },
  bodyBytes: {
    unit: 'bytes',
    min: 0,
    max: TIB,
    doc: 'Request body where the route sets no limit; 0 for none. Over it: 413.',
  },
  connections: {
    unit: 'count',
    min: 1,
    max: 10_000_000,
    doc: 'Client connections of one worker; further ones are closed at once.',
  },
  requests: {
    unit: 'count',
    min: 1,
    max: 10_000_000,
    doc: 'Requests in flight in one worker. Over it: 503 with Retry-After.',
  },
  requestsPerConnection: {
    unit: 'count',
    min: 1,
    max: 1_000_000_000,
    doc: 'Requests on one client connection before it is closed politely.',
  },
  endpointConnections: {
    unit: 'count',
    min: 1,
    max: 1_000_000,
    doc: 'Connections of one worker to one endpoint.',
  },
  endpointIdleConnections: {
    unit: 'count',
    min: 0,
    max: 1_000_000,
    doc: 'Idle connections that one worker keeps to one endpoint.',
  },
  pendingRequests: {
    unit: 'count',
    min: 0,
    max: 1_000_000,
    doc: 'Requests of one upstream that wait for a connection in one worker. Over it: 503.',
  },
  replayBytes: {
    unit: 'bytes',
    min: 0,
    max: 64 * MIB,
    doc: 'Start of a request body that is kept so that the request can be sent again.',
  },
  tlsHandshakes: {
    unit: 'count',
    min: 1,
    max: 1_000_000,
    doc: 'TLS handshakes of one worker at the same time. Over it slow ones are dropped, else new ones.',
  },
  http2ConcurrentStreams: {
    unit: 'count',
    min: 1,
    max: 1000,
    doc: 'HTTP/2 streams that a client may have open on one connection.',
  },
  http2StreamWindow: {
    unit: 'bytes',
    min: 64 * KIB - 1,
    max: 16 * MIB,
    doc: 'Request body that a client may send ahead on one HTTP/2 stream.',
  },
  upstreamStreams: {
    unit: 'count',
    min: 1,
    max: 10_000,
    doc: 'Requests at a time on one HTTP/2 connection to an endpoint, also when the endpoint would take more.',
  },
  upstreamStreamWindow: {
    unit: 'bytes',
    min: 64 * KIB - 1,
    max: 16 * MIB,
    doc: 'Response body that an HTTP/2 endpoint may send ahead of the client that reads it.',
  },
  http2ConnectionWindow: {
    unit: 'bytes',
    min: 64 * KIB - 1,
    max: 64 * MIB,
    doc: 'Request bodies that a client may send ahead on one HTTP/2 connection.',
  },
  informationalResponses: {
    unit: 'count',
    min: 0,
    max: 10_000,
    doc: '1xx responses passed on for one request.',
  },
};

const TIMEOUT_DOCS: { readonly [K in keyof Timeouts]: string } = {
  tlsHandshake: 'From accept to the end of the TLS handshake.',
  requestHead: 'From the first byte of a request to the end of its head. Over it: 408.',
  bodyIdle: 'Between two reads of a request body. Over it: 408.',
  bodyRate: 'Bytes per second that a request body must reach once the grace is over; 0 for no such demand.',
  bodyRateGrace: 'How long a request body may be slower than the rate.',
  keepAlive: 'A client connection without a request.',
  sendIdle: 'The client takes no byte of the response.',
  connect: 'Connecting to an endpoint.',
  response: 'No byte of a response from the endpoint. Over it: 504.',
  upstreamSendIdle: 'The endpoint takes no byte of the request.',
  upstreamIdle: 'An idle connection kept to an endpoint.',
  upstreamPing:
    'Silence of an HTTP/2 endpoint that owes answers before it is asked by PING; after as long again it is given up.',
  tunnelIdle: 'A tunnel (WebSocket and other upgrades) without a byte in either direction.',
  pending: 'Waiting for a connection to an endpoint when all are taken. Over it: 503.',
  drain: 'From the closing of the listeners until what still runs is cut.',
  drainIdle: 'How long an idle keep-alive connection may still send a request during a drain.',
};

function limitOption(name: keyof Limits): Option<number> {
  const { unit, min, max, doc } = LIMIT_DOCS[name];
  const bytes = unit === 'bytes';
  const kind = bytes ? value.size(min, max) : value.wholeNumber(min, max);
  const fallback = bytes ? value.formatSize(DEFAULT_LIMITS[name]) : String(DEFAULT_LIMITS[name]);
  return option('Limits', `limits.${name}`, kind, fallback, doc, `limit-${kebab(name)}`);
}

function timeoutOption(name: keyof Timeouts): Option<number> {
  const isRate = name === 'bodyRate';
  const kind = isRate ? value.size(0, 1024 * MIB) : value.duration('zero-is-off');
  const fallback = isRate
    ? value.formatSize(DEFAULT_TIMEOUTS[name])
    : value.formatDuration(DEFAULT_TIMEOUTS[name]);
  const isGrace = name === 'drain';
  const flag = isGrace ? 'drain' : `timeout-${kebab(name)}`;
  return option(
    isGrace ? 'Draining' : 'Timeouts',
    `timeouts.${name}`,
    kind,
    fallback,
    TIMEOUT_DOCS[name],
    flag,
  );
}

function forEachName<N extends string>(
  docs: Record<N, unknown>,
  make: (name: N) => Option<number>,
): ReadonlyMap<N, Option<number>> {
  return new Map((Object.keys(docs) as N[]).map((name) => [name, make(name)]));
}

export const LIMIT_OPTIONS: ReadonlyMap<keyof Limits, Option<number>> = forEachName(LIMIT_DOCS, limitOption);
export const TIMEOUT_OPTIONS: ReadonlyMap<keyof Timeouts, Option<number>> = forEachName(
  TIMEOUT_DOCS,
  timeoutOption,
);

/** All of them, in the order of {@link OPTION_GROUPS}. */
export const ALL_OPTIONS: readonly Option<unknown>[] = [
  ...Object.values(OPTIONS),
  ...LIMIT_OPTIONS.values(),
  ...TIMEOUT_OPTIONS.values(),
].sort((a, b) => OPTION_GROUPS.indexOf(a.group) - OPTION_GROUPS.indexOf(b.group));
