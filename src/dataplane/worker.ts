/** The entry of a data-plane worker thread: owns listeners and connections, receives tables, swaps, drains. */
import { parentPort, workerData } from 'node:worker_threads';
import { AccessLog } from './access-log.ts';
import type { DataplaneConfig } from './config.ts';
import type { Dataplane } from './exchange/dataplane.ts';
import { compileRoute, type LiveRoute } from './exchange/live-route.ts';
import { TrustedProxies } from './exchange/peer.ts';
import { type Http1Listener, Http1ServerConnection } from './http1/server.ts';
import type { BoundAddress, FromWorker, ToWorker } from './messages.ts';
import { LiveTable } from './route/table.ts';
import { Stats } from './stats.ts';
import { TimerWheel } from './timers.ts';
import { netTransport } from './transport/net.ts';
import type { Listener } from './transport/stream.ts';
import { Upstreams } from './upstream/upstreams.ts';

const LOG_FLUSH_MS = 1000;
const DRAIN_CHECK_MS = 50;
const REPORT_SERIES = 500;

const port = parentPort!;
const config = workerData as DataplaneConfig;

function post(message: FromWorker): void {
  port.postMessage(message);
}

const stats = new Stats();
const wheel = new TimerWheel(() => performance.now());
const upstreams = new Upstreams(wheel);
const table = new LiveTable<LiveRoute>({
  hasUpstream: (key) => upstreams.get(key) !== undefined,
  compile: (route) => compileRoute(route, upstreams, stats),
  setUpstream: (upstream) => upstreams.set(upstream),
  removeUpstream: (key) => upstreams.remove(key),
});
const dataplane: Dataplane = {
  config,
  transport: netTransport(fault),
  wheel,
  table,
  stats,
  accessLog: new AccessLog(config.accessLog, (lines) => post({ kind: 'access-log', lines })),
  trusted: new TrustedProxies(config.trustedProxies),
  refused: stats.series('', '', '', ''),
  serverLine: config.serverName === '' ? '' : `Server: ${config.serverName}\r\n`,
  active: 0,
  retrying: 0,
  tunnels: 0,
  draining: false,
};

const connections = new Set<Http1ServerConnection>();
const listeners: Listener[] = [];

/** An error of ours: the connection it happened on was reset, the others go on. */
function fault(error: unknown): void {
  stats.counters.internal_errors_total++;
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  post({ kind: 'event', level: 'error', event: 'internal-error', fields: { message } });
}

async function listen(): Promise<void> {
  const bound: BoundAddress[] = [];
  for (const { name, scheme, address, port: wanted } of config.listeners) {
    const shared: {
      dataplane: Dataplane;
      scheme: 'http';
      port: number;
      connections: Set<Http1ServerConnection>;
    } = {
      dataplane,
      scheme,
      port: wanted,
      connections,
    };
    try {
      const listener = await dataplane.transport.listen(address, wanted, (stream) => {
        stats.counters.connections_total++;
        const connection = new Http1ServerConnection(shared as Http1Listener, stream);
        if (connections.size > config.limits.connections) {
          stats.counters['limit_hits_total:connections']++;
          stats.counters.connections_refused_total++;
          stream.destroy();
        }
        return connection;
      });
      shared.port = listener.port;
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

async function commit(generation: number): Promise<void> {
  const began = performance.now();
  table.commit(generation);
  upstreams.sweep();
  const pauseMs = performance.now() - began;
  // Nobody is let in before there is a table: a replaced worker would answer 404.
  if (listeners.length === 0 && !dataplane.draining) await listen();
  post({ kind: 'applied', generation, pauseMs });
}

function report(id: number): void {
  const pool = upstreams.connections();
  const gauges = {
    connections: connections.size,
    requests: dataplane.active,
    tunnels: dataplane.tunnels,
    upstream_connections: pool.open,
    upstream_idle_connections: pool.idle,
    worker_event_loop_lag_seconds: wheel.worstLagMs / 1000,
  };
  wheel.worstLagMs = 0;
  const packed = stats.pack(gauges, REPORT_SERIES);
  const more = stats.hasChanges;
  port.postMessage({ kind: 'stats', id: more ? 0 : id, report: packed } satisfies FromWorker, [
    packed.cells.buffer,
  ]);
  // Thousands of routes in use are told in pieces, with requests served in between.
  if (more) setImmediate(report, id);
}

async function drain(): Promise<void> {
  dataplane.draining = true;
  for (const connection of connections) connection.drain();
  await Promise.all(listeners.map((listener) => listener.close()));
  const timer = setInterval(() => {
    if (connections.size > 0) return;
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
    case 'commit':
      void commit(message.generation);
      return;
    case 'report':
      return report(message.id);
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
