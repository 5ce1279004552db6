/** What becomes of a failed attempt: another one, or an error for the client. */
import type { Endpoint } from '../upstream/endpoint.ts';
import type { LiveUpstream } from '../upstream/upstreams.ts';
import { attempt } from './endpoint-choice.ts';
import type { Exchange } from './exchange.ts';
import { BACKING_OFF } from './progress.ts';
import type { UpstreamConnection, UpstreamFailure } from './sides.ts';

/** How much of what an upstream has in flight may be retries, and how many may be whatever it has: else an outage doubles the load. */
const RETRY_SHARE = 0.2;
const RETRIES_ALWAYS = 3;

/** The longest that the first retry waits, and any. */
const BACK_OFF_MS = 25;
const LONGEST_BACK_OFF_MS = 250;

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

/** Makes another attempt than the one at `endpoint`, now or in a moment. False when there is to be none. */
export function retry(
  exchange: Exchange,
  failure: UpstreamFailure,
  endpoint: Endpoint<UpstreamConnection>,
): boolean {
  if (!isHarmless(exchange, failure)) return false;
  // A pooled connection that the backend closed meanwhile says nothing about the backend: it costs no try.
  const stale = (failure === 'closed' && exchange.reused) || failure === 'going-away';
  const { attempts, dataplane } = exchange;
  if (attempts > exchange.route!.policy.retries && !(stale && attempts <= STALE_TRIES)) return false;
  const upstream = exchange.upstream!;
  const tried = [...exchange.tried, endpoint];
  if (!stale && failure !== 'refused' && upstream.pickOther(tried) === null) return false;
  if (!stale && !exchange.retrying) {
    if (isSpent(upstream)) {
      dataplane.stats.counters['limit_hits_total:retries']++;
      return false;
    }
    exchange.retrying = true;
    upstream.retrying++;
  }
  exchange.tried = tried;
  if (stale) again(exchange);
  else {
    exchange.state = BACKING_OFF;
    dataplane.later(backOffMs(attempts, Math.random()), () => {
      if (exchange.state === BACKING_OFF) again(exchange);
    });
  }
  return true;
}

function again(exchange: Exchange): void {
  exchange.dataplane.stats.counters.upstream_retries_total++;
  exchange.text = numbered(exchange.text, exchange.attempts + 1);
  attempt(exchange, exchange.upstream!);
}

/** The attempt was answered, or nothing more comes of it: another request of the upstream may be retried. */
export function endRetry(exchange: Exchange): void {
  if (!exchange.retrying) return;
  exchange.retrying = false;
  exchange.upstream!.retrying--;
}

/** Whether the upstream has as many retries in flight as it may. */
function isSpent({ active, retrying }: LiveUpstream): boolean {
  return retrying >= Math.max(RETRIES_ALWAYS, active * RETRY_SHARE);
}

/** How long to wait after `attempts` failed ones, in ms; `random` is below 1. Evenly spread, so that no waves build up. */
export function backOffMs(attempts: number, random: number): number {
  return random * Math.min(BACK_OFF_MS * 2 ** (attempts - 1), LONGEST_BACK_OFF_MS);
}

/** The request `text` with the number of the attempt, from 2 on, as the last line of its head. */
export function numbered(text: string, attempt: number): string {
  const end = text.indexOf('\r\n\r\n') + 2;
  const before = attemptLine(attempt - 1);
  const from = text.startsWith(before, end - before.length) ? end - before.length : end;
  return text.slice(0, from) + attemptLine(attempt) + text.slice(end);
}

function attemptLine(attempt: number): string {
  return `X-Tidegate-Attempt: ${attempt}\r\n`;
}

/** Whether the request can be sent again without doing anything twice that may be done only once (RFC 9110 9.2.2). */
function isHarmless(exchange: Exchange, failure: UpstreamFailure): boolean {
  if (NEVER_RETRIED.has(failure) || exchange.informational > 0) return false;
  if (NOTHING_SENT.has(failure)) return true;
  if (!exchange.idempotent && failure !== 'refused' && failure !== 'going-away') return false;
  return !exchange.bodyStreamed || exchange.held !== null;
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
