/** One HTTP/1.1 connection to an endpoint: sends one request at a time, reads its response. Hot path. */

import { connectFailure } from '../exchange/connect-failure.ts';
import type { Dataplane } from '../exchange/dataplane.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { UpstreamConnection, UpstreamFailure, UpstreamSide } from '../exchange/sides.ts';
import { ResponseHead } from '../message/response-head.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, StreamOwner } from '../transport/stream.ts';
import { tlsFaultOr } from '../transport/tls-fault.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { type BodySink, ChunkedDecoder, chunkHead, DONE, MORE, TOO_LARGE } from './chunked.ts';
import { parseResponseHead } from './parse-response.ts';
import { Stash } from './stash.ts';

const CONNECTING = 0;
const IDLE = 1;
/** Waits for, or reads, a response head. */
const HEAD = 2;
const LENGTH = 3;
const CHUNKED = 4;
const UNTIL_CLOSE = 5;
const TUNNEL = 6;
const CLOSED = 7;

/** Requests after which a connection is given up, so that load spreads anew. */
const MOST_REQUESTS = 10_000;
/** A body of more than this, or of unknown length, is read with large buffers. */
const BULK_BYTES = 16_384;

/** Filled by each response in turn: valid until the next head is parsed. */
const responseHead = new ResponseHead();

export class Http1ClientConnection implements UpstreamConnection, UpstreamSide, StreamOwner, BodySink, Timed {
  readonly endpoint: Endpoint<UpstreamConnection>;
  readonly connected = true;
  readonly dataplane: Dataplane;
  stream: ByteStream;
  exchange: Exchange | null;
  state = CONNECTING;
  remaining = 0;
  decoder: ChunkedDecoder | null = null;
  /** The start of a head that came in pieces. */
  partial: Stash | null = null;
  /** The request's body is sent in chunks. */
  sendsChunks = false;
  requestSent = false;
  headRequest = false;
  /** The connection may carry another request after this response. */
  reusable = true;
  /** At least one byte of a response to the running request came. */
  answered = false;
  /** How long it may idle after this response, in ms; 0 for no limit. */
  idleMs = 0;
  requests = 0;
  upstreamEnded = false;
  paused = false;
  /** What was unsent when last looked at, to tell a slow backend from a stuck one. */
  unsent = 0;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(dataplane: Dataplane, endpoint: Endpoint<UpstreamConnection>, exchange: Exchange) {
    this.dataplane = dataplane;
    this.endpoint = endpoint;
    this.exchange = exchange;
    endpoint.open++;
    dataplane.wheel.set(this, exchange.route!.policy.connectTimeoutMs);
    this.stream = dataplane.transport.connect(endpoint, this);
  }

  // ── from the pool ───────────────────────────────────────────────────────────────────────────────────────

  get busy(): boolean {
    return this.state !== IDLE;
  }

  take(): UpstreamSide {
    this.#leaveReady();
    return this;
  }

  // ── from the exchange ───────────────────────────────────────────────────────────────────────────────────

  sendHead(exchange: Exchange, text: string, ended: boolean): void {
    this.exchange = exchange;
    this.state = HEAD;
    this.answered = false;
    this.reusable = true;
    this.requestSent = ended;
    this.headRequest = exchange.method === 'HEAD';
    this.requests++;
    this.stream.write(text);
    this.sendsChunks = !ended && exchange.chunked;
    this.#rearm();
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    const { stream } = this;
    if (!this.sendsChunks) return stream.writeBytes(bytes, start, end);
    const size = end - start;
    stream.write(chunkHead(size));
    stream.writeBytes(bytes, start, end);
    stream.write('\r\n');
  }

  forward(from: ByteStream, most: number): number {
    return this.sendsChunks ? 0 : from.forward(this.stream, most);
  }

  sendEnd(trailers: string): void {
    this.requestSent = true;
    if (this.sendsChunks) this.stream.write(trailers === '' ? '0\r\n\r\n' : `0\r\n${trailers}\r\n`);
    this.#rearm();
  }

