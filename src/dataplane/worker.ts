/** The entry of a data-plane worker thread: owns listeners and connections, receives tables, swaps, drains. */
import { parentPort, workerData } from 'node:worker_threads';
import { AccessLog } from './access-log.ts';
import type { DataplaneConfig } from './config.ts';
import type { ClientConnection, ClientListener } from './exchange/client-listener.ts';
import type { Dataplane } from './exchange/dataplane.ts';
import { compileRoute, type LiveRoute } from './exchange/live-route.ts';
import { TrustedProxies } from './exchange/peer.ts';
import { finishConnections } from './finish-connections.ts';
import { Http1ServerConnection } from './http1/server.ts';
import { CleartextSniffer } from './http2/cleartext.ts';
import { Http2ServerConnection, type Http2Shared } from './http2/connection.ts';
import { RequestFields } from './http2/request-fields.ts';
import { ResponseBlocks } from './http2/response-blocks.ts';
import { Tunnel } from './l4/tunnel.ts';
import { tunnelRoute } from './l4/tunnel-route.ts';
import type { BoundAddress, FromWorker, ToWorker } from './messages.ts';
import { LiveTable } from './route/table.ts';
import { Stats } from './stats.ts';
import { TimerWheel } from './timers.ts';
import { TlsHandshake, type TlsListener } from './tls/handshake.ts';
import { LiveTls } from './tls/live-tls.ts';
import { netTls } from './transport/net-tls.ts';
import { netTransport } from './transport/net-transport.ts';
import type { ByteStream, Listener, StreamOwner } from './transport/stream.ts';
import { connectUpstream } from './upstream/connect.ts';
import { Upstreams } from './upstream/upstreams.ts';

const LOG_FLUSH_MS = 1000;
const DRAIN_CHECK_MS = 50;
const REPORT_SERIES = 500;
const REPORT_PAUSE_MS = 25;
/** Connections that are looked at before others get their turn. */
const AT_A_TURN = 1000;

const port = parentPort!;
const config = workerData as DataplaneConfig;

function post(message: FromWorker): void {
  port.postMessage(message);
}

const stats = new Stats();
const wheel = new TimerWheel(() => performance.now(), fault);
const upstreams = new Upstreams(wheel, (settings, reason) =>
  post({ kind: 'event', level: 'warn', event: 'upstream-tls-unusable', fields: { settings, reason } }),
);
const table = new LiveTable<LiveRoute>({
  hasUpstream: (key) => upstreams.get(key) !== undefined,
  compile: (route) => compileRoute(route, upstreams, stats),
  setUpstream: (upstream) => upstreams.set(upstream),
  removeUpstream: (key) => upstreams.remove(key),
});
const tls = new LiveTls(config.tls, (certificate, reason) =>
  post({ kind: 'event', level: 'error', event: 'certificate-unusable', fields: { certificate, reason } }),
);
const dataplane: Dataplane = {
  config,
  transport: netTransport(fault, (result) => {
    stats.counters[`upstream_tls_handshakes_total:${result}`]++;
  }),
  connect: connectUpstream,
  wheel,
  table,
  stats,
  accessLog: new AccessLog(config.accessLog, (lines) =>
    port.postMessage({ kind: 'access-log', lines } satisfies FromWorker, [lines.buffer]),
  ),
  trusted: new TrustedProxies(config.trustedProxies),
  refused: stats.series('', '', '', ''),
  serverLine: config.serverName === '' ? '' : `Server: ${config.serverName}\r\n`,
  hstsLine: config.tls.hsts === '' ? '' : `Strict-Transport-Security: ${config.tls.hsts}\r\n`,
  later,
  tlsHosts: tls,
  active: 0,
  tunnels: 0,
  draining: false,
};

const http2Fields = new RequestFields(config.limits);
const http2: { readonly [S in ClientListener['scheme']]: Http2Shared } = {
  http: { fields: http2Fields, blocks: new ResponseBlocks(config.serverName, '') },
  https: { fields: http2Fields, blocks: new ResponseBlocks(config.serverName, config.tls.hsts) },
};

const connections = new Set<ClientConnection>();
/** Connections that are not through their TLS handshake, and those of them that OpenSSL works on. */
const waiting = new Set<TlsHandshake>();
const running = new Set<TlsHandshake>();
const listeners: Listener[] = [];

/** An error of ours: the connection it happened on was reset, the others go on. */
function fault(error: unknown): void {
  stats.counters.internal_errors_total++;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  post({ kind: 'event', level: 'error', event: 'internal-error', fields: { message } });
}

function later(ms: number, task: () => void): void {
  setTimeout(() => {
    try {
      task();
    } catch (error) {
      fault(error);
    }
  }, ms);
}

