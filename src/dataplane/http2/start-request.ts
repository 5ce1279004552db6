/** From a decoded request to its route and a running exchange. Hot path. */
import { randomBytes } from 'node:crypto';
import { Exchange } from '../exchange/exchange.ts';
import { offeredUpgrade } from '../exchange/forward-request.ts';
import { refusalReason } from '../exchange/refusal.ts';
import { requestId } from '../request-id.ts';
import { resolveRoute } from '../route/resolve.ts';
import type { Http2ServerConnection } from './connection.ts';
import { makeField } from './field.ts';
import { FINE } from './request-fields.ts';
import { Http2Stream } from './stream.ts';

/**
 * Opens stream `id` for the request in `connection.fields`. `verdict` is FINE or the status it is refused with;
 * `ended`: no body follows.
 */
export function startRequest(
  connection: Http2ServerConnection,
  id: number,
  ended: boolean,
  verdict: number,
): void {
  const { dataplane } = connection.listener;
  const { head } = connection.fields;
  const wantsTunnel = head.upgrade !== '';
  const stream = new Http2Stream(connection, id, ended, head.contentLength, wantsTunnel);
  const exchange = new Exchange(dataplane, stream);
  connection.addStream(stream);
  stream.open(exchange);
  if (verdict !== FINE) return refuse(connection, exchange, verdict);
  const found = resolveRoute(dataplane.table, head);
  if (found === null) return refuse(connection, exchange, 400);
  if (wantsTunnel) {
    if (offeredUpgrade(head, dataplane.config.upgrades) === '') return refuse(connection, exchange, 501);
    // The key is a matter of HTTP/1 (RFC 8441 5): we are the client of that handshake.
    connection.fields.append(makeField('sec-websocket-key', randomBytes(16).toString('base64')));
  }
  exchange.start(head, connection.peer, found.route, found.target, null);
}

function refuse(connection: Http2ServerConnection, exchange: Exchange, status: number): void {
  const { head } = connection.fields;
  exchange.id = requestId();
  exchange.client = connection.peer.address;
  exchange.method = head.method;
  exchange.authority = head.authority;
  exchange.target = head.target;
  exchange.pathLength = head.pathLength;
  exchange.headText = head.fields.text;
  exchange.http2 = true;
  exchange.answer(status, refusalReason(status));
}
