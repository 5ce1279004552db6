/** One HTTP/2 stream: the client's side of one exchange, with the windows of both directions. Hot path. */
import type { Exchange } from '../exchange/exchange.ts';
import type { OwnAnswer } from '../exchange/own-answer.ts';
import type { Downstream } from '../exchange/sides.ts';
import type { ResponseHead } from '../message/response-head.ts';
import type { Timed } from '../timers.ts';
import type { Http2ServerConnection } from './connection.ts';
import {
  CANCEL,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  INTERNAL_ERROR,
  MAX_PAYLOAD,
  MAX_WINDOW,
  NO_ERROR,
} from './frames.ts';
import { encodeLines, informationalBlock, tunnelBlock } from './response-blocks.ts';
import type { Sender } from './send-flow.ts';

/** No tunnel; one was asked for; it stands. */
const NO_TUNNEL = 0;
const TUNNEL_WANTED = 1;
const TUNNEL = 2;

/** Frames kept for a tunnel that does not stand yet; their bytes are bounded by the stream's window. */
const MOST_EARLY = 64;

export class Http2Stream implements Downstream, Sender, Timed {
  readonly connection: Http2ServerConnection;
  readonly id: number;
  exchange: Exchange | null = null;
  closed = false;
  tunnel = NO_TUNNEL;

  /** The client has sent its END_STREAM. */
  remoteEnded: boolean;
  /** Body bytes that must still come to make up Content-Length; -1 when it was not given. */
  expected: number;
  receiveWindow: number;
  /** Received and not given back as window: the exchange is slow, or a window's worth is not yet together. */
  withheld = 0;
  owed = 0;
  bodyPaused = false;
  /** Tunnel bytes that came before the tunnel stood. */
  early: Buffer[] = [];
  /** Body rate: since when (ms of the wheel) and how many bytes. */
  bodySince = 0;
  bodyBytes = 0;

  localEnded = false;
  sendWindow: number;
  /** Response bytes still to come to make up Content-Length; -1 when the end is told otherwise. */
  remaining = -1;
  /** Bytes that wait for a window. */
  queue: Buffer[] = [];
  queuedBytes = 0;
  /** Of the first buffer in {@link queue}, what was sent. */
  queueOffset = 0;
  /** The response is complete behind what is queued. */
  endQueued = false;
  trailers = '';
  /** What the exchange was last told. */
  blocked = false;

  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  /** `contentLength` is -1 when it was not given. */
  constructor(
    connection: Http2ServerConnection,
    id: number,
    ended: boolean,
    contentLength: number,
    wantsTunnel: boolean,
  ) {
    this.connection = connection;
    this.id = id;
    this.remoteEnded = ended;
    this.expected = contentLength;
    this.receiveWindow = connection.streamWindow;
    this.sendWindow = connection.peerSettings.initialWindow;
    if (wantsTunnel) this.tunnel = TUNNEL_WANTED;
  }

  /** Before its exchange starts. */
  open(exchange: Exchange): void {
    this.exchange = exchange;
    if (!this.remoteEnded) this.#startBodyClock();
    if (this.connection.flow.choked) this.onChoke();
  }

  // ── receiving ───────────────────────────────────────────────────────────────────────────────────────────

  /** A DATA frame: `size` counts against the windows, `bytes[start, end)` is the body in it. */
  onData(bytes: Buffer, start: number, end: number, size: number, ended: boolean): void {
    const { connection } = this;
    this.receiveWindow -= size;
    if (this.receiveWindow < 0) return connection.resetStream(this, FLOW_CONTROL_ERROR);
    const length = end - start;
    if (this.expected >= 0) {
      this.expected -= length;
      if (this.expected < 0 || (ended && this.expected > 0)) return connection.malformed(this);
    }
    this.withheld += size;
    if (ended) this.remoteEnded = true;
    if (length > 0 && !this.#deliver(bytes, start, end)) return;
    if (this.closed) return;
    if (!this.bodyPaused && this.tunnel !== TUNNEL_WANTED) this.#giveBack();
    if (ended) this.onRemoteEnd('');
  }

  /** False when the stream was given up. */
  #deliver(bytes: Buffer, start: number, end: number): boolean {
    const { exchange } = this;
    if (this.tunnel === TUNNEL_WANTED) {
      if (this.early.length === MOST_EARLY) {
        this.connection.abortStream(this, ENHANCE_YOUR_CALM, 'early-tunnel-data');
        return false;
      }
      this.early.push(Buffer.from(bytes.subarray(start, end)));
    } else if (this.tunnel === TUNNEL) {
      exchange?.onClientBytes(bytes, start, end);
      this.#rearm();
    } else if (exchange !== null) {
      if (!this.#bodyInTime(end - start)) return false;
      exchange.onRequestBody(bytes, start, end);
    }
    return true;
  }

  onRemoteEnd(trailers: string): void {
    this.remoteEnded = true;
    if (this.expected > 0) return this.connection.malformed(this);
    if (this.tunnel === TUNNEL) this.exchange?.onClientEnd();
    else if (this.tunnel === NO_TUNNEL) this.exchange?.onRequestEnd(trailers);
    if (!this.closed) this.#rearm();
  }

  /** Tells the client that it may send as much again as was taken. */
  #giveBack(): void {
    const { withheld, connection } = this;
    this.withheld = 0;
    connection.giveBack(withheld);
    // Nobody reads on: the client is not asked for more.
    if (this.remoteEnded || this.exchange === null) return;
    this.owed += withheld;
    if (this.owed * 2 < connection.streamWindow) return;
    this.receiveWindow += this.owed;
    connection.writeWindowUpdate(this.id, this.owed);
    this.owed = 0;
  }

