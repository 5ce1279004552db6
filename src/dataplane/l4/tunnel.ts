/**
 * One connection of layer 4: bytes as they come, from a client to an endpoint of an upstream and back. What reads
 * nothing understands nothing: no header is added, and only a connection that never stood is tried again.
 */
import type { ClientConnection } from '../exchange/client-listener.ts';
import { connectFailure } from '../exchange/connect-failure.ts';
import type { Dataplane } from '../exchange/dataplane.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, StreamOwner } from '../transport/stream.ts';
import { hashText } from '../upstream/balance/consistent-hash.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { EndpointSide, type EndpointSideOwner, NOBODY } from './endpoint-side.ts';
import type { TunnelRoute } from './tunnel-route.ts';

/** What all tunnels of one listener share. */
export interface TunnelListener {
  readonly dataplane: Dataplane;
  /** Tunnels put themselves in and out. */
  readonly connections: Set<ClientConnection>;
}

export class Tunnel implements StreamOwner, EndpointSideOwner, ClientConnection, Timed {
  readonly #listener: TunnelListener;
  /** The client's side. */
  readonly stream: ByteStream;
  readonly #route: TunnelRoute;
  readonly #serverName: string;
  readonly #clientAddress: string;
  readonly #startedAt = performance.now();
  readonly #tried: Endpoint[] = [];
  #endpoint: Endpoint | null = null;
  #upstream: ByteStream | null = null;
  /** The endpoint has accepted the connection. */
  #connected = false;
  /** What the client sent before the endpoint was there. */
  #held: Buffer[];
  #clientEnded = false;
  #upstreamEnded = false;
  #clientGone = false;
  #receivedBytes = 0;
  #sentBytes = 0;
  #reason = '';
  #over = false;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  /** `received` was read from the client already and goes first; `serverName` is for the log, '' for none. */
  constructor(
    listener: TunnelListener,
    client: ByteStream,
    route: TunnelRoute,
    received: Buffer | null,
    serverName: string,
  ) {
    this.#listener = listener;
    this.stream = client;
    this.#route = route;
    this.#serverName = serverName;
    this.#clientAddress = client.remoteAddress;
    this.#held = received === null ? [] : [received];
    listener.connections.add(this);
    listener.dataplane.tunnels++;
    client.pause();
    this.#connect();
  }

  // ── connecting ──────────────────────────────────────────────────────────────────────────────────────────