async function listen(): Promise<void> {
  const bound: BoundAddress[] = [];
  for (const { name, scheme, address, port: wanted } of config.listeners) {
    const shared: { -readonly [K in keyof ClientListener]: ClientListener[K] } = {
      dataplane,
      scheme,
      port: wanted,
      connections,
    };
    const accept = scheme === 'https' ? acceptTls(shared) : acceptCleartext(shared);
    try {
      const listener = await dataplane.transport.listen(address, wanted, (stream) => {
        stats.counters.connections_total++;
        const owner = accept(stream);
        // It reset the connection while that was queued, and is nobody any more. What it sent could still be read, and a
        // request of nobody passes every rule about addresses. Node keeps the address of those who are asked here.
        if (stream.remoteAddress === '') stream.destroy();
        else if (connections.size + waiting.size > config.limits.connections) {
          stats.counters['limit_hits_total:connections']++;
          stats.counters.connections_refused_total++;
          stream.destroy();
        }
        return owner;
      });
      // Behind a mapping of ports nobody knows ours; those who ask over TLS came to 443.
      shared.port = scheme === 'https' ? 443 : listener.port;
      listeners.push(listener);
      bound.push({ listener: name, address: listener.address, port: listener.port });
    } catch (error) {
      const text = (error as NodeJS.ErrnoException).code ?? String(error);
      post({ kind: 'bind-failed', listener: name, address: `${address}:${wanted}`, error: text });
      return;
    }
  }
  post({ kind: 'listening', addresses: bound });
}

type Accept = (stream: ByteStream) => StreamOwner & ClientConnection;

function acceptHttp1(listener: ClientListener): Accept {
  return (stream) => new Http1ServerConnection(listener, stream);
}

function acceptHttp2(listener: ClientListener): Accept {
  return (stream) => new Http2ServerConnection(listener, http2[listener.scheme], stream);
}

function acceptCleartext(listener: ClientListener): Accept {
  const http1 = acceptHttp1(listener);
  if (!config.http2Cleartext) return http1;
  const http2 = acceptHttp2(listener);
  return (stream) => new CleartextSniffer(listener, stream, http1, http2);
}

/** What follows the hello or the handshake is decided here and nowhere else: passed through, or what ALPN agreed on. */
function acceptTls(listener: ClientListener): (stream: ByteStream) => StreamOwner {
  const http1 = acceptHttp1(listener);
  const byProtocol = new Map([
    ['h2', acceptHttp2(listener)],
    ['http/1.1', http1],
  ]);
  const shared: TlsListener = {
    dataplane,
    server: netTls,
    tls,
    protocols: [...byProtocol.keys()],
    waiting,
    running,
    // Clients without ALPN speak HTTP/1.
    accept: (stream) => (byProtocol.get(stream.protocol) ?? http1)(stream),
    passThrough: (stream, received, route, serverName) =>
      new Tunnel(listener, stream, tunnelRoute(route, upstreams), received, serverName),
  };
  return (stream) => new TlsHandshake(shared, stream);
}

/** Tells clients to leave whose connections were made under TLS settings that no longer hold. */
function endOutdated(): void {
  const left = [...connections];
  const next = (): void => {
    for (const connection of left.splice(-AT_A_TURN)) {
      const { terms } = connection.stream;
      if (terms !== undefined && tls.termsOf(terms.serverName) !== terms.terms) connection.drain();
    }
    if (left.length > 0) setImmediate(next);
  };
  next();
}

async function commit(generation: number): Promise<void> {
  const began = performance.now();
  table.commit(generation);
  if (tls.commit()) endOutdated();
  upstreams.sweep();
  const pauseMs = performance.now() - began;
  // Nobody is let in before there is a table: a replaced worker would answer 404.
  if (listeners.length === 0 && !dataplane.draining) await listen();
  post({ kind: 'applied', generation, pauseMs });
}

function report(id: number): void {
  const pool = upstreams.connections();
  const gauges = {
    connections: connections.size + waiting.size,
    requests: dataplane.active,
    tunnels: dataplane.tunnels,
    upstream_connections: pool.open,
    upstream_idle_connections: pool.idle,
    upstream_ejected_endpoints: pool.ejected,
    worker_event_loop_lag_seconds: wheel.worstLagMs / 1000,
  };
  wheel.worstLagMs = 0;
  stats.counters.access_log_lines_total += dataplane.accessLog.added;
  dataplane.accessLog.added = 0;
  const packed = stats.pack(gauges, REPORT_SERIES);
  const more = stats.hasChanges;
  port.postMessage({ kind: 'stats', id: more ? 0 : id, report: packed } satisfies FromWorker, [
    packed.cells.buffer,
  ]);
  if (!more) return;
  // Thousands of routes in use are told in pieces, with requests served in between here, and tables made there.
  if (id === 0) setTimeout(report, REPORT_PAUSE_MS, id);
  else setImmediate(report, id);
}

async function drain(): Promise<void> {
  dataplane.draining = true;
  for (const connection of connections) connection.drain();
  for (const handshake of waiting) handshake.drain();
  await Promise.all(listeners.map((listener) => listener.close()));
  const timer = setInterval(() => {
    if (connections.size + waiting.size > 0) return;
    clearInterval(timer);
    dataplane.accessLog.flush();
    post({ kind: 'drained' });
  }, DRAIN_CHECK_MS);
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'stage':
      table.stage(message.chunk);
      return post({ kind: 'staged' });
    case 'stage-tls':
      tls.stage(message.patch);
      return post({ kind: 'staged' });
    case 'ticket-keys':
      return tls.setTicketKeys(message.keys.map((key) => Buffer.from(key, 'base64')));
    case 'commit':
      void commit(message.generation);
      return;
    case 'report':
      return report(message.id);
    case 'finish':
      return finishConnections({ connections, waiting }, message.address, message.mostMs, () =>
        post({ kind: 'finished', id: message.id }),
      );
    case 'drain':
      void drain();
      return;
    default:
      return message satisfies never;
  }
});

wheel.start();
setInterval(() => dataplane.accessLog.flush(), LOG_FLUSH_MS);
post({ kind: 'started' });
