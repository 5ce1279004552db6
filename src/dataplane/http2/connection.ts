/**
 * One HTTP/2 client connection (RFC 9113): reads frames, keeps the streams, both windows and the bounds, and ends
 * politely or, where a client is in the wrong, at once. Hot path.
 */
import type { ClientConnection, ClientListener } from '../exchange/client-listener.ts';
import { makePeer, type Peer } from '../exchange/peer.ts';
import { noteRefusal } from '../exchange/refusal.ts';
import { requestId } from '../request-id.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, StreamOwner } from '../transport/stream.ts';
import { ClosedStreams, ENDED, RESET } from './closed-streams.ts';
import {
  EMPTY_DATA,
  FloodGuard,
  PINGS,
  PRIORITIES,
  RESETS,
  SETTINGS_CHANGES,
  USELESS_FRAMES,
  WINDOW_UPDATES,
} from './flood-guard.ts';
import * as frame from './frames.ts';
import { HpackDecoder } from './hpack-decode.ts';
import { NO_TABLE } from './hpack-encode.ts';
import { type FrameHandler, Incoming } from './incoming.ts';
import type { Link } from './outgoing-body.ts';
import { defaultPeerSettings, readSettings } from './peer-settings.ts';
import { FINE, type RequestFields } from './request-fields.ts';
import type { ResponseBlocks } from './response-blocks.ts';
import { SendFlow } from './send-flow.ts';
import { startRequest } from './start-request.ts';
import type { Http2Stream } from './stream.ts';

/** What all HTTP/2 connections of a worker share. */
export interface Http2Shared {
  readonly fields: RequestFields;
  readonly blocks: ResponseBlocks;
}

/** What has been said about the end of the connection. */
const OPEN = 0;
/** GOAWAY without a limit: the client may still have requests on their way. */
const GOING = 1;
/** GOAWAY with the last stream that is served. */
const GONE = 2;
/** We have said our last word; what comes is dropped so that the client can read it (no RST). */
const CLOSING = 3;

const LINGER_MS = 2000;
const DISCARD_BYTES = 65_536;
/** Requests taken while the client reads nothing; their heads and our answers pile up. */
const MOST_UNREAD = 200;
/** In the PING behind the first GOAWAY: its answer shows that the client has read both. */
const GOING_PING = 'tidegate';

export class Http2ServerConnection implements StreamOwner, ClientConnection, FrameHandler, Link, Timed {
  readonly listener: ClientListener;
  readonly stream: ByteStream;
  readonly fields: RequestFields;
  readonly blocks: ResponseBlocks;
  readonly streams = new Map<number, Http2Stream>();
  readonly flow: SendFlow;
  readonly guard: FloodGuard;
  readonly peerSettings = defaultPeerSettings();
  /** What one stream may send us before we have passed it on. */
  readonly streamWindow: number;
  readonly peer: Peer;
  requests = 0;

