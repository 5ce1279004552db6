/** What a request to the API server ends in. Failures are values: the network and the server are not ours. */

export type ApiResult = ApiSuccess | ApiFailure;

export interface ApiSuccess {
  readonly ok: true;
  readonly status: number;
  /** The decoded JSON; null for an empty body. */
  readonly body: unknown;
}

export interface ApiFailure {
  readonly ok: false;
  /**
   * `http`: the server said no. `network`: no (whole) answer. `timeout`: not in time. `malformed`: an answer that is
   * not JSON or beyond a bound. `credentials`: we have none to show. `aborted`: the caller gave up.
   */
  readonly kind: 'http' | 'network' | 'timeout' | 'malformed' | 'credentials' | 'aborted';
  /** 0 when there was no response. */
  readonly status: number;
  /** `reason` of the server's Status (`Forbidden`, `Conflict`, `Expired`, …), else an error code; never empty. */
  readonly reason: string;
  /** For people; bounded, without anything secret. */
  readonly message: string;
  /** What the server asked for with `Retry-After`; null when it did not. */
  readonly retryAfterMs: number | null;
}

const MAX_MESSAGE = 500;
/** Nobody makes us wait longer than this with a `Retry-After`. */
const MAX_RETRY_AFTER_MS = 300_000;

export function failure(
  kind: ApiFailure['kind'],
  reason: string,
  message: string,
  status = 0,
  retryAfterMs: number | null = null,
): ApiFailure {
  return { ok: false, kind, status, reason, message: message.slice(0, MAX_MESSAGE), retryAfterMs };
}

/** A response with an error status; `body` is the server's `Status` object if it sent one (meta/v1). */
export function httpFailure(status: number, body: unknown, retryAfter: string | undefined): ApiFailure {
  const said = isRecord(body) && body['kind'] === 'Status' ? body : {};
  const reason =
    typeof said['reason'] === 'string' && said['reason'] !== '' ? said['reason'] : `Http${status}`;
  const message = typeof said['message'] === 'string' ? said['message'] : `the server answered ${status}`;
  const details = isRecord(said['details']) ? said['details']['retryAfterSeconds'] : undefined;
  return failure('http', reason.slice(0, 100), message, status, retryAfterMs(retryAfter, details));
}

/** RFC 9110 section 10.2.3, seconds only: the API server sends no dates. */
function retryAfterMs(field: string | undefined, details: unknown): number | null {
  const seconds = field !== undefined && /^\d{1,9}$/.test(field) ? Number(field) : details;
  if (typeof seconds !== 'number' || !(seconds > 0)) return null;
  return Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
