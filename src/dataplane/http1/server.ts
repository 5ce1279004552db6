/**
 * One HTTP/1.x client connection: reads requests one after the other, hands each to an exchange, writes its
 * response, and decides whether the connection may live on. Hot path.
 */
import type { ClientConnection, ClientListener } from '../exchange/client-listener.ts';
import { Exchange } from '../exchange/exchange.ts';
import type { LiveRoute } from '../exchange/live-route.ts';
import { type OwnAnswer, ownAnswer } from '../exchange/own-answer.ts';
import { makePeer, type Peer } from '../exchange/peer.ts';
import { noteRefusal } from '../exchange/refusal.ts';
import type { Downstream } from '../exchange/sides.ts';
import { latin1 } from '../message/latin1.ts';
import { RequestHead } from '../message/request-head.ts';
import type { ResponseHead } from '../message/response-head.ts';
import { requestId } from '../request-id.ts';
import { resolveRoute } from '../route/resolve.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, StreamOwner } from '../transport/stream.ts';
import { type BodySink, chunkHead, DONE, MORE, TOO_LARGE } from './chunked.ts';
import { bodyInTime, deadlinePassed, linger, rearm, touchTunnel } from './pace.ts';
import { parseRequestHead } from './parse-request.ts';
import { BODY, CLOSED, CLOSING, CUT, DISCARD, HEAD, TUNNEL, WAIT } from './reading.ts';
import { RequestBody } from './request-body.ts';
import { Stash } from './stash.ts';
import {
  BY_CHUNKS,
  BY_CLOSE,
  BY_LENGTH,
  CONNECTION_CLOSE,
  CONNECTION_KEEP_ALIVE,
  CONNECTION_NONE,
  forwardedResponse,
  informationalResponse,
  NO_BODY,
  ownResponse,
  switchingResponse,
} from './write-response.ts';

/** A whole body up to this size travels with the head in one write. */
const SMALL_BODY = 8192;
/** How far ahead of the running request is read: whoever is read hears of it when the client is gone. */
const READ_AHEAD_BYTES = 8192;
/** Empty lines before a head are not counted as a part of it. */
const EMPTY_LINES_BYTES = 4;
/** What is read and dropped of a body nobody wants, before the connection is closed instead. */
const DISCARD_BYTES = 65_536;
const DISCARD_MS = 1000;

/** Filled by each request in turn: valid until the next head is parsed. */
const requestHead = new RequestHead();

export class Http1ServerConnection implements StreamOwner, ClientConnection, Downstream, BodySink, Timed {
  readonly listener: ClientListener;
  readonly stream: ByteStream;
  exchange: Exchange | null = null;
  peer: Peer | null = null;
  reading = HEAD;
  /** The body being read; null when there is none or it came along with the head. */
  body: RequestBody | null = null;
  /** Bytes dropped so far (DISCARD, CLOSING). */
  dropped = 0;
  stash: Stash | null = null;
  /** The stash while it is being consumed: put back as it is when a head in it is still incomplete. */
  spare: Stash | null = null;
  /** Part of a head is here, not only an empty line. */
  headStarted = false;
  requests = 0;
  /** The connection lives on after the running response. */
  keep = false;
  minorVersion = 1;
  framing = NO_BODY;
  clientEnded = false;
  /** No request after the running one or the next. */
  leaving = false;
  /** Inside {@link consume}: it goes on by itself when an exchange ends. */
  consuming = false;
  /** We have asked the client to wait with its body. */
  bodyPaused = false;
  /** What was unsent when last looked at, to tell a slow reader from a stuck one. */
  unsent = 0;
  /** The route of the request before: clients like to ask for the same again. */
  lastAuthority = '';
  lastTarget = '';
  lastForward = '';
  lastRoute: LiveRoute | null = null;
  lastGeneration = -1;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(listener: ClientListener, stream: ByteStream) {
    this.listener = listener;
    this.stream = stream;
    listener.connections.add(this);
    listener.dataplane.wheel.set(this, listener.dataplane.config.timeouts.requestHead);
  }

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  onData(bytes: Buffer, start: number, end: number): void {
    const { stash } = this;
    if (stash === null) return this.#consume(bytes, start, end);
    stash.append(bytes, start, end);
    if (this.reading !== HEAD) return this.#pauseWhenAhead();
    if (stash.worthParsing()) this.#consumeStash();
  }