  sendTunnel(bytes: Buffer, start: number, end: number): void {
    this.stream.writeBytes(bytes, start, end);
  }

  endTunnel(): void {
    this.stream.end();
  }

  pause(): void {
    this.paused = true;
    this.stream.pause();
    this.#rearm();
  }

  resume(): void {
    this.paused = false;
    this.stream.resume();
    this.#rearm();
  }

  abandon(): void {
    this.exchange = null;
    this.#close();
  }

  retire(): void {
    this.#close();
  }

  // ── from the stream ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    if (this.exchange === null) return this.#close();
    this.dataplane.wheel.remove(this);
    this.exchange.onConnected();
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.state === HEAD) return this.#readHead(bytes, start, end);
    this.#readOn(bytes, start, end);
  }

  onBlocked(): void {
    if (this.exchange === null) return;
    this.unsent = this.stream.unsent;
    this.exchange.onUpstreamBlocked();
    this.#rearm();
  }

  onDrain(): void {
    if (this.exchange === null) return;
    this.exchange.onUpstreamDrain();
    this.#rearm();
  }

  onEnd(): void {
    this.upstreamEnded = true;
    switch (this.state) {
      case TUNNEL:
        this.exchange?.onUpstreamEnd();
        return;
      case UNTIL_CLOSE:
        return this.#complete('');
      case HEAD:
        return this.#fail(this.answered ? 'bad-response' : 'closed');
      case LENGTH:
      case CHUNKED:
        return this.#fail('truncated');
      case CONNECTING:
        return this.#fail('connect-failed');
      default:
        this.#close();
    }
  }

  onClose(error: string | null): void {
    const before = this.state;
    const { exchange } = this;
    if (before === CLOSED) return;
    if (before === CONNECTING) this.dataplane.stats.counters.upstream_connection_failures_total++;
    if (before === TUNNEL) {
      this.exchange = null;
      this.#left();
      exchange?.onTunnelClosed(error === null);
      return;
    }
    if (before === CONNECTING) return this.#fail(connectFailure(error));
    if (before === HEAD) return this.#fail(this.answered ? 'bad-response' : tlsFaultOr(error, 'closed'));
    // A reset in the middle: `until close` ends by FIN, never by RST.
    if (before !== IDLE) return this.#fail('truncated');
    this.#close();
  }

  onDeadline(): void {
    const { counters } = this.dataplane.stats;
    switch (this.state) {
      case CONNECTING:
        counters['limit_hits_total:connect_timeout']++;
        counters.upstream_connection_failures_total++;
        return this.#fail('connect-timeout');
      case IDLE:
        return this.#close();
      case TUNNEL:
        return;
      default:
        if (this.stream.blocked) return this.#sendTimedOut();
        counters['limit_hits_total:response_timeout']++;
        return this.#fail(this.state === HEAD ? 'response-timeout' : 'truncated');
    }
  }

  /** Nothing was taken for a while; a backend that took at least something gets another while. */
  #sendTimedOut(): void {
    const { unsent } = this.stream;
    if (unsent < this.unsent) {
      this.unsent = unsent;
      return this.#rearm();
    }
    this.#fail(this.state === HEAD ? 'send-timeout' : 'truncated');
  }

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

  onBody(bytes: Buffer, start: number, end: number): void {
    this.exchange?.onResponseBody(bytes, start, end);
  }

  #readHead(chunk: Buffer, start: number, end: number): void {
    this.answered = true;
    const { partial } = this;
    if (partial === null) return this.#readHeads(chunk, start, end);
    partial.append(chunk, start, end);
    if (!partial.worthParsing()) return;
    this.partial = null;
    this.#readHeads(partial.bytes, 0, partial.length);
  }

  #readHeads(bytes: Buffer, start: number, stop: number): void {
    let i = start;
    // Informational responses come before the final one, in the same or in later reads.
    for (;;) {
      const next = parseResponseHead(bytes, i, stop, this.dataplane.config.limits, responseHead);
      if (next < 0) {
        this.dataplane.stats.counters['limit_hits_total:response_head'] +=
          stop - i >= this.dataplane.config.limits.responseHeadBytes ? 1 : 0;
        return this.#fail('bad-response');
      }
      if (next === 0) {
        this.partial = new Stash(bytes, i, stop);
        this.partial.incomplete(this.dataplane.config.limits.responseHeadBytes);
        return;
      }
      const status = responseHead.status;
      if (status === 101) return this.#switch(bytes, next, stop);
      if (status >= 200) return this.#startBody(bytes, next, stop);
      this.exchange!.onInformational(responseHead);
      // It may have been one too many.
      if (this.exchange === null) return;
      i = next;
      if (i === stop) return;
    }
  }

  #startBody(bytes: Buffer, next: number, end: number): void {
    const head = responseHead;
    const exchange = this.exchange!;
    const { status } = head;
    if (head.close) this.reusable = false;
    this.idleMs = idleTime(head.keepAliveSeconds, this.dataplane.config.timeouts.upstreamIdle);
    if (this.idleMs < 0) this.reusable = false;
    if (this.headRequest || status === 204 || status === 304 || head.contentLength === 0) {
      exchange.onResponseHead(head, false);
      if (this.exchange === null) return;
      return this.#complete(next < end ? BYTES_AFTER : '');
    }
    if (head.chunked) {
      this.state = CHUNKED;
      this.decoder = new ChunkedDecoder(this.dataplane.config.limits);
      this.stream.expectBulk(true);
    } else if (head.contentLength > 0) {
      this.state = LENGTH;
      this.remaining = head.contentLength;
      if (head.contentLength > BULK_BYTES) this.stream.expectBulk(true);
    } else {
      this.state = UNTIL_CLOSE;
      this.reusable = false;
      this.stream.expectBulk(true);
    }
    this.#rearm();
    exchange.onResponseHead(head, true);
    if (this.exchange === null) return;
    if (next < end) this.#readOn(bytes, next, end);
  }

  /** Everything but heads. */
  #readOn(bytes: Buffer, start: number, end: number): void {
    switch (this.state) {
      case LENGTH: {
        this.#rearm();
        const size = end - start;
        if (size < this.remaining) {
          this.remaining -= size;
          this.exchange!.onResponseBody(bytes, start, end);
          return this.#forwardRest();
        }
        const stop = start + this.remaining;
        this.remaining = 0;
        this.exchange!.onResponseBody(bytes, start, stop);
        return this.#complete(stop < end ? BYTES_AFTER : '');
      }
      case CHUNKED: {
        this.#rearm();
        const decoder = this.decoder!;
        const verdict = decoder.feed(bytes, start, end, this);
        if (this.exchange === null || verdict === MORE) return;
        if (verdict === TOO_LARGE) this.dataplane.stats.counters['limit_hits_total:chunk_overhead']++;
        if (verdict !== DONE) return this.#fail('truncated');
        if (decoder.consumed < end) this.reusable = false;
        return this.#complete(decoder.trailers);
      }
      case UNTIL_CLOSE:
        this.#rearm();
        return this.exchange!.onResponseBody(bytes, start, end);
      case TUNNEL:
        this.exchange?.onUpstreamBytes(bytes, start, end);
        this.exchange?.forwardToClient(this.stream, Number.POSITIVE_INFINITY);
        return;
      default:
        // Bytes nobody asked for would be taken for the next answer.
        this.#close();
    }
  }

  /** What waits of a body of known length needs no look at it. */
  #forwardRest(): void {
    if (this.exchange === null) return;
    this.remaining -= this.exchange.forwardToClient(this.stream, this.remaining);
    if (this.remaining === 0) this.#complete('');
  }

  #switch(bytes: Buffer, next: number, end: number): void {
    const exchange = this.exchange!;
    const offered = exchange.upgrade.toLowerCase();
    if (offered === '' || responseHead.upgrade.toLowerCase() !== offered) return this.#fail('bad-response');
    this.state = TUNNEL;
    this.dataplane.wheel.remove(this);
    this.deadline = 0;
    this.stream.expectBulk(true);
    exchange.onSwitch(responseHead);
    if (next < end) exchange.onUpstreamBytes(bytes, next, end);
  }

  // ── ending ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The response is whole. The connection goes back first: to whoever waits for one, else to the client's next request. */
  #complete(trailers: string): void {
    const exchange = this.exchange!;
    this.exchange = null;
    this.decoder = null;
    this.stream.expectBulk(false);
    const clean = trailers !== BYTES_AFTER;
    if (clean && this.reusable && this.requestSent && this.#release()) {
      this.endpoint.wake();
      exchange.onResponseEnd(trailers);
      return;
    }
    this.#close();
    exchange.onResponseEnd(clean ? trailers : '');
  }

  #release(): boolean {
    const { endpoint, dataplane, stream } = this;
    // A backend that answered before it took the whole request would owe us its attention.
    if (stream.blocked || stream.unsent > 0) return false;
    // What waits behind a response would be taken for the next one.
    if (stream.hasMore) return false;
    if (endpoint.draining || this.upstreamEnded || this.requests >= MOST_REQUESTS) return false;
    if (endpoint.ready.length >= dataplane.config.limits.endpointIdleConnections) return false;
    this.state = IDLE;
    if (this.paused) {
      this.paused = false;
      this.stream.resume();
    }
    endpoint.ready.push(this);
    dataplane.wheel.set(this, this.idleMs);
    return true;
  }

  #fail(failure: UpstreamFailure): void {
    const { exchange } = this;
    this.exchange = null;
    this.#close();
    exchange?.onUpstreamFailed(failure);
  }

  #close(): void {
    if (this.state === CLOSED) return;
    if (this.state === IDLE) this.#leaveReady();
    this.#left();
    this.stream.destroy();
  }

  #leaveReady(): void {
    const { ready } = this.endpoint;
    if (ready.at(-1) === this) {
      ready.pop();
      return;
    }
    const i = ready.lastIndexOf(this);
    if (i >= 0) ready.splice(i, 1);
  }

  /** Counts the connection as gone, once. */
  #left(): void {
    this.state = CLOSED;
    this.dataplane.wheel.remove(this);
    this.deadline = 0;
    this.endpoint.open--;
    this.endpoint.wake();
  }

  /** Sets the timer for what is being waited for, if it is the backend that has to act. */
  #rearm(): void {
    const { state, dataplane } = this;
    if (state < HEAD || state === CLOSED) return;
    const { policy } = this.exchange!.route!;
    if (state === TUNNEL) this.deadline = 0;
    else if (this.stream.blocked) dataplane.wheel.set(this, policy.sendTimeoutMs);
    // The client is slow, not the backend.
    else if (this.paused || (state === HEAD && !this.requestSent)) this.deadline = 0;
    else dataplane.wheel.set(this, policy.responseTimeoutMs);
  }
}

/**
 * How long an idle connection is kept, in ms (0 for no limit, negative for not at all): a second less than the backend
 * says it keeps it, so that no request of ours meets its close. `seconds` is -1 when it does not say.
 */
function idleTime(seconds: number, ourLimit: number): number {
  if (seconds < 0) return ourLimit;
  if (seconds <= 1) return -1;
  const theirs = (seconds - 1) * 1000;
  return ourLimit > 0 && ourLimit < theirs ? ourLimit : theirs;
}

/** Stands for "bytes came behind the message": nothing more is read from the connection. */
const BYTES_AFTER = '\0';

export function connectHttp1(
  dataplane: Dataplane,
  endpoint: Endpoint<UpstreamConnection>,
  exchange: Exchange,
): UpstreamSide {
  return new Http1ClientConnection(dataplane, endpoint, exchange);
}
