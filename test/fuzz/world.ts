/**
 * A whole data plane without sockets and clocks: the real connections, exchanges, pools and timers over a
 * transport in memory, whose every step the test takes.
 */
import assert from 'node:assert/strict';
import { AccessLog } from '../../src/dataplane/access-log.ts';
import {
  type DataplaneConfig,
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type Limits,
  type Timeouts,
} from '../../src/dataplane/config.ts';
import type { ClientListener } from '../../src/dataplane/exchange/client-listener.ts';
import type { Dataplane } from '../../src/dataplane/exchange/dataplane.ts';
import { compileRoute, type LiveRoute } from '../../src/dataplane/exchange/live-route.ts';
import { TrustedProxies } from '../../src/dataplane/exchange/peer.ts';
import { Http1ClientConnection } from '../../src/dataplane/http1/client.ts';
import { Http1ServerConnection } from '../../src/dataplane/http1/server.ts';
import { Http2ClientConnection } from '../../src/dataplane/http2/client-connection.ts';
import { Http2ServerConnection, type Http2Shared } from '../../src/dataplane/http2/connection.ts';
import { RequestFields } from '../../src/dataplane/http2/request-fields.ts';
import { ResponseBlocks } from '../../src/dataplane/http2/response-blocks.ts';
import type { LiveTable } from '../../src/dataplane/route/table.ts';
import { Stats } from '../../src/dataplane/stats.ts';
import { type Timed, TimerWheel } from '../../src/dataplane/timers.ts';
import { connectUpstream } from '../../src/dataplane/upstream/connect.ts';
import type { Endpoint } from '../../src/dataplane/upstream/endpoint.ts';
import { type LiveUpstream, Upstreams } from '../../src/dataplane/upstream/upstreams.ts';
import type { Hostname, UpstreamKey } from '../../src/model/keys.ts';
import type { BalancePolicy, RoutePolicy, UpstreamProtocol } from '../../src/model/routing-table.ts';
import { type MemoryPeer, MemoryTransport } from '../kit/memory-transport.ts';

export interface WorldOptions {
  readonly limits?: Partial<Limits>;
  readonly timeouts?: Partial<Timeouts>;
  readonly policy?: Partial<RoutePolicy>;
  readonly balance?: BalancePolicy;
  readonly endpoints?: number;
  /** What the endpoints speak. */
  readonly protocol?: UpstreamProtocol;
  /** Bytes that wait unsent before a stream counts as blocked. */
  readonly highWaterMark?: number;
  /** Up to this size what is written waits for the end of the callback. */
  readonly coalesceBytes?: number;
}

const TICK_MS = 100;
/** Shorter than the default, so that tests need not tick through hours. */
const TUNNEL_IDLE_MS = 100_000;
const UPSTREAM = 'ns/web:80' as UpstreamKey;

/** Remembers what was ever put into the wheel. */
class RecordingWheel extends TimerWheel {
  readonly seen = new Set<Timed>();

  override set(timed: Timed, ms: number): void {
    this.seen.add(timed);
    super.set(timed, ms);
  }
}

export class World {
  readonly transport: MemoryTransport;
  readonly dataplane: Dataplane;
  readonly upstreams: Upstreams;
  /** The far ends of the connections to endpoints, in the order in which they were opened. */
  readonly backends: MemoryPeer[] = [];
  readonly accessLog: string[] = [];
  onBackend: (peer: MemoryPeer) => void = () => {};
  readonly #endpoints = new Set<Endpoint>();
  readonly #wheel: RecordingWheel;
  readonly #listener: ClientListener;
  readonly #http2: Http2Shared;
  readonly #protocol: UpstreamProtocol;
  #now = 1000;

