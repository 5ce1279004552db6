/**
 * One HTTP/2 connection to an endpoint (RFC 9113): carries many exchanges at once, each in a stream. A backend can be
 * hostile too: what it makes us do is bounded like what clients do. Hot path.
 */

import { connectFailure } from '../exchange/connect-failure.ts';
import type { Dataplane } from '../exchange/dataplane.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { UpstreamConnection, UpstreamFailure } from '../exchange/sides.ts';
import type { ResponseHead } from '../message/response-head.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, StreamOwner } from '../transport/stream.ts';
import { tlsFaultOr } from '../transport/tls-fault.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { Http2ClientStream } from './client-stream.ts';
import {
  EMPTY_DATA,
  FloodGuard,
  PINGS,
  PRIORITIES,
  SETTINGS_CHANGES,
  USELESS_FRAMES,
  WINDOW_UPDATES,
} from './flood-guard.ts';
import * as frame from './frames.ts';
import { HpackDecoder } from './hpack-decode.ts';
import { NO_TABLE } from './hpack-encode.ts';
import { type FrameHandler, Incoming } from './incoming.ts';
import { KnownBlocks } from './known-blocks.ts';
import type { Link } from './outgoing-body.ts';
import { defaultPeerSettings, readSettings } from './peer-settings.ts';
import { FINE, ResponseFields } from './response-fields.ts';
import { SendFlow } from './send-flow.ts';
import { SilenceWatch } from './silence-watch.ts';

/** Connecting, or waiting for the backend's SETTINGS. */
const CONNECTING = 0;
const OPEN = 1;
/** Takes no more streams; closes with the last. */
const LEAVING = 2;
const CLOSED = 3;

/** Streams after which a connection is given up, so that load spreads anew. */
const MOST_STREAMS = 1_000_000;
/** Given back as soon as it is passed on, so that no stream waits for the client of another. */
const CONNECTION_WINDOW = 1 << 20;
const LINGER_MS = 2000;
/** From this size on DATA frames are worth large read buffers. */
const BULK_BYTES = 8192;

/** Filled by each block in turn: valid until the next one. */
const fields = new ResponseFields();

