/** One HTTP/2 stream to an endpoint: the upstream's side of one exchange, with the windows of both directions. Hot path. */
import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange/exchange.ts';
import type { UpstreamFailure, UpstreamSide } from '../exchange/sides.ts';
import type { ResponseHead } from '../message/response-head.ts';
import type { Timed } from '../timers.ts';
import type { Http2ClientConnection } from './client-connection.ts';
import { makeField } from './field.ts';
import { CANCEL, END_STREAM, FLOW_CONTROL_ERROR, NO_ERROR, PROTOCOL_ERROR } from './frames.ts';
import { type BodyOwner, OutgoingBody } from './outgoing-body.ts';
import { connectBlock, isLarger, requestBlock } from './request-blocks.ts';

/** The connection does not stand yet. */
const WAITING = 0;
/** Waits for a response head. */
const HEAD = 1;
const BODY = 2;
const TUNNEL = 3;
const OVER = 4;

/** RFC 6455 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const HEAD_END = '\r\n\r\n';

export class Http2ClientStream implements UpstreamSide, BodyOwner, Timed {
  readonly connection: Http2ClientConnection;
  readonly out: OutgoingBody;
  exchange: Exchange | null;
  /** 0 until its HEADERS are sent. */
  id = 0;
  state = WAITING;
  closed = false;
  remoteEnded = false;
  headRequest = false;
  /** Body bytes that must still come to make up Content-Length; -1 when it was not given. */
  expected = -1;
  receiveWindow: number;
  /** Received, passed on, and not yet given back as window. */
  owed = 0;
  paused = false;
  /** What was unsent when last looked at, to tell a slow backend from a stuck one. */
  unsent = 0;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(connection: Http2ClientConnection, exchange: Exchange) {
    this.connection = connection;
    this.exchange = exchange;
    this.receiveWindow = connection.streamWindow;
    this.out = new OutgoingBody(connection, this, connection.peerSettings.initialWindow);
  }

  // ── from the exchange ───────────────────────────────────────────────────────────────────────────────────

  sendHead(exchange: Exchange, text: string, ended: boolean): void {
    const { connection } = this;
    this.state = HEAD;
    this.headRequest = exchange.method === 'HEAD';
    const headEnd = text.indexOf(HEAD_END);
    if (exchange.upgrade !== '') return this.#connect(exchange, text, headEnd);
    if (isLarger(text, headEnd, connection.peerSettings.headerListBytes)) {
      return this.fail('head-too-large', CANCEL, false);
    }
    const block = requestBlock(text, headEnd, connection.scheme);
    const bodyAt = headEnd + HEAD_END.length;
    const hasBody = bodyAt < text.length;
    connection.openStream(this, block, ended && !hasBody ? END_STREAM : 0);
    if (hasBody) this.out.sendWhole(text.slice(bodyAt));
    else if (ended) this.out.ended = true;
    this.#rearm();
    if (connection.flow.choked) this.out.tellBlocked();
  }

  #connect(exchange: Exchange, text: string, headEnd: number): void {
    const { connection } = this;
    if (!connection.peerSettings.connectProtocol) return this.fail('upgrade-unsupported', CANCEL, false);
    const protocol = exchange.upgrade.toLowerCase();
    connection.openStream(this, connectBlock(text, headEnd, connection.scheme, protocol), 0);
    connection.dataplane.wheel.set(this, exchange.route!.policy.responseTimeoutMs);
  }

  sendBody(bytes: Buffer, start: number, end: number, last: boolean): void {
    this.out.send(bytes, start, end, last);
  }

  /** Every byte goes within a frame. */
  forward(): number {
    return 0;
  }

  sendEnd(trailers: string): void {
    this.out.sendEnd(trailers);
    this.#rearm();
  }

  sendTunnel(bytes: Buffer, start: number, end: number): void {
    this.out.send(bytes, start, end);
  }

  endTunnel(): void {
    this.out.sendEnd('');
  }

  pause(): void {
    this.paused = true;
    this.#rearm();
  }

  resume(): void {
    this.paused = false;
    if (this.closed) return;
    this.#giveBack();
    this.#rearm();
  }

  abandon(): void {
    this.exchange = null;
    this.connection.resetStream(this, CANCEL);
    this.connection.endpoint.wake();
  }

  /** The next header block is trailers. */
  get inBody(): boolean {
    return this.state >= BODY;
  }

  // ── from the connection ─────────────────────────────────────────────────────────────────────────────────

  /** The connection stands. */
  onConnected(): void {
    this.out.window = this.connection.peerSettings.initialWindow;
    this.exchange?.onConnected();
  }

  /** It asks for a tunnel: its head may be changed. */
  get wantsTunnel(): boolean {
    return this.exchange?.upgrade !== '';
  }

  /** A response's head, which `head` holds during the call. */
  onHead(head: ResponseHead, ended: boolean): void {
    const { status } = head;
    const exchange = this.exchange!;
    if (status < 200) return this.#onInformational(head, ended);
    if (exchange.upgrade !== '' && status < 300) return this.#switch(head, ended);
    const empty = this.headRequest || status === 204 || status === 304;
    if (!empty && ended && head.contentLength > 0) return this.malformed();
    this.state = BODY;
    this.expected = head.contentLength;
    this.remoteEnded = ended;
    head.noContent = ended && !empty;
    exchange.onResponseHead(head, !empty && !ended);
    if (this.exchange === null) return;
    if (empty || ended) this.#complete('');
    else this.#rearm();
  }

  #onInformational(head: ResponseHead, ended: boolean): void {
    // There is no 101 in HTTP/2 (RFC 9113 8.6).
    if (ended || head.status === 101) return this.malformed();
    this.#rearm();
    this.exchange!.onInformational(head);
  }

  onData(bytes: Buffer, start: number, end: number, size: number, ended: boolean): void {
    this.receiveWindow -= size;
    if (this.receiveWindow < 0) return this.#reset(FLOW_CONTROL_ERROR, 'truncated');
    if (this.state === HEAD) return this.malformed();
    const length = end - start;
    if (this.expected >= 0 && this.state === BODY) {
      this.expected -= length;
      if (this.expected < 0 || (ended && this.expected > 0)) return this.malformed();
    }
    this.remoteEnded = ended;
    this.owed += size;
    if (length > 0) {
      if (this.state === TUNNEL) this.exchange!.onUpstreamBytes(bytes, start, end);
      else this.exchange!.onResponseBody(bytes, start, end, ended);
      if (this.exchange === null) return;
    }
    if (ended) return this.#onRemoteEnd('');
    if (!this.paused) this.#giveBack();
    this.#rearm();
  }

  /** The trailers that end the response. */
  onTrailers(trailers: string): void {
    if (this.expected > 0) return this.malformed();
    this.remoteEnded = true;
    this.#onRemoteEnd(trailers);
  }

  #onRemoteEnd(trailers: string): void {
    if (this.state === BODY) return this.#complete(trailers);
    this.exchange!.onUpstreamEnd();
    if (this.out.ended) this.#tunnelEnded(true);
  }

  /** RST_STREAM of the backend. */
  onReset(code: number, refused: boolean): void {
    if (this.state === TUNNEL) return this.#tunnelEnded(code === NO_ERROR || code === CANCEL);
    // All that was announced is here. Node's server under load says this in place of END_STREAM.
    if (this.state === BODY && this.expected === 0 && code === NO_ERROR) return this.#complete('', true);
    this.fail(this.state === BODY ? 'truncated' : refused ? 'refused' : 'reset', code, !refused);
  }

  /** The connection is lost, or was never there; `failure` is for those that have no part of a response yet. */
  onConnectionLost(failure: UpstreamFailure, blame: boolean): void {
    if (this.state === TUNNEL) return this.#tunnelEnded(false);
    this.fail(this.state === BODY ? 'truncated' : failure, NO_ERROR, blame);
  }

  /** What came is not a response that may be passed on. */
  malformed(): void {
    this.#reset(PROTOCOL_ERROR, this.state === HEAD ? 'bad-response' : 'truncated');
  }

  #reset(code: number, failure: UpstreamFailure): void {
    const tunnel = this.state === TUNNEL;
    this.connection.resetStream(this, code);
    if (tunnel) this.#tunnelEnded(false);
    else this.fail(failure, NO_ERROR, true);
  }

  #switch(head: ResponseHead, ended: boolean): void {
    const exchange = this.exchange!;
    this.state = TUNNEL;
    this.deadline = 0;
    this.remoteEnded = ended;
    // The client's side speaks of it as HTTP/1 does, where the answer proves that the key was understood.
    head.status = 101;
    head.reason = 'Switching Protocols';
    head.upgrade = exchange.upgrade;
    const field = makeField('sec-websocket-accept', acceptFor(exchange.text));
    head.fields.append(field.id, field.name.length, field.value.length, field.line);
    exchange.onSwitch(head);
    head.upgrade = '';
    if (ended && this.exchange !== null) this.#onRemoteEnd('');
  }

  #tunnelEnded(clean: boolean): void {
    const { exchange } = this;
    this.exchange = null;
    this.connection.closeStream(this);
    exchange?.onTunnelClosed(clean);
    this.connection.endpoint.wake();
  }

  /** The response is whole. The stream's place is free first, so that the client's next request can use it. */
  #complete(trailers: string, closed = this.out.ended && this.remoteEnded): void {
    const exchange = this.exchange!;
    this.exchange = null;
    this.state = OVER;
    // The rest of the request is not wanted, or an END_STREAM is missing where nothing can follow (RFC 9113 8.1).
    if (closed) this.connection.closeStream(this);
    else this.connection.resetStream(this, NO_ERROR);
    exchange.onResponseEnd(trailers);
    this.connection.endpoint.wake();
  }

  /** Ends the attempt; `code` is what the backend reset it with, `blame`: it counts against the endpoint. */
  fail(failure: UpstreamFailure, code: number, blame: boolean): void {
    const { exchange } = this;
    this.exchange = null;
    this.state = OVER;
    this.connection.closeStream(this);
    exchange?.onUpstreamFailed(failure, code, blame);
    this.connection.endpoint.wake();
  }

  /** Tells the backend that it may send as much again as was passed on. */
  #giveBack(): void {
    const { owed, connection } = this;
    if (this.remoteEnded || owed * 2 < connection.streamWindow) return;
    this.owed = 0;
    this.receiveWindow += owed;
    connection.writeWindowUpdate(this.id, owed);
  }

  // ── the request's body ──────────────────────────────────────────────────────────────────────────────────

  onQueueChange(): void {
    this.#rearm();
  }

  onBodyBlocked(blocked: boolean): void {
    const { exchange } = this;
    if (exchange === null) return;
    this.unsent = this.connection.stream.unsent;
    if (blocked) exchange.onUpstreamBlocked();
    else exchange.onUpstreamDrain();
    this.#rearm();
  }

  onBodySent(): void {
    if (this.state === TUNNEL && this.remoteEnded) this.#tunnelEnded(true);
    else this.#rearm();
  }

  onChoke(): void {
    this.out.tellBlocked();
  }

  // ── time ────────────────────────────────────────────────────────────────────────────────────────────────

  #isSending(): boolean {
    return this.out.queuedBytes > 0 || this.connection.flow.choked;
  }

  /** Sets the timer for what is being waited for, if it is the backend that has to act. */
  #rearm(): void {
    const { state, exchange } = this;
    if (exchange === null || state === WAITING || state === OVER) return;
    const { policy } = exchange.route!;
    const { wheel } = this.connection.dataplane;
    if (state === TUNNEL) this.deadline = 0;
    else if (this.#isSending()) wheel.set(this, policy.sendTimeoutMs);
    // The client is slow, not the backend.
    else if (this.paused || (state === HEAD && !this.out.ended)) this.deadline = 0;
    else wheel.set(this, policy.responseTimeoutMs);
  }

  onDeadline(): void {
    const { connection } = this;
    const failure = this.state === HEAD ? 'response-timeout' : 'truncated';
    if (!this.#isSending()) {
      connection.dataplane.stats.counters['limit_hits_total:response_timeout']++;
      return this.#reset(CANCEL, failure);
    }
    // Nothing of this stream was sent for a while; a backend that took at least something gets another while.
    const { unsent } = connection.stream;
    if (connection.stream.blocked && unsent < this.unsent) {
      this.unsent = unsent;
      return this.#rearm();
    }
    this.#reset(CANCEL, this.state === HEAD ? 'send-timeout' : failure);
  }
}

/** Sec-WebSocket-Accept (RFC 6455 4.2.2) for the key in a forwarded head. */
function acceptFor(head: string): string {
  const key = /\r\nsec-websocket-key:[ \t]*([^\r]*)/i.exec(head)?.[1] ?? '';
  return createHash('sha1')
    .update(key.trim() + WEBSOCKET_GUID)
    .digest('base64');
}