  constructor(options: WorldOptions = {}) {
    this.#protocol = options.protocol ?? 'http1';
    const {
      limits = {},
      timeouts = {},
      endpoints = 2,
      highWaterMark = 65_536,
      coalesceBytes = 8192,
    } = options;
    this.transport = new MemoryTransport(highWaterMark, coalesceBytes);
    this.transport.onOutgoing = (peer) => {
      this.backends.push(peer);
      const { owner } = peer.stream;
      assert.ok(owner instanceof Http1ClientConnection || owner instanceof Http2ClientConnection);
      this.#endpoints.add(owner.endpoint);
      this.onBackend(peer);
    };
    this.#wheel = new RecordingWheel(() => this.#now);
    this.upstreams = new Upstreams(this.#wheel);
    this.setEndpoints(endpoints, options.balance);
    const stats = new Stats();
    // Without what only the worker itself reads.
    const config = {
      trustedProxies: [],
      sendForwarded: false,
      serverName: '',
      accessLog: { enabled: true, sample: 1 },
      upgrades: ['*'],
      limits: { ...DEFAULT_LIMITS, ...limits },
      timeouts: { ...DEFAULT_TIMEOUTS, tunnelIdle: TUNNEL_IDLE_MS, ...timeouts },
    } as unknown as DataplaneConfig;
    this.dataplane = {
      config,
      transport: this.transport,
      connect: connectUpstream,
      wheel: this.#wheel,
      table: oneRoute(this.upstreams, stats, { ...policyOf(config), ...options.policy }),
      stats,
      accessLog: new AccessLog(config.accessLog, (lines) =>
        this.accessLog.push(Buffer.from(lines).toString()),
      ),
      trusted: new TrustedProxies([]),
      refused: stats.series('', '', '', ''),
      serverLine: '',
      hstsLine: '',
      // A moment: what else may happen meanwhile is for the steps to say.
      later: (_ms, task) => this.transport.later(task),
      tlsHosts: {
        hasHost: () => false,
        asks: false,
        clientAuthOf: () => null,
        passes: false,
        isPassedThrough: () => false,
      },
      active: 0,
      tunnels: 0,
      draining: false,
    };
    this.#http2 = { fields: new RequestFields(config.limits), blocks: new ResponseBlocks('tidegate', '') };
    this.#listener = { dataplane: this.dataplane, scheme: 'http', port: 80, connections: new Set() };
  }

  /** Gives the one upstream this many endpoints, as a table swap would. */
  setEndpoints(count: number, balance: BalancePolicy = { kind: 'round-robin' }): void {
    const endpoints = Array.from({ length: count }, (_, i) => ({
      address: `10.0.0.${i + 1}`,
      port: 80,
      zone: null,
    }));
    const service = { namespace: 'ns', name: 'web', port: '80' };
    this.upstreams.set({ key: UPSTREAM, service, protocol: this.#protocol, tls: null, balance, endpoints });
    this.upstreams.sweep();
  }

  /** A new client connection; gives the client's end. */
  client(): MemoryPeer {
    return this.transport.accept('192.0.2.1', (stream) => new Http1ServerConnection(this.#listener, stream));
  }

  /** As {@link client}, for one that speaks HTTP/2. */
  http2Client(): MemoryPeer {
    return this.transport.accept(
      '192.0.2.1',
      (stream) => new Http2ServerConnection(this.#listener, this.#http2, stream),
    );
  }

  drain(): void {
    this.dataplane.draining = true;
    this.transport.call(() => {
      for (const connection of this.#listener.connections) connection.drain();
    });
  }

  /** Lets time pass, tick by tick; what is written meanwhile leaves, but nothing else happens. */
  pass(ms: number): void {
    const end = this.#now + ms;
    while (this.#now < end) {
      this.#now += Math.min(TICK_MS, end - this.#now);
      this.transport.call(() => this.#wheel.advance());
      this.transport.flush();
    }
  }

  /** Takes all steps there are, in order, and lets `ms` pass between, until `ms` pass without any step. */
  settle(ms: number): void {
    this.transport.settle();
    for (let rounds = 0; ; rounds++) {
      assert.ok(rounds < 1000, 'it never settles');
      this.pass(ms);
      if (this.transport.steps().length === 0) return;
      this.transport.settle();
    }
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#endpoints];
  }

  get #upstream(): LiveUpstream {
    return this.upstreams.get(UPSTREAM)!;
  }

  get pending(): number {
    return this.#upstream.pending;
  }

  /** What must hold after every step. `mostUnsent` bounds what may wait in memory for one peer. */
  assertSane(mostUnsent: number): void {
    if (this.transport.faults.length > 0) throw this.transport.faults[0];
    const { active, tunnels } = this.dataplane;
    const { retrying } = this.#upstream;
    assert.ok(active >= 0 && retrying >= 0 && tunnels >= 0, `counts ${active} ${retrying} ${tunnels}`);
    assert.ok(
      tunnels <= active && retrying <= this.#upstream.active && this.#upstream.active <= active - tunnels,
      `of ${active} requests ${retrying} retry, ${tunnels} tunnel`,
    );
    assert.ok(this.pending >= 0 && this.pending <= active, `${this.pending} of ${active} wait`);
    for (const one of this.#endpoints) {
      assert.ok(one.inFlight >= 0, `${one.key}: ${one.inFlight} in flight`);
      assert.ok(one.ready.length <= one.open, `${one.key}: ${one.ready.length} idle of ${one.open}`);
    }
    for (const stream of this.transport.streams) {
      assert.ok(
        stream.unsent <= mostUnsent,
        `${stream.unsent} bytes wait in memory for ${stream.remoteAddress}`,
      );
    }
  }

  /** Nothing is left of any request: neither counts, nor connections, nor timers. */
  assertNothingLeft(): void {
    if (this.transport.faults.length > 0) throw this.transport.faults[0];
    const { active, tunnels } = this.dataplane;
    const { retrying, active: sent } = this.#upstream;
    assert.deepEqual(
      { active, sent, retrying, tunnels, pending: this.pending },
      { active: 0, sent: 0, retrying: 0, tunnels: 0, pending: 0 },
    );
    for (const one of this.#endpoints) {
      assert.deepEqual(
        [one.inFlight, one.open, one.ready.length],
        [0, 0, 0],
        `${one.key}: in flight, open, idle`,
      );
    }
    assert.equal(this.#listener.connections.size, 0, 'client connections');
    assert.equal(this.transport.streams.filter((stream) => !stream.closed).length, 0, 'open streams');
    for (const timed of this.#wheel.seen)
      assert.equal(timed.wheelSlot, -1, `a timer of ${timed.constructor.name}`);
  }
}

function policyOf({ limits, timeouts }: DataplaneConfig): RoutePolicy {
  return {
    maxBodyBytes: limits.bodyBytes,
    connectTimeoutMs: timeouts.connect,
    responseTimeoutMs: timeouts.response,
    sendTimeoutMs: timeouts.upstreamSendIdle,
    retries: 1,
    tlsRedirect: 'never',
    keepTrailingSlash: false,
  };
}

/** A table in which everything but host `nowhere` leads to the one upstream. */
function oneRoute(upstreams: Upstreams, stats: Stats, policy: RoutePolicy): LiveTable<LiveRoute> {
  const origin = { kind: 'Ingress', namespace: 'ns', name: 'web', field: '' };
  const action = { kind: 'forward', upstream: UPSTREAM } as const;
  const route = compileRoute({ origin, host: '' as Hostname, path: '/', action, policy }, upstreams, stats);
  const table = {
    generation: 1,
    match: (host: string): LiveRoute | null => (host === 'nowhere' ? null : route),
  };
  return table as unknown as LiveTable<LiveRoute>;
}