  #connect(): void {
    const { dataplane } = this.#listener;
    const endpoint = this.#pick();
    if (endpoint === null)
      return this.#fail(this.#route.upstream === null ? 'backend-unresolved' : 'no-endpoints');
    if (endpoint.open >= dataplane.config.limits.endpointConnections) {
      dataplane.stats.counters['limit_hits_total:pending_requests']++;
      return this.#fail('pending-limit');
    }
    this.#tried.push(endpoint);
    this.#endpoint = endpoint;
    endpoint.open++;
    endpoint.inFlight++;
    dataplane.stats.counters.upstream_connections_total++;
    dataplane.wheel.set(this, this.#route.policy.connectTimeoutMs);
    this.#upstream = dataplane.transport.connect(
      { address: endpoint.address, port: endpoint.port, tls: null },
      new EndpointSide(this),
    );
  }

  #pick(): Endpoint | null {
    const { upstream } = this.#route;
    if (upstream === null) return null;
    if (this.#tried.length > 0) return upstream.pickOther(this.#tried);
    // There is nothing else to hash by than the client's address.
    return upstream.pick(upstream.hashBy === null ? 0 : hashText(this.#clientAddress));
  }

  onUpstreamConnect(): void {
    const { dataplane } = this.#listener;
    this.#connected = true;
    this.#endpoint!.succeeded();
    dataplane.wheel.set(this, dataplane.config.timeouts.tunnelIdle);
    for (const bytes of this.#held) this.#upstream!.writeBytes(bytes, 0, bytes.length);
    this.#held = [];
    if (this.#clientEnded) this.#upstream!.end();
    this.stream.expectBulk(true);
    this.#upstream!.expectBulk(true);
    if (!this.#upstream!.blocked) this.stream.resume();
  }

  #connectFailed(reason: string): void {
    const { dataplane } = this.#listener;
    const { counters } = dataplane.stats;
    counters.upstream_connection_failures_total++;
    if (reason === 'out-of-sockets') counters['limit_hits_total:sockets']++;
    else if (this.#endpoint!.failed()) counters.upstream_ejections_total++;
    this.#leaveEndpoint();
    const { upstream, policy } = this.#route;
    if (this.#tried.length > policy.retries || upstream!.pickOther(this.#tried) === null)
      return this.#fail(reason);
    counters.upstream_retries_total++;
    this.#connect();
  }

  /** The client never gets a clean end for a connection that led nowhere. */
  #fail(reason: string): void {
    this.#reason = reason;
    this.#held = [];
    this.stream.reset();
  }

  // ── bytes ───────────────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Buffer, start: number, end: number): void {
    this.#receivedBytes += end - start;
    if (!this.#connected) {
      // The one read that was under way when the client was paused.
      this.#held.push(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    this.#touch();
    const upstream = this.#upstream;
    if (upstream === null) return;
    upstream.writeBytes(bytes, start, end);
    this.#receivedBytes += this.stream.forward(upstream, Number.POSITIVE_INFINITY);
  }

  onUpstreamData(bytes: Buffer, start: number, end: number): void {
    this.#sentBytes += end - start;
    this.#touch();
    this.stream.writeBytes(bytes, start, end);
    this.#sentBytes += this.#upstream?.forward(this.stream, Number.POSITIVE_INFINITY) ?? 0;
  }

  #touch(): void {
    const { wheel, config } = this.#listener.dataplane;
    wheel.set(this, config.timeouts.tunnelIdle);
  }

  onBlocked(): void {
    this.#upstream?.pause();
  }

  onDrain(): void {
    this.#touch();
    this.#upstream?.resume();
  }

  onUpstreamBlocked(): void {
    this.stream.pause();
  }

  onUpstreamDrain(): void {
    this.#touch();
    this.stream.resume();
  }

  // ── ending ──────────────────────────────────────────────────────────────────────────────────────────────

  onEnd(): void {
    this.#clientEnded = true;
    if (this.#connected) this.#upstream?.end();
  }

  onUpstreamEnd(): void {
    this.#upstreamEnded = true;
    this.stream.end();
  }

  onClose(error: string | null): void {
    this.#clientGone = true;
    const clean = error === null && this.#clientEnded && this.#upstreamEnded;
    if (!clean && this.#reason === '') this.#reason = 'client-closed';
    const upstream = this.#upstream;
    this.#upstream = null;
    if (upstream !== null) {
      if (clean) upstream.destroyAfterFlush();
      else upstream.reset();
    }
    this.#leaveEndpoint();
    this.#finish();
  }

  onUpstreamClose(error: string | null): void {
    this.#upstream = null;
    if (this.#clientGone) return;
    if (!this.#connected)
      return this.#connectFailed(this.#reason === '' ? connectFailure(error) : this.#reason);
    this.#leaveEndpoint();
    if (error === null && this.#upstreamEnded && this.#clientEnded) return this.stream.destroyAfterFlush();
    if (this.#reason === '') this.#reason = 'tunnel-broken';
    this.stream.reset();
  }

  onDeadline(): void {
    const { counters } = this.#listener.dataplane.stats;
    if (this.#connected) {
      counters['limit_hits_total:tunnel_timeout']++;
      this.#reason = 'tunnel-timeout';
      this.stream.destroy();
      return;
    }
    counters['limit_hits_total:connect_timeout']++;
    const late = this.#upstream;
    this.#upstream = null;
    if (late !== null) {
      late.owner = NOBODY;
      late.destroy();
    }
    this.#connectFailed('connect-timeout');
  }

  /** Both sides run on until they end, or the time for the drain is over. */
  drain(): void {}

  /** It may last for days. */
  get idle(): boolean {
    return true;
  }

  onConnect(): void {}

  #leaveEndpoint(): void {
    const endpoint = this.#endpoint;
    if (endpoint === null) return;
    this.#endpoint = null;
    endpoint.open--;
    endpoint.inFlight--;
    endpoint.wake();
  }

  /** The one way out. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    const { dataplane, connections } = this.#listener;
    connections.delete(this);
    dataplane.wheel.remove(this);
    dataplane.tunnels--;
    const { counters } = dataplane.stats;
    counters[this.#connected ? 'l4_connections_total:ended' : 'l4_connections_total:failed']++;
    counters['l4_bytes_total:received'] += this.#receivedBytes;
    counters['l4_bytes_total:sent'] += this.#sentBytes;
    const broken = this.#reason !== '' && this.#reason !== 'client-closed';
    if (!dataplane.accessLog.wants(broken ? 500 : 200)) return;
    dataplane.accessLog.addConnection({
      client: this.#clientAddress,
      serverName: this.#serverName,
      bytesIn: this.#receivedBytes,
      bytesOut: this.#sentBytes,
      durationMs: performance.now() - this.#startedAt,
      upstream: this.#tried.at(-1)?.key ?? '',
      attempts: this.#tried.length,
      reason: this.#reason,
      route: this.#route.logFragment,
    });
  }
}
