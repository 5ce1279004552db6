/** Whether a request goes on to its backend: what is checked first answers first. Hot path. */
import { clientCertificatePage, clientCertificateRefusal } from '../filters/client-certificate.ts';
import { tlsRedirect } from '../filters/tls-redirect.ts';
import { MAX_FORWARDS } from '../message/field-names.ts';
import type { RequestHead } from '../message/request-head.ts';
import type { LiveUpstream } from '../upstream/upstreams.ts';
import type { Exchange } from './exchange.ts';
import { isLoop } from './forward-request.ts';
import { redirectAnswer } from './own-answer.ts';
import type { Peer } from './peer.ts';

/** Where the request goes; null when it was answered here. `exchange` has its route, or null for none. */
export function admit(
  exchange: Exchange,
  head: RequestHead,
  peer: Peer,
  target: string,
): LiveUpstream | null {
  const { dataplane, route } = exchange;
  const { tlsHosts, stats, config } = dataplane;
  if (dataplane.active > config.limits.requests) {
    stats.counters['limit_hits_total:requests']++;
    return refuse(exchange, 503, 'overload');
  }
  const own = ownStatus(head);
  if (own !== 0) return refuse(exchange, own, 'not-served');
  // Before the certificate is asked for: without TLS nobody can show one.
  const location = route === null ? null : tlsRedirect(route.policy, head, target, peer, tlsHosts);
  if (location !== null) return redirect(exchange, 308, location, 'tls-redirect');
  const denied = clientCertificateRefusal(head.authority, peer, tlsHosts);
  if (denied !== 0) return deny(exchange, denied);
  if (route === null) return refuse(exchange, 404, 'no-route');
  const upstream = exchange.secure ? route.upstreamOverTls : route.upstream;
  if (upstream === null) return refuse(exchange, 503, 'backend-unresolved');
  const limit = route.policy.maxBodyBytes;
  if (limit > 0 && head.contentLength > limit) {
    stats.counters['limit_hits_total:request_body']++;
    return refuse(exchange, 413, 'body-limit');
  }
  return upstream;
}

/** For methods and targets that are answered here; 0 when the request goes on. */
function ownStatus(head: RequestHead): number {
  if (head.method === 'TRACE') return 405;
  if (head.method === 'OPTIONS') {
    if (head.target === '*' || head.fields.first(MAX_FORWARDS) === '0') return 200;
  }
  return isLoop(head) ? 508 : 0;
}

function deny(exchange: Exchange, status: 400 | 403 | 421): null {
  const page = status === 400 ? clientCertificatePage(exchange.authority, exchange.dataplane.tlsHosts) : '';
  if (page !== '') return redirect(exchange, 302, page, 'client-certificate');
  return refuse(exchange, status, 'client-certificate');
}

function redirect(exchange: Exchange, status: 302 | 308, location: string, reason: string): null {
  exchange.answerWith(redirectAnswer(status, location, exchange.id), status, reason);
  return null;
}

function refuse(exchange: Exchange, status: number, reason: string): null {
  exchange.answer(status, reason);
  return null;
}
