/** What never became a request: counted and logged without a route. */
import type { Dataplane } from './dataplane.ts';

export const NO_ROUTE = '"namespace":null,"ingress":null,"service":null';

/** `bytes` of body were answered with `status` under `id` to the client at `address`. */
export function noteRefusal(
  dataplane: Dataplane,
  address: string,
  id: string,
  status: number,
  bytes: number,
  protocol = 'HTTP/1.1',
): void {
  dataplane.refused.record(status, 0, -1, 0, bytes);
  if (!dataplane.accessLog.wants(status)) return;
  dataplane.accessLog.add({
    id,
    client: address,
    method: '',
    host: '',
    path: '',
    protocol,
    status,
    bytesIn: 0,
    bytesOut: bytes,
    durationMs: 0,
    upstream: '',
    upstreamMs: -1,
    attempts: 0,
    userAgent: '',
    reason: status === 408 ? 'request-timeout' : 'bad-request',
    route: NO_ROUTE,
  });
}