  pauseBody(): void {
    this.bodyPaused = true;
    this.#rearm();
  }

  resumeBody(): void {
    this.bodyPaused = false;
    if (this.closed) return;
    if (this.withheld > 0 && this.tunnel !== TUNNEL_WANTED) this.#giveBack();
    if (!this.remoteEnded) this.#startBodyClock();
  }

  // ── sending ─────────────────────────────────────────────────────────────────────────────────────────────

  sendInformational(head: ResponseHead): void {
    if (!this.closed) this.connection.writeHeaders(this.id, informationalBlock(head), 0);
  }

  sendHead(head: ResponseHead, hasBody: boolean): void {
    if (this.closed) return;
    if (this.tunnel === TUNNEL_WANTED && head.status >= 200 && head.status < 300) return this.#refuseTunnel();
    this.connection.writeHeaders(this.id, this.connection.blocks.forwarded(head), hasBody ? 0 : END_STREAM);
    if (!hasBody) return this.#ended();
    this.remaining = head.contentLength;
  }

  /** A success that is no switch of protocols would be taken for a tunnel by the client. */
  #refuseTunnel(): void {
    this.exchange!.status = 502;
    this.connection.writeHeaders(this.id, this.connection.blocks.bare(502), END_STREAM);
    this.#ended();
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (this.closed || this.localEnded) return;
    const { flow } = this.connection;
    const size = end - start;
    if (this.remaining >= 0) {
      this.remaining -= size;
      if (this.remaining === 0) this.endQueued = true;
    }
    let sent = 0;
    if (this.queuedBytes === 0 && !this.connection.stream.blocked) {
      sent = Math.max(0, Math.min(size, this.sendWindow, flow.window));
      if (sent > 0) this.#sendNow(bytes, start, start + sent, sent === size);
    }
    if (sent < size) this.#putAside(bytes, start + sent, end);
  }

  #sendNow(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const { connection } = this;
    const ends = isLast && this.endQueued && this.trailers === '';
    this.sendWindow -= end - start;
    connection.flow.writeData(this.id, bytes, start, end, ends ? END_STREAM : 0);
    connection.guard.sentData();
    if (ends) this.#ended();
    else if (isLast && this.endQueued) this.#sendEndNow();
  }

  #putAside(bytes: Buffer, start: number, end: number): void {
    const { flow } = this.connection;
    this.queue.push(Buffer.from(bytes.subarray(start, end)));
    if (this.queuedBytes === 0) flow.wait(this);
    this.queuedBytes += end - start;
    flow.noteQueued(end - start);
    this.#rearm();
    this.#tellBlocked();
  }

  sendQueued(): boolean {
    const { flow } = this.connection;
    const first = this.queue[0];
    if (first === undefined) return false;
    const start = this.queueOffset;
    const size = Math.min(first.length - start, this.sendWindow, flow.window, MAX_PAYLOAD);
    if (size <= 0) return false;
    this.queuedBytes -= size;
    if (start + size === first.length) {
      this.queue.shift();
      this.queueOffset = 0;
    } else this.queueOffset = start + size;
    this.#sendNow(first, start, start + size, this.queuedBytes === 0);
    flow.noteQueued(-size);
    if (this.closed) return true;
    this.#rearm();
    this.#tellBlocked();
    return true;
  }

  sendEnd(trailers: string): void {
    if (this.closed || this.localEnded) return;
    // With a length the end is known before: a later word about it changes nothing.
    if (!this.endQueued) this.trailers = trailers;
    this.endQueued = true;
    if (this.queuedBytes === 0) this.#sendEndNow();
  }

  #sendEndNow(): void {
    const { connection, trailers } = this;
    if (trailers === '') connection.flow.writeData(this.id, EMPTY, 0, 0, END_STREAM);
    else connection.writeHeaders(this.id, encodeLines(trailers), END_STREAM);
    this.#ended();
  }

  sendOwn(answer: OwnAnswer, headOnly: boolean): void {
    if (this.closed) return;
    const hasBody = !headOnly && answer.body !== '';
    this.connection.writeHeaders(this.id, this.connection.blocks.own(answer), hasBody ? 0 : END_STREAM);
    if (!hasBody) return this.#ended();
    this.remaining = answer.body.length;
    this.sendBody(Buffer.from(answer.body, 'latin1'), 0, answer.body.length);
  }

  cut(code: number): void {
    // It ends the exchange itself.
    this.exchange = null;
    if (!this.closed) this.connection.resetStream(this, PASSED_ON.has(code) ? code : INTERNAL_ERROR);
  }

  startTunnel(head: ResponseHead): void {
    this.tunnel = TUNNEL;
    this.connection.writeHeaders(this.id, tunnelBlock(head), 0);
    const { early, exchange } = this;
    this.early = [];
    for (const bytes of early) exchange?.onClientBytes(bytes, 0, bytes.length);
    if (this.closed) return;
    if (this.withheld > 0 && !this.bodyPaused) this.#giveBack();
    if (this.remoteEnded) exchange?.onClientEnd();
    this.#rearm();
  }

  sendTunnel(bytes: Buffer, start: number, end: number): void {
    this.sendBody(bytes, start, end);
    if (!this.closed) this.#rearm();
  }

  endTunnel(): void {
    this.sendEnd('');
  }

  exchangeDone(): void {
    this.exchange = null;
    if (this.closed) return;
    if (this.tunnel === TUNNEL) this.sendEnd('');
    this.#closeIfDone();
    if (!this.closed) this.#rearm();
  }

  /** Our END_STREAM is written. */
  #ended(): void {
    this.localEnded = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (!this.localEnded || this.exchange !== null || this.closed) return;
    // The rest of a request that is answered already is not wanted (RFC 9113 8.1).
    if (!this.remoteEnded) this.connection.stopStream(this);
    else this.connection.closeStream(this);
  }

  // ── windows ─────────────────────────────────────────────────────────────────────────────────────────────

  /** False when the window would grow over its bound. */
  widen(increment: number): boolean {
    this.sendWindow += increment;
    return this.sendWindow <= MAX_WINDOW;
  }

  onChoke(): void {
    this.#tellBlocked();
  }

  #tellBlocked(): void {
    const blocked = this.queuedBytes > 0 || this.connection.flow.choked;
    if (blocked === this.blocked) return;
    this.blocked = blocked;
    if (blocked) this.exchange?.onDownstreamBlocked();
    else this.exchange?.onDownstreamDrain();
  }

  // ── the client's pace ───────────────────────────────────────────────────────────────────────────────────

  /** Sets the timer for what is being waited for, if it is the client that has to act. */
  #rearm(): void {
    if (this.closed) return;
    const { wheel, config } = this.connection.listener.dataplane;
    if (this.queuedBytes > 0) wheel.set(this, config.timeouts.sendIdle);
    else if (this.tunnel === TUNNEL) wheel.set(this, config.timeouts.tunnelIdle);
    else if (this.#readsBody()) this.#startBodyClock();
    else this.deadline = 0;
  }

  #readsBody(): boolean {
    return this.exchange !== null && !this.remoteEnded && !this.bodyPaused && this.tunnel === NO_TUNNEL;
  }

  #startBodyClock(): void {
    const { wheel, config } = this.connection.listener.dataplane;
    this.bodySince = wheel.now;
    this.bodyBytes = 0;
    wheel.set(this, config.timeouts.bodyIdle);
  }

  /** Notes body bytes; false when they dribble in slower than allowed (slow POST). */
  #bodyInTime(size: number): boolean {
    const { wheel, config } = this.connection.listener.dataplane;
    const { bodyRate, bodyRateGrace, bodyIdle } = config.timeouts;
    if (!this.bodyPaused) wheel.set(this, bodyIdle);
    this.bodyBytes += size;
    if (bodyRate === 0 || bodyRateGrace === 0) return true;
    const elapsed = wheel.now - this.bodySince;
    if (this.bodyPaused || elapsed < bodyRateGrace || this.bodyBytes * 1000 >= bodyRate * elapsed)
      return true;
    this.#bodyTimedOut();
    return false;
  }

  #bodyTimedOut(): void {
    this.connection.listener.dataplane.stats.counters['limit_hits_total:request_body_timeout']++;
    this.exchange?.onRequestBroken(408, 'request-timeout');
  }

  onDeadline(): void {
    const { counters } = this.connection.listener.dataplane.stats;
    if (this.queuedBytes > 0) {
      counters['limit_hits_total:send_timeout']++;
      return this.connection.abortStream(this, CANCEL, 'send-timeout');
    }
    if (this.tunnel === TUNNEL) {
      counters['limit_hits_total:tunnel_timeout']++;
      return this.connection.abortStream(this, NO_ERROR, 'tunnel-timeout');
    }
    if (this.#readsBody()) this.#bodyTimedOut();
  }
}

/** What a backend's reset means for the client too: gRPC makes a status of it. */
const PASSED_ON: ReadonlySet<number> = new Set([CANCEL, ENHANCE_YOUR_CALM]);

const EMPTY = Buffer.alloc(0);
