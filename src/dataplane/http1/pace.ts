/** How long a client may take for what is awaited of it, and what becomes of one that takes longer. Hot path. */
import { BODY, CLOSING, CUT, DISCARD, HEAD, TUNNEL, WAIT } from './reading.ts';
import type { Http1ServerConnection } from './server.ts';

/** What a client has to read our last word before the connection is closed. */
const LINGER_MS = 2000;

/** Notes body bytes; false when they come too slowly, and the request was answered so. */
export function bodyInTime(connection: Http1ServerConnection, size: number): boolean {
  const { wheel, config } = connection.listener.dataplane;
  wheel.set(connection, config.timeouts.bodyIdle);
  if (connection.body!.inTime(size, wheel.now, config.timeouts)) return true;
  bodyTimedOut(connection);
  return false;
}

function bodyTimedOut(connection: Http1ServerConnection): void {
  connection.listener.dataplane.stats.counters['limit_hits_total:request_body_timeout']++;
  connection.breakBody(408, 'request-timeout');
}

/** Nothing came, or left, in the time there was for it. */
export function deadlinePassed(connection: Http1ServerConnection): void {
  const { stats } = connection.listener.dataplane;
  if (connection.reading === TUNNEL) {
    stats.counters['limit_hits_total:tunnel_timeout']++;
    connection.stream.destroy();
    return;
  }
  if (connection.stream.unsent > 0) return sendTimedOut(connection);
  switch (connection.reading) {
    case HEAD:
      return idleTooLong(connection);
    case BODY:
      return bodyTimedOut(connection);
    case DISCARD:
      return connection.hangUp();
    default:
      connection.stream.destroy();
  }
}

function idleTooLong(connection: Http1ServerConnection): void {
  const { stats } = connection.listener.dataplane;
  if (connection.headStarted) {
    stats.counters['limit_hits_total:request_head_timeout']++;
    return connection.refuse(408);
  }
  stats.counters['limit_hits_total:keep_alive_timeout']++;
  connection.reading = CUT;
  connection.stream.destroyAfterFlush();
  linger(connection);
}

/** Nothing left for a while; a reader that took at least something gets another while. */
function sendTimedOut(connection: Http1ServerConnection): void {
  const { wheel, config, stats } = connection.listener.dataplane;
  const { unsent } = connection.stream;
  if (connection.unsent === 0 || unsent < connection.unsent) {
    connection.unsent = unsent;
    return wheel.set(connection, config.timeouts.sendIdle);
  }
  stats.counters['limit_hits_total:send_timeout']++;
  const { exchange } = connection;
  connection.exchange = null;
  connection.reading = CUT;
  exchange?.onDownstreamClosed('send-timeout');
  connection.stream.reset();
}

/** Bytes went through a tunnel: either side has its time anew. */
export function touchTunnel(connection: Http1ServerConnection): void {
  const { wheel, config } = connection.listener.dataplane;
  wheel.set(connection, config.timeouts.tunnelIdle);
}

/** Sets the timer for what is being waited for, if it is the client that has to act. */
export function rearm(connection: Http1ServerConnection): void {
  const { wheel, config } = connection.listener.dataplane;
  const { timeouts } = config;
  if (connection.reading === TUNNEL) wheel.set(connection, timeouts.tunnelIdle);
  else if (connection.stream.blocked) wheel.set(connection, timeouts.sendIdle);
  else if (connection.reading === HEAD) {
    const idle = connection.leaves() ? timeouts.drainIdle : timeouts.keepAlive;
    wheel.set(connection, connection.headStarted ? timeouts.requestHead : idle);
  } else if (connection.reading === WAIT || connection.bodyPaused) {
    connection.deadline = 0;
  } else if (connection.reading === BODY) {
    connection.body!.restartClock(wheel.now);
    wheel.set(connection, timeouts.bodyIdle);
  } else if (connection.reading === CLOSING || connection.reading === CUT) linger(connection);
}

/** What is unsent may leave as long as the client takes it; then it has a moment to close. */
export function linger(connection: Http1ServerConnection): void {
  const { wheel, config } = connection.listener.dataplane;
  connection.unsent = connection.stream.unsent;
  wheel.set(connection, connection.unsent > 0 ? config.timeouts.sendIdle : LINGER_MS);
}
