/** What becomes of a failed attempt: another one, or an error for the client. */
import type { Exchange } from './exchange.ts';
import type { UpstreamFailure } from './sides.ts';

/** Retries that may be in flight at once, besides a fifth of all requests in flight. */
const RETRIES_ALWAYS = 100;

/** Attempts after which even stale pooled connections are no excuse. */
const STALE_TRIES = 8;

const NEVER_RETRIED: ReadonlySet<UpstreamFailure> = new Set([
  'bad-response',
  'truncated',
  'upgrade-unsupported',
  'head-too-large',
] as const);
const NOTHING_SENT: ReadonlySet<UpstreamFailure> = new Set([
  'connect-failed',
  'connect-timeout',
  // Another endpoint may have an idle connection, or ports of ours left that lead to it.
  'out-of-sockets',
  'not-http2',
  // Requests are sent over TLS that stands.
  'tls-handshake-failed',
  'certificate-not-trusted',
  'certificate-expired',
  'certificate-wrong-name',
  'protocol-not-agreed',
] as const);

/** Whether another attempt cannot do harm and has a chance. */
export function mayRetry(exchange: Exchange, failure: UpstreamFailure): boolean {
  if (NEVER_RETRIED.has(failure) || exchange.informational > 0) return false;
  const undone = failure === 'refused' || failure === 'going-away';
  if (!NOTHING_SENT.has(failure)) {
    if (!exchange.idempotent && !undone) return false;
    if (exchange.bodyStreamed && exchange.held === null) return false;
  }
  const { dataplane, attempts } = exchange;
  if (dataplane.retrying > RETRIES_ALWAYS + dataplane.active / 5) return false;
  // A pooled connection that the backend closed meanwhile says nothing about the backend: it costs no try.
  const stale = (failure === 'closed' && exchange.reused) || failure === 'going-away';
  if (attempts > exchange.route!.policy.retries && !(stale && attempts <= STALE_TRIES)) return false;
  const tried = [...exchange.tried, exchange.lastEndpoint!];
  return stale || undone || exchange.upstream!.pickOther(tried) !== null;
}

/** What a client is told of a failed attempt. */
export function statusFor(failure: UpstreamFailure): number {
  switch (failure) {
    case 'response-timeout':
    case 'connect-timeout':
    case 'send-timeout':
      return 504;
    case 'head-too-large':
      return 431;
    case 'out-of-sockets':
      return 503;
    default:
      return 502;
  }
}

/** RFC 9110 9.2.2. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'PUT':
    case 'DELETE':
    case 'TRACE':
      return true;
    default:
      return false;
  }
}