  #consumeStash(): void {
    const { stash } = this;
    if (stash === null) return;
    this.stash = null;
    this.spare = stash;
    this.#consume(stash.bytes, 0, stash.length);
    this.spare = null;
  }

  #consume(bytes: Buffer, start: number, end: number): void {
    this.consuming = true;
    let i = start;
    while (i < end) {
      switch (this.reading) {
        case HEAD:
          i = this.stream.blocked ? this.#putOff(bytes, i, end) : this.#readHead(bytes, i, end);
          break;
        case BODY:
          i = this.#readBody(bytes, i, end);
          break;
        case WAIT:
          i = this.#putOff(bytes, i, end);
          break;
        case TUNNEL:
          this.exchange?.onClientBytes(bytes, i, end);
          this.exchange?.forwardToBackend(this.stream, Number.POSITIVE_INFINITY);
          touchTunnel(this);
          i = end;
          break;
        case DISCARD:
          i = this.#discard(bytes, i, end);
          break;
        case CLOSING:
          this.dropped += end - i;
          // Who sends on and on is not read any further, but keeps its time to read the answer.
          if (this.dropped > DISCARD_BYTES) this.stream.pause();
          i = end;
          break;
        default:
          i = end;
      }
    }
    this.consuming = false;
    if (this.clientEnded) this.#endIfIdle();
  }

  /** The client sends no more: what it sent is answered, then the connection ends. */
  #endIfIdle(): void {
    if (this.reading !== HEAD || this.stream.blocked) return;
    if (this.headStarted) return this.refuse(400);
    this.hangUp();
  }

  /** Keeps the next request until the one before is answered, and the answer taken. */
  #putOff(bytes: Buffer, start: number, end: number): number {
    this.#append(bytes, start, end);
    this.#pauseWhenAhead();
    return end;
  }

  #pauseWhenAhead(): void {
    if (this.stash!.length >= READ_AHEAD_BYTES) this.stream.pause();
  }

  /** Parses one head and starts its exchange. Returns where to go on. */
  #readHead(bytes: Buffer, start: number, end: number): number {
    const { dataplane, scheme } = this.listener;
    const { limits } = dataplane.config;
    const next = parseRequestHead(bytes, start, end, limits, requestHead, scheme === 'https');
    if (next > 0) return this.#begin(bytes, next, end);
    if (next === 0) {
      if (!this.headStarted && !isEmptyLines(bytes, start, end)) {
        this.headStarted = true;
        // The first head's time runs since the connection was accepted.
        if (this.requests > 0) dataplane.wheel.set(this, dataplane.config.timeouts.requestHead);
      }
      this.#append(bytes, start, end);
      this.stash!.incomplete(limits.requestHeadBytes + EMPTY_LINES_BYTES);
      return end;
    }
    if (next === -414) dataplane.stats.counters['limit_hits_total:request_line']++;
    if (next === -431) dataplane.stats.counters['limit_hits_total:request_head']++;
    this.refuse(-next);
    return end;
  }

  #begin(bytes: Buffer, next: number, end: number): number {
    const head = requestHead;
    const { dataplane } = this.listener;
    const { limits } = dataplane.config;
    this.deadline = 0;
    this.headStarted = false;
    this.peer ??= this.#makePeer();
    this.requests++;
    this.minorVersion = head.minorVersion;
    this.keep =
      !head.close &&
      (head.minorVersion > 0 || head.keepAlive) &&
      this.requests < limits.requestsPerConnection &&
      !this.leaves();

    const forward = this.#route(head);
    if (forward === null) {
      this.refuse(400, head);
      return end;
    }
    const exchange = new Exchange(dataplane, this);
    this.exchange = exchange;
    const length = head.contentLength;
    if (length > 0 && length <= SMALL_BODY && length <= limits.replayBytes && end - next >= length) {
      this.reading = WAIT;
      exchange.start(head, this.peer, this.lastRoute, forward, latin1(bytes, next, next + length));
      return next + length;
    }
    if (head.hasBody()) {
      this.reading = BODY;
      this.body = new RequestBody(head.chunked ? -1 : length, limits, dataplane.wheel.now);
      this.stream.expectBulk(true);
      rearm(this);
    } else this.reading = WAIT;
    exchange.start(head, this.peer, this.lastRoute, forward, null);
    return next;
  }

  /** Finds the route into {@link lastRoute}; returns the target to forward, null for a path to refuse. */
  #route(head: RequestHead): string | null {
    const { table } = this.listener.dataplane;
    if (
      head.target === this.lastTarget &&
      head.authority === this.lastAuthority &&
      table.generation === this.lastGeneration
    ) {
      return this.lastForward;
    }
    const forward = resolveRoute(table, head);
    if (forward === null) return null;
    this.lastRoute = forward.route;
    this.lastForward = forward.target;
    this.lastAuthority = head.authority;
    this.lastTarget = head.target;
    this.lastGeneration = table.generation;
    return forward.target;
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const body = this.body!;
    if (this.reading === BODY && !bodyInTime(this, end - start)) return end;
    let verdict = body.feed(bytes, start, end, this);
    if (verdict === MORE && this.reading === BODY) verdict = this.#forwardBody(body);
    // The exchange may have ended on the way (413): what is left is discarded or dropped.
    if (verdict === MORE || (this.reading !== BODY && this.reading !== DISCARD)) return end;
    if (verdict !== DONE) {
      if (verdict === TOO_LARGE) this.listener.dataplane.stats.counters['limit_hits_total:chunk_overhead']++;
      this.breakBody(verdict === TOO_LARGE ? 413 : 400, 'bad-chunks');
      return end;
    }
    this.body = null;
    this.stream.expectBulk(false);
    if (this.reading === DISCARD) this.#ready();
    else {
      this.reading = WAIT;
      rearm(this);
      this.exchange?.onRequestEnd(body.trailers);
    }
    return body.end;
  }

  /** What waits of a body of known length needs no look at it. Returns DONE or MORE. */
  #forwardBody(body: RequestBody): number {
    const { exchange } = this;
    if (exchange === null || body.left <= 0) return MORE;
    return body.passed(exchange.forwardToBackend(this.stream, body.left));
  }

  /** Bytes of the body, without its framing. */
  onBody(bytes: Buffer, start: number, end: number, last: boolean): void {
    this.exchange?.onRequestBody(bytes, start, end, last);
  }

  /** The body's framing broke: nothing after it can be trusted. */
  breakBody(status: number, reason: string): void {
    this.keep = false;
    this.body = null;
    const { exchange } = this;
    this.reading = CLOSING;
    this.dropped = 0;
    if (exchange !== null) exchange.onRequestBroken(status, reason);
    else this.hangUp();
  }

  #discard(bytes: Buffer, start: number, end: number): number {
    this.dropped += end - start;
    if (this.dropped <= DISCARD_BYTES) return this.#readBody(bytes, start, end);
    this.hangUp();
    return end;
  }

  #append(bytes: Buffer, start: number, end: number): void {
    const { spare } = this;
    if (this.stash !== null) this.stash.append(bytes, start, end);
    else if (spare !== null && spare.bytes === bytes && start === 0) this.stash = spare;
    else this.stash = new Stash(bytes, start, end);
  }

  onDeadline(): void {
    deadlinePassed(this);
  }

  // ── what the stream tells ───────────────────────────────────────────────────────────────────────────────

  onBlocked(): void {
    this.exchange?.onDownstreamBlocked();
    this.unsent = this.stream.unsent;
    rearm(this);
  }

  onDrain(): void {
    this.unsent = 0;
    this.exchange?.onDownstreamDrain();
    rearm(this);
    if (this.reading !== HEAD) return;
    if (this.stash !== null) {
      this.stream.resume();
      this.#consumeStash();
    } else if (this.clientEnded) this.#endIfIdle();
  }

  onEnd(): void {
    this.clientEnded = true;
    switch (this.reading) {
      case TUNNEL:
        return this.exchange?.onClientEnd();
      case WAIT:
        // Half-closed after the request: the answer is still wanted.
        return;
      case BODY:
        return this.breakBody(400, 'request-truncated');
      case HEAD:
        return this.#endIfIdle();
      case DISCARD:
        return this.hangUp();
      default:
        this.stream.end();
    }
  }

  onClose(): void {
    this.reading = CLOSED;
    this.listener.connections.delete(this);
    this.listener.dataplane.wheel.remove(this);
    this.stash = null;
    const { exchange } = this;
    this.exchange = null;
    exchange?.onDownstreamClosed('client-closed');
  }

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

  sendInformational(head: ResponseHead): void {
    this.stream.write(informationalResponse(head));
  }

  sendHead(head: ResponseHead, hasBody: boolean): void {
    const { dataplane, scheme } = this.listener;
    if (this.leaves()) this.keep = false;
    if (!hasBody) this.framing = NO_BODY;
    else if (head.contentLength >= 0) this.framing = BY_LENGTH;
    else if (this.minorVersion > 0) this.framing = BY_CHUNKS;
    else {
      this.framing = BY_CLOSE;
      this.keep = false;
    }
    // The client still holds back a body it was told to wait with: it may or may not send it now.
    if (this.exchange?.expectContinue && this.reading !== WAIT) this.keep = false;
    const { serverLine } = dataplane;
    const hstsLine = scheme === 'https' ? dataplane.hstsLine : '';
    this.stream.write(forwardedResponse(head, this.framing, this.#connectionLine(), serverLine, hstsLine));
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    const { stream } = this;
    if (this.framing !== BY_CHUNKS) return stream.writeBytes(bytes, start, end);
    stream.write(chunkHead(end - start));
    stream.writeBytes(bytes, start, end);
    stream.write('\r\n');
  }

  forward(from: ByteStream, most: number): number {
    if (this.framing === BY_CHUNKS && this.reading !== TUNNEL) return 0;
    return from.forward(this.stream, most);
  }

  sendEnd(trailers: string): void {
    if (this.framing === BY_CHUNKS) this.stream.write(trailers === '' ? '0\r\n\r\n' : `0\r\n${trailers}\r\n`);
  }

  sendOwn(answer: OwnAnswer, headOnly: boolean): void {
    if (this.leaves()) this.keep = false;
    if (this.exchange?.expectContinue && this.reading !== WAIT) this.keep = false;
    this.stream.write(
      ownResponse(answer, headOnly, this.#connectionLine(), this.listener.dataplane.serverLine),
    );
  }

  /** The client must not take what it got for the whole: a length stays short, chunks never end, else a reset. */
  cut(): void {
    this.keep = false;
    this.reading = CUT;
    if (this.framing === BY_CLOSE) return this.stream.reset();
    this.stream.destroyAfterFlush();
    linger(this);
  }

  startTunnel(head: ResponseHead): void {
    this.keep = false;
    this.reading = TUNNEL;
    this.stream.write(switchingResponse(head));
    this.stream.expectBulk(true);
    touchTunnel(this);
    const { stash } = this;
    this.stash = null;
    // Before the bytes go on: they may block the upstream, which pauses this side again.
    this.stream.resume();
    if (stash !== null) this.exchange?.onClientBytes(stash.bytes, 0, stash.length);
    if (this.clientEnded) this.exchange?.onClientEnd();
  }

  sendTunnel(bytes: Buffer, start: number, end: number): void {
    this.stream.writeBytes(bytes, start, end);
    touchTunnel(this);
  }

  endTunnel(): void {
    this.stream.end();
  }

  pauseBody(): void {
    this.bodyPaused = true;
    this.stream.pause();
    if (this.reading === BODY) rearm(this);
  }

  resumeBody(): void {
    this.bodyPaused = false;
    if (this.reading === BODY) rearm(this);
    if (this.reading !== WAIT || this.stash === null) this.stream.resume();
  }

  exchangeDone(): void {
    this.exchange = null;
    switch (this.reading) {
      case TUNNEL:
        return this.hangUp();
      case WAIT:
        if (this.keep) return this.#ready();
        return this.hangUp();
      case BODY:
        return this.#discardRest();
      case CLOSING:
        return this.hangUp();
      default:
    }
  }

  #discardRest(): void {
    if (!this.keep) return this.hangUp();
    this.reading = DISCARD;
    this.dropped = 0;
    this.listener.dataplane.wheel.set(this, DISCARD_MS);
  }

  /** For the next request. */
  #ready(): void {
    this.reading = HEAD;
    if (!this.keep) return this.hangUp();
    rearm(this);
    if (this.consuming || this.stream.blocked) return;
    if (this.stash !== null) {
      this.stream.resume();
      this.#consumeStash();
    } else if (this.clientEnded) this.#endIfIdle();
  }

  /**
   * Refuses what could not become a request: answered without an exchange, then closed. `head` is what was asked for, as
   * far as that could be read.
   */
  refuse(status: number, head: RequestHead | null = null): void {
    const id = requestId();
    const answer = ownAnswer(status, '', id);
    this.keep = false;
    this.peer ??= this.#makePeer();
    this.sendOwn(answer, false);
    const { dataplane } = this.listener;
    noteRefusal(dataplane, this.peer.address, id, status, answer.body.length, 'HTTP/1.1', head);
    this.hangUp();
  }

  /** Sends what is written, then FIN, and drops what the client still sends for a while. */
  hangUp(): void {
    this.reading = CLOSING;
    this.dropped = 0;
    this.stash = null;
    this.body = null;
    this.stream.end();
    this.stream.resume();
    linger(this);
  }

  /** Whether the connection is to end as soon as nothing is asked on it. */
  leaves(): boolean {
    return this.leaving || this.listener.dataplane.draining;
  }

  /** Whoever was not told `Connection: close` yet may send one more request. */
  drain(now = false): void {
    this.leaving = true;
    if (this.reading !== HEAD || this.headStarted) return;
    if (now && this.idle) this.hangUp();
    else rearm(this);
  }

  /** A tunnel may last for days; who asked before and asks nothing now knows that the connection may end at any time. */
  get idle(): boolean {
    if (this.reading === TUNNEL) return true;
    return this.reading === HEAD && !this.headStarted && this.exchange === null && this.requests > 0;
  }

  #connectionLine(): string {
    if (!this.keep) return CONNECTION_CLOSE;
    return this.minorVersion === 0 ? CONNECTION_KEEP_ALIVE : CONNECTION_NONE;
  }

  #makePeer(): Peer {
    const { dataplane, scheme, port } = this.listener;
    return makePeer(
      this.stream.remoteAddress,
      scheme,
      port,
      dataplane.trusted,
      dataplane.config.sendForwarded,
      this.stream.identity,
    );
  }
}

/** True for what parseRequestHead skips before a head: an empty line behind a body, as old clients send it. */
function isEmptyLines(bytes: Buffer, start: number, end: number): boolean {
  // More than two, or anything else among them, would not have been incomplete.
  return end - start <= 4 && bytes[start] === 13 && bytes[end - 1]! <= 13;
}