  readonly #incoming = new Incoming(this);
  readonly #decoder = new HpackDecoder();
  readonly #closed = new ClosedStreams();
  /** Bytes of the preface that came. */
  #prefaceRead = 0;
  /** The client's SETTINGS were taken. */
  #begun = false;
  /** The last stream the client opened, and the last that is served. */
  #lastId = 0;
  #servedId = frame.MAX_WINDOW;
  #receiveWindow: number;
  #owed = 0;
  #tableUpdate = '';
  #emptyInARow = 0;
  /** Requests since the client last read something. */
  #unread = 0;
  #state = OPEN;
  #discarded = 0;
  /** What was unsent when last looked at, to tell a slow reader from a stuck one. */
  #unsent = 0;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(listener: ClientListener, shared: Http2Shared, stream: ByteStream) {
    const { dataplane } = listener;
    const { limits, sendForwarded } = dataplane.config;
    this.listener = listener;
    this.stream = stream;
    this.fields = shared.fields;
    this.blocks = shared.blocks;
    this.flow = new SendFlow(stream, this.streams);
    this.guard = new FloodGuard(dataplane.wheel.now);
    this.streamWindow = limits.http2StreamWindow;
    this.#receiveWindow = limits.http2ConnectionWindow;
    this.peer = makePeer(
      stream.remoteAddress,
      listener.scheme,
      listener.port,
      dataplane.trusted,
      sendForwarded,
      stream.identity,
    );
    listener.connections.add(this);
    this.#rearm();
    stream.writeOncePerTurn();
    stream.write(
      frame.settingsFrame([
        [frame.SETTINGS_MAX_CONCURRENT_STREAMS, limits.http2ConcurrentStreams],
        [frame.SETTINGS_INITIAL_WINDOW_SIZE, this.streamWindow],
        [frame.SETTINGS_MAX_HEADER_LIST_SIZE, limits.requestHeadBytes],
        [frame.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1],
      ]),
    );
    const more = this.#receiveWindow - frame.DEFAULT_WINDOW;
    if (more > 0) this.writeWindowUpdate(0, more);
  }

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#state === CLOSING) return this.#discard(end - start);
    let i = start;
    while (this.#prefaceRead < frame.PREFACE.length && i < end) {
      if (bytes[i++] !== frame.PREFACE[this.#prefaceRead++]) return this.fail(frame.PROTOCOL_ERROR);
    }
    if (i < end) this.#incoming.feed(bytes, i, end);
  }

  #discard(size: number): void {
    this.#discarded += size;
    if (this.#discarded > DISCARD_BYTES && this.stream.unsent === 0) this.stream.destroy();
  }

  /** Takes a token for something cheap. */
  #spend(kind: number): number {
    return this.guard.allows(kind, this.listener.dataplane.wheel.now)
      ? frame.NO_ERROR
      : frame.ENHANCE_YOUR_CALM;
  }

  onDataFrame(id: number, bytes: Buffer, start: number, end: number, size: number, ended: boolean): number {
    if (this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) return frame.FLOW_CONTROL_ERROR;
    if (end > start || ended) this.#emptyInARow = 0;
    else if (++this.#emptyInARow > 10 || this.#spend(EMPTY_DATA) !== frame.NO_ERROR) {
      return frame.ENHANCE_YOUR_CALM;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.giveBack(size);
      return this.#closed.get(id) === RESET ? this.#spend(USELESS_FRAMES) : frame.STREAM_CLOSED;
    }
    // After its END_STREAM a client has lost count: safer for the connection to end (CVE-2025-8671).
    if (stream.remoteEnded) return frame.STREAM_CLOSED;
    stream.onData(bytes, start, end, size, ended);
    return frame.NO_ERROR;
  }

  #isIdle(id: number): boolean {
    return id > this.#lastId || (id & 1) === 0;
  }

  onBlockOpen(): void {
    this.#rearm();
  }

  /** A whole header block: trailers, or a request. */
  onBlock(
    id: number,
    ended: boolean,
    selfDependent: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): number {
    const stream = this.streams.get(id);
    const { fields } = this;
    fields.begin(stream !== undefined);
    // Also what is not wanted is decoded: the tables must stay in step.
    if (!this.#decoder.decode(bytes, start, end, fields)) {
      return fields.overflowed ? frame.ENHANCE_YOUR_CALM : frame.COMPRESSION_ERROR;
    }
    if (stream !== undefined) return this.#onTrailers(stream, ended);
    if (id <= this.#lastId) {
      const how = this.#closed.get(id);
      if (how === RESET) return this.#spend(USELESS_FRAMES);
      return how === ENDED ? frame.STREAM_CLOSED : frame.PROTOCOL_ERROR;
    }
    this.#lastId = id;
    if (id > this.#servedId) return this.#spend(USELESS_FRAMES);
    if (selfDependent) return frame.PROTOCOL_ERROR;
    const { counters } = this.listener.dataplane.stats;
    if (this.streams.size >= this.listener.dataplane.config.limits.http2ConcurrentStreams) {
      counters['limit_hits_total:http2_streams']++;
      return this.#refuse(id, frame.REFUSED_STREAM);
    }
    if (this.stream.blocked && ++this.#unread > MOST_UNREAD) return frame.ENHANCE_YOUR_CALM;
    const verdict = fields.finish(ended);
    if (verdict < FINE) return this.#refuseMalformed(id);
    if (verdict === 431) counters['limit_hits_total:request_head']++;
    if (verdict === 414) counters['limit_hits_total:request_line']++;
    startRequest(this, id, ended, verdict);
    this.requests++;
    if (this.requests >= this.listener.dataplane.config.limits.requestsPerConnection) this.drain();
    return frame.NO_ERROR;
  }

  #onTrailers(stream: Http2Stream, ended: boolean): number {
    if (stream.remoteEnded) return frame.STREAM_CLOSED;
    const verdict = this.fields.finishTrailers();
    if (!ended || verdict < FINE) this.malformed(stream);
    else if (verdict !== FINE) {
      stream.remoteEnded = true;
      stream.exchange?.onRequestBroken(verdict, 'trailers-limit');
    } else stream.onRemoteEnd(this.fields.trailers);
    return frame.NO_ERROR;
  }

  onPriority(): number {
    return this.#spend(PRIORITIES);
  }

  onReset(id: number): number {
    if (this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#spend(USELESS_FRAMES);
    this.#drop(stream, ENDED);
    stream.exchange?.onDownstreamClosed('client-closed');
    return this.#spend(RESETS);
  }

  onSettings(bytes: Buffer, start: number, end: number): number {
    const settings = this.peerSettings;
    const before = settings.initialWindow;
    const code = readSettings(bytes, start, end, settings);
    if (code !== frame.NO_ERROR) return code;
    if (settings.smallTable) this.#tableUpdate = NO_TABLE;
    const change = settings.initialWindow - before;
    // A window may become negative by this (RFC 9113 6.9.2).
    for (const stream of this.streams.values()) {
      if (!stream.out.widen(change)) return frame.FLOW_CONTROL_ERROR;
    }
    this.stream.write(frame.SETTINGS_ACK);
    if (!this.#begun) {
      this.#begun = true;
      this.#rearm();
    }
    if (change > 0) this.flow.pump();
    return this.#spend(SETTINGS_CHANGES);
  }

  onSettingsAck(): number {
    return this.#spend(SETTINGS_CHANGES);
  }

  onPing(isAnswer: boolean, data: string): number {
    if (!isAnswer) this.stream.write(frame.pingFrame(frame.ACK, data));
    else if (this.#state === GOING && data === GOING_PING) this.#lastWord();
    return this.#spend(PINGS);
  }

  onGoaway(): number {
    // It opens no more streams; what runs is finished.
    if (this.#state < GONE) this.#lastWord();
    return this.#spend(USELESS_FRAMES);
  }

  onWindowUpdate(id: number, increment: number): number {
    if (id !== 0 && this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    // Also for one stream it ends the connection, or it would be a cheap way to have streams reset (CVE-2025-8671).
    if (increment === 0) return frame.PROTOCOL_ERROR;
    if (id === 0) {
      if (!this.flow.widen(increment)) return frame.FLOW_CONTROL_ERROR;
    } else {
      const stream = this.streams.get(id);
      if (stream?.out.widen(increment) === false) this.resetStream(stream, frame.FLOW_CONTROL_ERROR);
    }
    this.flow.pump();
    return this.#spend(WINDOW_UPDATES);
  }

  onUseless(): number {
    return this.#spend(USELESS_FRAMES);
  }

  onConnectionError(code: number): void {
    this.fail(code);
  }

  // ── streams ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A request begins; the last stream to be opened. */
  addStream(stream: Http2Stream): void {
    this.streams.set(stream.id, stream);
    this.#rearm();
  }

  /** Both sides have ended. */
  closeStream(stream: Http2Stream): void {
    this.guard.completed();
    this.#drop(stream, ENDED);
  }

  /** The response is complete; the client is told not to send the rest of its request. */
  stopStream(stream: Http2Stream): void {
    this.#drop(stream, RESET);
    this.stream.write(frame.rstStreamFrame(stream.id, frame.NO_ERROR));
  }

  /** The response broke off at the backend: nothing that the client did. */
  cutStream(stream: Http2Stream, code: number): void {
    this.#drop(stream, RESET);
    this.stream.write(frame.rstStreamFrame(stream.id, code));
  }

  /** Ends a stream on our side, which is charged to the client. */
  resetStream(stream: Http2Stream, code: number): void {
    this.abortStream(stream, code, 'stream-error');
  }

  /** The request is not what it says it is (RFC 9113 8.1.1). */
  malformed(stream: Http2Stream): void {
    this.abortStream(stream, frame.PROTOCOL_ERROR, 'bad-request');
  }

  /** As {@link resetStream}, with the reason for the log. */
  abortStream(stream: Http2Stream, code: number, reason: string): void {
    if (stream.closed) return;
    this.#drop(stream, RESET);
    this.stream.write(frame.rstStreamFrame(stream.id, code));
    stream.exchange?.onDownstreamClosed(reason);
    if (this.#spend(RESETS) !== frame.NO_ERROR) this.fail(frame.ENHANCE_YOUR_CALM);
  }

  /** Refuses what did not become a stream. */
  #refuse(id: number, code: number): number {
    this.#closed.add(id, RESET);
    this.stream.write(frame.rstStreamFrame(id, code));
    return this.#spend(RESETS);
  }

  #refuseMalformed(id: number): number {
    noteRefusal(this.listener.dataplane, this.peer.address, requestId(), 400, 0, 'HTTP/2.0');
    return this.#refuse(id, frame.PROTOCOL_ERROR);
  }

  #drop(stream: Http2Stream, how: number): void {
    stream.closed = true;
    this.streams.delete(stream.id);
    this.#closed.add(stream.id, how);
    stream.out.drop();
    this.giveBack(stream.withheld);
    stream.withheld = 0;
    this.listener.dataplane.wheel.remove(stream);
    if (this.streams.size > 0 || this.#state === CLOSING) return;
    if (this.#state === GONE) this.#hangUp();
    else this.#rearm();
  }

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

  writeHeaders(id: number, block: string, flags: number): void {
    if (this.#tableUpdate === '') this.stream.write(frame.headersFrames(id, block, flags));
    else {
      this.stream.write(frame.headersFrames(id, this.#tableUpdate + block, flags));
      this.#tableUpdate = '';
      this.peerSettings.smallTable = false;
    }
  }

  writeWindowUpdate(id: number, increment: number): void {
    this.stream.write(frame.windowUpdateFrame(id, increment));
  }

  /** Received bytes have been passed on: the client may send as many again on the connection. */
  giveBack(size: number): void {
    this.#owed += size;
    if (this.#owed * 2 < this.listener.dataplane.config.limits.http2ConnectionWindow) return;
    if (this.#state === CLOSING) return;
    this.#receiveWindow += this.#owed;
    this.writeWindowUpdate(0, this.#owed);
    this.#owed = 0;
  }

  // ── what the stream tells ───────────────────────────────────────────────────────────────────────────────

  onBlocked(): void {
    this.#unsent = this.stream.unsent;
    this.flow.checkChoke();
    this.#rearm();
  }

  onDrain(): void {
    this.#unread = 0;
    this.flow.pump();
    this.flow.checkChoke();
    this.#rearm();
  }

  /** No request and no window update can follow, so nothing that runs could be counted on to end. */
  onEnd(): void {
    if (this.#state === CLOSING) return;
    this.#endStreams('client-closed');
    this.#hangUp();
  }

  onClose(): void {
    this.#state = CLOSING;
    this.#incoming.stop();
    this.listener.connections.delete(this);
    this.listener.dataplane.wheel.remove(this);
    this.#endStreams('client-closed');
  }

  // ── ending ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Called when a drain begins: two steps, so that no request that is on its way is lost (RFC 9113 6.8). */
  drain(): void {
    if (this.#state !== OPEN) return;
    this.#state = GOING;
    this.stream.write(frame.goawayFrame(frame.MAX_WINDOW, frame.NO_ERROR) + frame.pingFrame(0, GOING_PING));
    const { wheel, config } = this.listener.dataplane;
    wheel.set(this, config.timeouts.drainIdle);
  }

  /** Once told to leave, it is closed when the last stream has ended. */
  get idle(): boolean {
    return false;
  }

  #lastWord(): void {
    this.#state = GONE;
    this.#servedId = this.#lastId;
    this.stream.write(frame.goawayFrame(this.#lastId, frame.NO_ERROR));
    if (this.streams.size === 0) this.#hangUp();
    else this.#rearm();
  }

  /** Ends the connection for what the client did. */
  fail(code: number): void {
    if (this.#state === CLOSING) return;
    const { counters } = this.listener.dataplane.stats;
    if (code === frame.ENHANCE_YOUR_CALM) counters['limit_hits_total:http2_flood']++;
    this.#state = CLOSING;
    this.#endStreams('connection-error');
    this.stream.write(frame.goawayFrame(this.#lastId, code));
    this.#hangUp();
  }

  #endStreams(reason: string): void {
    for (const stream of this.streams.values()) {
      this.#drop(stream, ENDED);
      stream.exchange?.onDownstreamClosed(reason);
    }
  }

  /** Sends what is written, then FIN, and drops what the client still sends for a while. */
  #hangUp(): void {
    this.#state = CLOSING;
    this.#incoming.stop();
    this.stream.end();
    this.listener.dataplane.wheel.set(this, LINGER_MS);
  }

  // ── time ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sets the timer for what is being waited for, if it is the client that has to act. */
  #rearm(): void {
    const { wheel, config } = this.listener.dataplane;
    const { timeouts } = config;
    if (this.#state === CLOSING) return;
    if (this.stream.blocked) wheel.set(this, timeouts.sendIdle);
    else if (!this.#begun || this.#incoming.inBlock) wheel.set(this, timeouts.requestHead);
    else if (this.#state === GOING) wheel.set(this, timeouts.drainIdle);
    else if (this.streams.size === 0) wheel.set(this, timeouts.keepAlive);
    else this.deadline = 0;
  }

  onDeadline(): void {
    const { counters } = this.listener.dataplane.stats;
    if (this.#state === CLOSING) return this.stream.destroy();
    if (this.stream.blocked) return this.#sendTimedOut();
    if (!this.#begun || this.#incoming.inBlock) {
      counters['limit_hits_total:request_head_timeout']++;
      return this.fail(frame.PROTOCOL_ERROR);
    }
    if (this.#state === OPEN) counters['limit_hits_total:keep_alive_timeout']++;
    this.#lastWord();
  }

  /** Nothing left for a while; a reader that took at least something gets another while. */
  #sendTimedOut(): void {
    const { dataplane } = this.listener;
    const { unsent } = this.stream;
    if (unsent < this.#unsent) {
      this.#unsent = unsent;
      return this.#rearm();
    }
    dataplane.stats.counters['limit_hits_total:send_timeout']++;
    this.#state = CLOSING;
    this.#incoming.stop();
    this.#endStreams('send-timeout');
    this.stream.reset();
  }
}
