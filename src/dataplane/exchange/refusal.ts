/** What never became a request: counted and logged without a route. */
import type { RequestHead } from '../message/request-head.ts';
import type { Dataplane } from './dataplane.ts';

export const NO_ROUTE = '"namespace":null,"ingress":null,"service":null';

/**
 * `bytes` of body were answered with `status` under `id` to the client at `address`; `head` is what it asked for, null
 * when that could not be read.
 */
export function noteRefusal(
  dataplane: Dataplane,
  address: string,
  id: string,
  status: number,
  bytes: number,
  protocol = 'HTTP/1.1',
  head: RequestHead | null = null,
): void {
  dataplane.refused.record(status, 0, -1, 0, bytes);
  if (!dataplane.accessLog.wants(status)) return;
  dataplane.accessLog.add({
    id,
    client: address,
    method: head === null ? '' : head.method,
    host: head === null ? '' : head.authority,
    path: head === null ? '' : head.target.slice(0, head.pathLength),
    protocol,
    status,
    bytesIn: 0,
    bytesOut: bytes,
    durationMs: 0,
    upstream: '',
    upstreamMs: -1,
    attempts: 0,
    userAgent: '',
    reason: refusalReason(status),
    route: NO_ROUTE,
  });
}

/** What the log says of a head that was refused with `status`. */
export function refusalReason(status: number): string {
  if (status === 408) return 'request-timeout';
  return status === 414 || status === 431 ? 'head-limit' : 'bad-request';
}
