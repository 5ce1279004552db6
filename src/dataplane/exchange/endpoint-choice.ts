/** Which endpoint an exchange goes to, its place in line while none has room, and how it leaves again. Hot path. */
import type { Endpoint } from '../upstream/endpoint.ts';
import type { LiveUpstream } from '../upstream/upstreams.ts';
import type { Exchange } from './exchange.ts';
import { CONNECTING, WAITING } from './progress.ts';
import type { UpstreamConnection } from './sides.ts';

/** Sends the exchange to an endpoint that was not tried yet, lets it wait for one, or answers that there is none. */
export function attempt(exchange: Exchange, upstream: LiveUpstream): void {
  const { tried, hash, dataplane } = exchange;
  // After a stale pooled connection the same endpoint is as good as any when it is the only one.
  const endpoint = (
    tried.length === 0 ? upstream.pick(hash) : (upstream.pickOther(tried) ?? upstream.pick(hash))
  ) as Endpoint<UpstreamConnection> | null;
  if (endpoint === null) return exchange.answer(503, 'no-endpoints');
  exchange.attempts++;
  const { limits } = dataplane.config;
  if (endpoint.hasRoom(limits.endpointConnections)) return take(exchange, endpoint);
  const free = upstream.pickFree(limits.endpointConnections) as Endpoint<UpstreamConnection> | null;
  if (free !== null) return take(exchange, free);
  if (upstream.pending >= limits.pendingRequests) {
    dataplane.stats.counters['limit_hits_total:pending_requests']++;
    return exchange.answer(503, 'pending-limit');
  }
  upstream.pending++;
  exchange.state = WAITING;
  exchange.endpoint = endpoint;
  endpoint.inFlight++;
  endpoint.wait(exchange);
  dataplane.wheel.set(exchange, dataplane.config.timeouts.pending);
}

function take(exchange: Exchange, endpoint: Endpoint<UpstreamConnection>): void {
  exchange.endpoint = endpoint;
  endpoint.inFlight++;
  use(exchange, endpoint);
}

/** Takes a ready connection of the endpoint or opens one. */
function use(exchange: Exchange, endpoint: Endpoint<UpstreamConnection>): void {
  const { dataplane } = exchange;
  const { ready } = endpoint;
  if (ready.length > 0) {
    const connection = ready[ready.length - 1]!;
    exchange.upstreamSide = connection.take(exchange);
    if (connection.connected) return exchange.send(true);
  }
  exchange.state = CONNECTING;
  exchange.reused = false;
  if (exchange.upstreamSide !== null) return;
  dataplane.stats.counters.upstream_connections_total++;
  exchange.upstreamSide = dataplane.connect(dataplane, endpoint, exchange);
}

/** The endpoint it waits for may have room now. */
export function takeTurn(exchange: Exchange): void {
  const endpoint = exchange.endpoint!;
  if (endpoint.draining) {
    // Nothing was tried there yet: this does not count as an attempt.
    stopWaiting(exchange);
    leaveEndpoint(exchange);
    exchange.attempts--;
    return attempt(exchange, exchange.upstream!);
  }
  // Somebody else may have been quicker.
  if (!endpoint.hasRoom(exchange.dataplane.config.limits.endpointConnections))
    return endpoint.waitOn(exchange);
  stopWaiting(exchange);
  use(exchange, endpoint);
}

export function waitedTooLong(exchange: Exchange): void {
  if (exchange.state !== WAITING) return;
  exchange.endpoint!.stopWaiting(exchange);
  stopWaiting(exchange);
  leaveEndpoint(exchange);
  exchange.dataplane.stats.counters['limit_hits_total:pending_requests']++;
  exchange.answer(503, 'pending-timeout');
}

/** Drops the attempt, wherever it stands. */
export function leaveUpstream(exchange: Exchange): void {
  if (exchange.state === WAITING) {
    exchange.endpoint!.stopWaiting(exchange);
    stopWaiting(exchange);
  }
  const side = exchange.upstreamSide;
  exchange.upstreamSide = null;
  if (side !== null) side.abandon();
  leaveEndpoint(exchange);
}

/** The endpoint no longer counts it as in flight. */
export function leaveEndpoint(exchange: Exchange): void {
  if (exchange.endpoint === null) return;
  exchange.endpoint.inFlight--;
  exchange.lastEndpoint = exchange.endpoint;
  exchange.endpoint = null;
}

function stopWaiting(exchange: Exchange): void {
  exchange.upstream!.pending--;
  exchange.dataplane.wheel.remove(exchange);
  exchange.deadline = 0;
}
