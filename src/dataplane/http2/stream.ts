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
  NO_ERROR,
} from './frames.ts';
import { type BodyOwner, OutgoingBody } from './outgoing-body.ts';
import { informationalBlock, tunnelBlock } from './response-blocks.ts';

/** No tunnel; one was asked for; it stands. */
const NO_TUNNEL = 0;
const TUNNEL_WANTED = 1;
const TUNNEL = 2;

/** Frames kept for a tunnel that does not stand yet; their bytes are bounded by the stream's window. */
const MOST_EARLY = 64;

export class Http2Stream implements Downstream, BodyOwner, Timed {
  readonly connection: Http2ServerConnection;
  readonly id: number;
  readonly out: OutgoingBody;
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
    this.out = new OutgoingBody(connection, this, connection.peerSettings.initialWindow);
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
    if (length > 0 && !this.#deliver(bytes, start, end, ended)) return;
    if (this.closed) return;
    if (!this.bodyPaused && this.tunnel !== TUNNEL_WANTED) this.#giveBack();
    if (ended) this.onRemoteEnd('');
  }

  /** False when the stream was given up. */
  #deliver(bytes: Buffer, start: number, end: number, last: boolean): boolean {
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
      exchange.onRequestBody(bytes, start, end, last);
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
    if (!hasBody) return this.#endedByHead();
    if (!head.http2) this.out.remaining = head.contentLength;
  }

  /** A success that is no switch of protocols would be taken for a tunnel by the client; nobody waits for its content. */
  #refuseTunnel(): void {
    const exchange = this.exchange!;
    exchange.status = 502;
    this.connection.writeHeaders(this.id, this.connection.blocks.bare(502), END_STREAM);
    this.out.ended = true;
    exchange.onDownstreamClosed('upgrade-refused');
  }

  sendBody(bytes: Buffer, start: number, end: number, last = false): void {
    this.out.send(bytes, start, end, last);
  }

  /** Every byte goes within a frame. */
  forward(): number {
    return 0;
  }

  sendEnd(trailers: string): void {
    this.out.sendEnd(trailers);
  }

  sendOwn(answer: OwnAnswer, headOnly: boolean): void {
    if (this.closed) return;
    const hasBody = !headOnly && answer.body !== '';
    this.connection.writeHeaders(this.id, this.connection.blocks.own(answer), hasBody ? 0 : END_STREAM);
    if (!hasBody) return this.#endedByHead();
    this.out.remaining = answer.body.length;
    this.out.send(Buffer.from(answer.body, 'latin1'), 0, answer.body.length);
  }

  cut(code: number, ofClient: boolean): void {
    // It ends the exchange itself.
    this.exchange = null;
    if (this.closed) return;
    if (ofClient) this.connection.resetStream(this, INTERNAL_ERROR);
    else this.connection.cutStream(this, PASSED_ON.has(code) ? code : INTERNAL_ERROR);
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

  #endedByHead(): void {
    this.out.ended = true;
    this.#closeIfDone();
  }

  onBodySent(): void {
    this.#closeIfDone();
  }

  onQueueChange(): void {
    this.#rearm();
  }

  onBodyBlocked(blocked: boolean): void {
    if (blocked) this.exchange?.onDownstreamBlocked();
    else this.exchange?.onDownstreamDrain();
  }

  onChoke(): void {
    this.out.tellBlocked();
  }

  #closeIfDone(): void {
    if (!this.out.ended || this.exchange !== null || this.closed) return;
    // The rest of a request that is answered already is not wanted (RFC 9113 8.1).
    if (!this.remoteEnded) this.connection.stopStream(this);
    else this.connection.closeStream(this);
  }

  // ── the client's pace ───────────────────────────────────────────────────────────────────────────────────

  /** Sets the timer for what is being waited for, if it is the client that has to act. */
  #rearm(): void {
    if (this.closed) return;
    const { wheel, config } = this.connection.listener.dataplane;
    if (this.out.queuedBytes > 0) wheel.set(this, config.timeouts.sendIdle);
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
    if (this.out.queuedBytes > 0) {
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