export class Http2ClientConnection implements UpstreamConnection, FrameHandler, StreamOwner, Link, Timed {
  readonly dataplane: Dataplane;
  readonly endpoint: Endpoint<UpstreamConnection>;
  readonly stream: ByteStream;
  readonly scheme: 'http' | 'https';
  readonly flow: SendFlow;
  readonly guard: FloodGuard;
  readonly peerSettings = defaultPeerSettings();
  /** What one stream may send us before we have passed it on. */
  readonly streamWindow: number;
  readonly streams = new Map<number, Http2ClientStream>();
  readonly #incoming = new Incoming(this);
  readonly #decoder = new HpackDecoder();
  readonly #knownHeads = new KnownBlocks<ResponseHead>();
  readonly #knownTrailers = new KnownBlocks<string>();
  readonly #silence: SilenceWatch;
  /** Those that began before the connection stood. */
  #waiting: Http2ClientStream[] = [];
  #state = CONNECTING;
  /** It is among the endpoint's connections that can take a request. */
  #listed = false;
  #nextId = 1;
  /** No stream above it is served; told by GOAWAY. */
  #lastId = frame.MAX_WINDOW;
  #receiveWindow = CONNECTION_WINDOW;
  #owed = 0;
  #tableUpdate = '';
  #bulk = false;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(dataplane: Dataplane, endpoint: Endpoint<UpstreamConnection>, connectTimeoutMs: number) {
    const { wheel, transport, config } = dataplane;
    this.dataplane = dataplane;
    this.endpoint = endpoint;
    this.scheme = endpoint.tls === null ? 'http' : 'https';
    this.streamWindow = config.limits.upstreamStreamWindow;
    this.guard = new FloodGuard(wheel.now);
    this.#silence = new SilenceWatch(config.timeouts.upstreamPing, wheel.now);
    endpoint.open++;
    wheel.set(this, connectTimeoutMs);
    this.stream = transport.connect(endpoint, this);
    this.flow = new SendFlow(this.stream, this.streams);
    this.stream.writeOncePerTurn();
  }

  // ── from the pool ───────────────────────────────────────────────────────────────────────────────────────

  get connected(): boolean {
    return this.#state !== CONNECTING;
  }

  get busy(): boolean {
    return this.#load > 0;
  }

  get #load(): number {
    return this.streams.size + this.#waiting.length;
  }

  /** Called for a new connection, or one that the endpoint lists as ready. */
  take(exchange: Exchange): Http2ClientStream {
    const stream = new Http2ClientStream(this, exchange);
    // One that stands opens its stream within this turn: `openStream` counts it.
    if (this.#state === CONNECTING) {
      this.#waiting.push(stream);
      this.#list();
    }
    return stream;
  }

  retire(): void {
    if (this.#state === CLOSED) return;
    if (this.#state === OPEN) this.#state = LEAVING;
    this.#list();
    if (this.#load === 0) this.#close(frame.NO_ERROR);
  }

  /** Puts itself in or out of the endpoint's list. */
  #list(): void {
    const { endpoint } = this;
    const ready = this.#state < LEAVING && !endpoint.draining && this.#load < this.#limit();
    if (ready === this.#listed) return;
    this.#listed = ready;
    const list = endpoint.ready;
    if (ready) {
      list.push(this);
      return;
    }
    const i = list.lastIndexOf(this);
    if (i >= 0) list.splice(i, 1);
  }

  /** Streams at a time. */
  #limit(): number {
    const most = this.#state === CONNECTING ? this.endpoint.streamLimit : this.peerSettings.maxStreams;
    return Math.min(most, this.dataplane.config.limits.upstreamStreams);
  }

  // ── streams ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends the head of a stream. `flags` is END_STREAM or 0. */
  openStream(stream: Http2ClientStream, block: string, flags: number): void {
    stream.id = this.#nextId;
    this.#nextId += 2;
    if (this.streams.size === 0) this.#watch();
    this.streams.set(stream.id, stream);
    if (this.#nextId > 2 * MOST_STREAMS && this.#state === OPEN) this.#state = LEAVING;
    this.#list();
    this.writeHeaders(stream.id, block, flags);
  }

  /** The stream has ended, whichever way. */
  closeStream(stream: Http2ClientStream): void {
    if (stream.closed) return;
    stream.closed = true;
    stream.out.drop();
    this.dataplane.wheel.remove(stream);
    if (stream.id === 0) this.#forgetWaiting(stream);
    else this.streams.delete(stream.id);
    if (this.#state === CLOSED) return;
    this.guard.completed();
    if (this.#state === OPEN && this.endpoint.draining) this.#state = LEAVING;
    if (this.#load === 0) this.#onIdle();
    this.#list();
  }

  /** Ends the stream on our side. */
  resetStream(stream: Http2ClientStream, code: number): void {
    if (stream.closed) return;
    if (stream.id !== 0 && this.#state !== CLOSED) this.stream.write(frame.rstStreamFrame(stream.id, code));
    this.closeStream(stream);
  }

  #forgetWaiting(stream: Http2ClientStream): void {
    const i = this.#waiting.indexOf(stream);
    if (i >= 0) this.#waiting.splice(i, 1);
  }

  #onIdle(): void {
    if (this.#state === LEAVING || (this.#state === OPEN && this.endpoint.draining))
      return this.#close(frame.NO_ERROR);
    if (this.#state !== OPEN) return;
    if (this.#bulk) {
      this.#bulk = false;
      this.stream.expectBulk(false);
    }
    this.dataplane.wheel.set(this, this.dataplane.config.timeouts.upstreamIdle);
  }

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

  writeHeaders(id: number, block: string, flags: number): void {
    if (this.#tableUpdate === '') return this.stream.write(frame.headersFrames(id, block, flags));
    this.stream.write(frame.headersFrames(id, this.#tableUpdate + block, flags));
    this.#tableUpdate = '';
    this.peerSettings.smallTable = false;
  }

  writeWindowUpdate(id: number, increment: number): void {
    if (this.#state !== CLOSED) this.stream.write(frame.windowUpdateFrame(id, increment));
  }

  // ── what the stream tells ───────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    const { limits } = this.dataplane.config;
    const { stream } = this;
    stream.write(PREFACE);
    stream.write(
      frame.settingsFrame([
        [frame.SETTINGS_ENABLE_PUSH, 0],
        [frame.SETTINGS_INITIAL_WINDOW_SIZE, this.streamWindow],
        [frame.SETTINGS_MAX_HEADER_LIST_SIZE, limits.responseHeadBytes],
      ]),
    );
    stream.write(frame.windowUpdateFrame(0, CONNECTION_WINDOW - frame.DEFAULT_WINDOW));
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#silence.heard(this.dataplane.wheel.now);
    this.#incoming.feed(bytes, start, end);
  }

  onBlocked(): void {
    this.flow.checkChoke();
  }

  onDrain(): void {
    this.flow.pump();
    this.flow.checkChoke();
  }

  onEnd(): void {
    this.#lose('closed');
  }

  onClose(error: string | null): void {
    this.#lose(tlsFaultOr(error, 'closed'), connectFailure(error));
    this.dataplane.wheel.remove(this);
  }

  // ── frames ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes a token for something cheap. */
  #spend(kind: number): number {
    return this.guard.allows(kind, this.dataplane.wheel.now) ? frame.NO_ERROR : frame.ENHANCE_YOUR_CALM;
  }

  /** No stream of this number was ever opened. */
  #isIdle(id: number): boolean {
    return id >= this.#nextId || (id & 1) === 0;
  }

  onDataFrame(id: number, bytes: Buffer, start: number, end: number, size: number, ended: boolean): number {
    if (this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    this.#silence.active();
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) return frame.FLOW_CONTROL_ERROR;
    this.#giveBack(size);
    if (end === start && !ended && this.#spend(EMPTY_DATA) !== frame.NO_ERROR) return frame.ENHANCE_YOUR_CALM;
    const stream = this.streams.get(id);
    // One that we reset: what was on its way comes still.
    if (stream === undefined) return this.#spend(USELESS_FRAMES);
    if (stream.remoteEnded) return frame.STREAM_CLOSED;
    if (size >= BULK_BYTES && !this.#bulk) {
      this.#bulk = true;
      this.stream.expectBulk(true);
    }
    stream.onData(bytes, start, end, size, ended);
    return frame.NO_ERROR;
  }

  #giveBack(size: number): void {
    this.#owed += size;
    if (this.#owed * 2 < CONNECTION_WINDOW) return;
    this.#receiveWindow += this.#owed;
    this.writeWindowUpdate(0, this.#owed);
    this.#owed = 0;
  }

  onBlock(id: number, ended: boolean, _self: boolean, bytes: Buffer, start: number, end: number): number {
    if (this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    this.#silence.active();
    const { limits } = this.dataplane.config;
    const stream = this.streams.get(id);
    const inTrailers = stream?.inBody === true;
    const { version } = this.#decoder;
    const text = bytes.latin1Slice(start, end);
    if (stream !== undefined && !stream.remoteEnded && this.#isKnown(stream, inTrailers, text, ended)) {
      return frame.NO_ERROR;
    }
    fields.begin(inTrailers, limits);
    // Also what is not wanted is decoded: the tables must stay in step.
    if (!this.#decoder.decode(bytes, start, end, fields)) {
      return fields.overflowed ? frame.ENHANCE_YOUR_CALM : frame.COMPRESSION_ERROR;
    }
    if (stream === undefined) return this.#spend(USELESS_FRAMES);
    if (stream.remoteEnded) return frame.STREAM_CLOSED;
    const verdict = fields.finish();
    if (verdict !== FINE) {
      if (fields.tooLarge) this.dataplane.stats.counters['limit_hits_total:response_head']++;
      stream.malformed();
      return frame.NO_ERROR;
    }
    if (version === this.#decoder.version) this.#note(inTrailers, text, version);
    if (inTrailers) endResponse(stream, fields.trailers, ended);
    else stream.onHead(fields.head, ended);
    return frame.NO_ERROR;
  }

  /** Takes a block that came before without decoding it; it would not change the table. */
  #isKnown(stream: Http2ClientStream, inTrailers: boolean, text: string, ended: boolean): boolean {
    const { version } = this.#decoder;
    if (inTrailers) {
      const trailers = this.#knownTrailers.get(text, version);
      if (trailers === undefined) return false;
      endResponse(stream, trailers, ended);
      return true;
    }
    const head = stream.wantsTunnel ? undefined : this.#knownHeads.get(text, version);
    if (head === undefined) return false;
    stream.onHead(head, ended);
    return true;
  }

  #note(inTrailers: boolean, text: string, version: number): void {
    if (inTrailers) {
      if (this.#knownTrailers.isWorthKeeping(text, version)) this.#knownTrailers.add(text, fields.trailers);
    } else if (this.#knownHeads.isWorthKeeping(text, version)) {
      this.#knownHeads.add(text, fields.copyOfHead());
    }
  }

  onBlockOpen(): void {}

  onPriority(): number {
    return this.#spend(PRIORITIES);
  }

  onReset(id: number, code: number): number {
    if (this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#spend(USELESS_FRAMES);
    stream.onReset(code, code === frame.REFUSED_STREAM);
    return frame.NO_ERROR;
  }

  onSettings(bytes: Buffer, start: number, end: number): number {
    const settings = this.peerSettings;
    const before = settings.initialWindow;
    const couldConnect = settings.connectProtocol;
    const code = readSettings(bytes, start, end, settings);
    if (code !== frame.NO_ERROR) return code;
    // What was offered cannot be taken back (RFC 8441 3).
    if (couldConnect && !settings.connectProtocol) return frame.PROTOCOL_ERROR;
    if (settings.smallTable) this.#tableUpdate = NO_TABLE;
    const change = settings.initialWindow - before;
    for (const stream of this.streams.values()) {
      if (!stream.out.widen(change)) return frame.FLOW_CONTROL_ERROR;
    }
    this.stream.write(frame.SETTINGS_ACK);
    if (change > 0) this.flow.pump();
    if (this.#state === CONNECTING) this.#onStanding();
    else this.#list();
    this.#offerRoom();
    return this.#spend(SETTINGS_CHANGES);
  }

  onSettingsAck(): number {
    return this.#spend(SETTINGS_CHANGES);
  }

  onPing(isAnswer: boolean, data: string): number {
    if (!isAnswer) this.stream.write(frame.pingFrame(frame.ACK, data));
    return this.#spend(PINGS);
  }

  /** Streams above `lastId` were not looked at: they are safe to send again (RFC 9113 6.8). */
  onGoaway(lastId: number, _code: number): number {
    if (this.#state === CONNECTING) return frame.PROTOCOL_ERROR;
    this.#lastId = Math.min(this.#lastId, lastId);
    this.#state = LEAVING;
    this.#list();
    for (const stream of this.streams.values()) {
      if (stream.id > this.#lastId) stream.onConnectionLost('going-away', false);
    }
    if (this.#load === 0) this.#close(frame.NO_ERROR);
    return this.#spend(USELESS_FRAMES);
  }

  onWindowUpdate(id: number, increment: number): number {
    if (id !== 0 && this.#isIdle(id)) return frame.PROTOCOL_ERROR;
    if (increment === 0) return frame.PROTOCOL_ERROR;
    if (id === 0) {
      if (!this.flow.widen(increment)) return frame.FLOW_CONTROL_ERROR;
    } else if (this.streams.get(id)?.out.widen(increment) === false) return frame.FLOW_CONTROL_ERROR;
    this.flow.pump();
    return this.#spend(WINDOW_UPDATES);
  }

  onUseless(): number {
    return this.#spend(USELESS_FRAMES);
  }

  // ── beginning and ending ────────────────────────────────────────────────────────────────────────────────

  /** The backend's SETTINGS are here: what waited begins. */
  #onStanding(): void {
    const { endpoint } = this;
    this.#state = OPEN;
    endpoint.streamLimit = this.peerSettings.maxStreams;
    const waiting = this.#waiting;
    this.#waiting = [];
    const limit = this.#limit();
    for (const [i, stream] of waiting.entries()) {
      if (stream.closed) continue;
      if (i < limit && this.#state === OPEN) stream.onConnected();
      else stream.onConnectionLost('going-away', false);
    }
    if (this.#load === 0) this.#onIdle();
    this.#list();
  }

  /** Lets requests begin that wait for a connection. */
  #offerRoom(): void {
    for (let room = this.#limit() - this.#load; room > 0 && this.#listed; room--) {
      if (!this.endpoint.wake()) return;
    }
  }

  /** The connection broke: `failure` is for streams without a part of a response, the other for those that waited. */
  #lose(failure: UpstreamFailure, connecting: UpstreamFailure = 'connect-failed'): void {
    if (this.#state === CLOSED) return;
    const { counters } = this.dataplane.stats;
    const stood = this.#state !== CONNECTING;
    if (!stood) counters.upstream_connection_failures_total++;
    this.stream.destroy();
    this.#end(stood ? failure : this.#incoming.settingsSeen ? 'closed' : connecting);
  }

  /** The backend broke the protocol, or does not speak it. */
  onConnectionError(code: number): void {
    const spoke = this.#incoming.settingsSeen;
    if (spoke) this.stream.write(frame.goawayFrame(0, code));
    this.stream.destroyAfterFlush();
    this.#end(spoke ? 'bad-response' : 'not-http2');
  }

  /** Nothing runs: says good-bye and closes. */
  #close(code: number): void {
    if (this.#state === CLOSED) return;
    if (this.#incoming.settingsSeen) this.stream.write(frame.goawayFrame(0, code));
    this.stream.destroyAfterFlush();
    this.#end('closed');
  }

  #end(failure: UpstreamFailure): void {
    this.#state = CLOSED;
    this.#incoming.stop();
    this.#list();
    // What is written last may leave for a moment.
    this.dataplane.wheel.set(this, LINGER_MS);
    const { endpoint } = this;
    endpoint.open--;
    // One loss counts once against the endpoint, however many streams it cost.
    let blame = true;
    const streams = [...this.#waiting, ...this.streams.values()];
    this.#waiting = [];
    for (const stream of streams) {
      if (stream.closed) continue;
      stream.onConnectionLost(failure, blame);
      blame = false;
    }
    endpoint.wake();
  }

  // ── time ────────────────────────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    const { wheel } = this.dataplane;
    wheel.set(this, this.#silence.begin(wheel.now));
  }

  onDeadline(): void {
    const { wheel, stats } = this.dataplane;
    if (this.#state === CLOSED) return this.stream.destroy();
    if (this.#state === CONNECTING) {
      stats.counters['limit_hits_total:connect_timeout']++;
      stats.counters.upstream_connection_failures_total++;
      this.stream.destroy();
      return this.#end('connect-timeout');
    }
    if (this.#load === 0) return this.#close(frame.NO_ERROR);
    const wait = this.#silence.check(wheel.now);
    if (wait === SilenceWatch.DEAD) {
      stats.counters['limit_hits_total:upstream_ping_timeout']++;
      return this.#lose('closed');
    }
    if (wait === SilenceWatch.ASK) {
      this.stream.write(frame.pingFrame(0, PING_DATA));
      wheel.set(this, this.#silence.asked(wheel.now));
    } else wheel.set(this, wait);
  }
}

/** Trailers end a response, or they are none. */
function endResponse(stream: Http2ClientStream, trailers: string, ended: boolean): void {
  if (ended) stream.onTrailers(trailers);
  else stream.malformed();
}

const PREFACE = frame.PREFACE.toString('latin1');
const PING_DATA = 'tidegate';

/** Opens a connection to an endpoint and begins a stream for the exchange on it. */
export function connectHttp2(
  dataplane: Dataplane,
  endpoint: Endpoint<UpstreamConnection>,
  exchange: Exchange,
): Http2ClientStream {
  const { connectTimeoutMs } = exchange.route!.policy;
  return new Http2ClientConnection(dataplane, endpoint, connectTimeoutMs).take(exchange);
}
