/** An HTTP/2 backend of the simulation: keeps strict count of windows and streams, and answers in one of many ways. */
import assert from 'node:assert/strict';
import type { Field } from '../../src/dataplane/http2/field.ts';
import { FrameReader, OK } from '../../src/dataplane/http2/frame-reader.ts';
import * as frame from '../../src/dataplane/http2/frames.ts';
import { HpackDecoder } from '../../src/dataplane/http2/hpack-decode.ts';
import { encodeBlock, type Fields } from '../kit/h2-client.ts';
import type { MemoryPeer, Step } from '../kit/memory-transport.ts';
import type { Mood } from './fake-backend.ts';
import { patternOf } from './fake-client.ts';
import type { Random } from './random.ts';

/** One request, as the backend saw it. */
export interface Http2Request {
  readonly fields: ReadonlyMap<string, readonly string[]>;
  readonly tag: string;
  body: string;
  complete: boolean;
  trailers: Fields;
  /** The backend said that it did nothing with it. */
  undone: boolean;
  reset: boolean;
}

interface Stream {
  readonly request: Http2Request;
  /** Parts of the answer that are still to be sent. */
  acts: (() => void)[];
  window: number;
  /** What the proxy may still send. */
  granted: number;
  owed: number;
  answered: boolean;
  closed: boolean;
}

/** SETTINGS a backend may announce. */
interface Announced {
  readonly streams: number;
  readonly window: number;
}

export class FakeHttp2Backend {
  readonly peer: MemoryPeer;
  readonly requests: Http2Request[] = [];
  readonly #random: Random;
  readonly #mood: Mood;
  readonly #note: (tag: string) => void;
  readonly #announced: Announced;
  readonly #reader = new FrameReader();
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, Stream>();
  #read = 0;
  #began = false;
  #stalled = false;
  #misbehaved = false;
  #lastId = 0;
  #goneAbove = frame.MAX_WINDOW;
  #granted = frame.DEFAULT_WINDOW;
  #owed = 0;
  #window = frame.DEFAULT_WINDOW;
  #initialWindow = frame.DEFAULT_WINDOW;

  constructor(random: Random, peer: MemoryPeer, mood: Mood, note: (tag: string) => void) {
    this.#random = random;
    this.peer = peer;
    this.#mood = mood;
    this.#note = note;
    this.#announced = {
      streams: random.pick([1, 2, 5, 100]),
      window: random.pick([1000, frame.DEFAULT_WINDOW, 200_000]),
    };
    if (random.chance(mood.deaf)) {
      if (random.chance(0.5)) peer.refusal = 'ECONNREFUSED';
      else peer.accepting = false;
    }
    if (random.chance(mood.lazy)) peer.window = 0;
  }

  steps(out: Step[]): void {
    const { peer } = this;
    if (peer.dead || this.#stalled || !peer.accepting) return;
    if (!this.#began) out.push({ what: 'backend begins', run: () => this.#begin() });
    if (peer.window < 100_000) {
      out.push({ what: 'backend takes', run: () => peer.open(this.#random.size(50_000)) });
    }
    if (this.#read < peer.receivedBytes) out.push({ what: 'backend reads', run: () => this.#readAll() });
    for (const [id, stream] of this.#streams) {
      if (this.#began && this.#maySend(stream))
        out.push({ what: `backend answers ${id}`, run: () => this.#act(id) });
    }
    if (this.#owed > 0) out.push({ what: 'backend opens windows', run: () => this.#openWindows() });
    if (this.#random.chance(0.01)) out.push({ what: 'backend says goodbye', run: () => this.#goAway() });
    if (this.#mood.kind) return;
    if (this.#random.chance(0.004)) out.push({ what: 'backend leaves', run: () => this.#leave() });
    if (this.#random.chance(this.#mood.bad / 50)) {
      out.push({ what: 'backend misbehaves', run: () => this.peer.send(this.#nonsense()) });
    }
  }

  /** From now on nothing is held back. */
  hurry(): void {
    const { peer } = this;
    if (peer.dead || this.#stalled) return;
    peer.accepting = true;
    peer.open(1e9);
    if (!this.#began) this.#begin();
    this.#readAll();
    if (this.#owed > 0) this.#openWindows();
    for (const [id, stream] of this.#streams) {
      while (this.#maySend(stream) && !peer.dead && !this.#stalled) this.#act(id);
    }
  }

  #begin(): void {
    this.#began = true;
    const { streams, window } = this.#announced;
    this.peer.send(
      frame.settingsFrame([
        [frame.SETTINGS_MAX_CONCURRENT_STREAMS, streams],
        [frame.SETTINGS_INITIAL_WINDOW_SIZE, window],
      ]),
    );
  }

  #readAll(): void {
    if (!this.#began) this.#begin();
    const text = this.peer.text();
    const { length } = frame.PREFACE;
    if (text.length < length) {
      assert.equal(text, frame.PREFACE.toString('latin1').slice(0, text.length), 'the preface');
      return;
    }
    const from = Math.max(this.#read, length);
    this.#read = text.length;
    const bytes = Buffer.from(text.slice(from), 'latin1');
    const verdict = this.#reader.feed(bytes, 0, bytes.length, {
      onFrame: (type, flags, id, part, start, end) => {
        this.#onFrame(type, flags, id, part.subarray(start, end));
        return true;
      },
    });
    assert.equal(verdict, OK, 'frames of the proxy');
  }

  #onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    const ended = (flags & frame.END_STREAM) !== 0;
    switch (type) {
      case frame.HEADERS:
        return this.#onHeaders(id, payload, ended);
      case frame.DATA:
        return this.#onData(id, payload, ended);
      case frame.RST_STREAM: {
        const stream = this.#streams.get(id);
        if (stream === undefined) return;
        stream.closed = true;
        stream.request.reset = true;
        this.#streams.delete(id);
        return;
      }
      case frame.SETTINGS:
        if ((flags & frame.ACK) === 0) this.#onSettings(payload);
        return;
      case frame.WINDOW_UPDATE: {
        const more = payload.readUInt32BE(0);
        const stream = this.#streams.get(id);
        if (id === 0) this.#window += more;
        else if (stream !== undefined) stream.window += more;
        return;
      }
      case frame.PING:
        if ((flags & frame.ACK) === 0) this.peer.send(frame.pingFrame(frame.ACK, payload.toString('latin1')));
        return;
      default:
        assert.equal(type, frame.GOAWAY, 'a frame that clients send');
    }
  }

  #onSettings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== frame.SETTINGS_INITIAL_WINDOW_SIZE) continue;
      this.#initialWindow = payload.readUInt32BE(at + 2);
    }
    this.peer.send(frame.SETTINGS_ACK);
  }

  #onHeaders(id: number, payload: Buffer, ended: boolean): void {
    const decoded: (readonly [string, string])[] = [];
    const sink = {
      onField: ({ name, value }: Field) => {
        decoded.push([name, value]);
        return true;
      },
    };
    assert.ok(this.#decoder.decode(payload, 0, payload.length, sink), 'a header block');
    const known = this.#streams.get(id);
    if (known !== undefined) {
      assert.ok(ended, 'trailers end the request');
      known.request.trailers = decoded;
      known.request.complete = true;
      return this.#onRequestEnd(id, known);
    }
    if (id <= this.#lastId) return;
    assert.equal(id & 1, 1, 'a stream of a client');
    this.#lastId = id;
    const fields = new Map<string, string[]>();
    for (const [name, value] of decoded) fields.set(name, [...(fields.get(name) ?? []), value]);
    const tag = fields.get('x-tag')?.[0] ?? '';
    const undone = id > this.#goneAbove;
    const request = { fields, tag, body: '', complete: ended, trailers: [], undone, reset: false };
    this.requests.push(request);
    if (undone) return;
    const { window } = this.#announced;
    const stream: Stream = {
      request,
      acts: [],
      window: this.#initialWindow,
      granted: window,
      owed: 0,
      answered: false,
      closed: false,
    };
    this.#streams.set(id, stream);
    const open = [...this.#streams.values()].filter((one) => !one.closed).length;
    // One that resets streams and opens windows at random has lost count itself.
    assert.ok(
      this.#misbehaved || open <= this.#announced.streams,
      `${open} streams of ${this.#announced.streams}`,
    );
    if (!this.#mood.kind && this.#random.chance(0.1)) return this.#refuse(id, stream);
    if (ended) this.#onRequestEnd(id, stream);
    else if (this.#random.chance(this.#mood.early)) this.#answer(id, stream);
  }

  #refuse(id: number, stream: Stream): void {
    stream.request.undone = true;
    this.#close(id, stream);
    this.peer.send(frame.rstStreamFrame(id, frame.REFUSED_STREAM));
  }

  #onData(id: number, payload: Buffer, ended: boolean): void {
    this.#granted -= payload.length;
    this.#owed += payload.length;
    assert.ok(this.#misbehaved || this.#granted >= 0, 'more than the connection takes');
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.granted -= payload.length;
    stream.owed += payload.length;
    assert.ok(this.#misbehaved || stream.granted >= 0, `more than stream ${id} takes`);
    assert.ok(!stream.request.complete, 'nothing follows END_STREAM');
    stream.request.body += payload.toString('latin1');
    if (!ended) return;
    stream.request.complete = true;
    this.#onRequestEnd(id, stream);
  }

  #onRequestEnd(id: number, stream: Stream): void {
    if (!stream.answered) this.#answer(id, stream);
  }

  #openWindows(): void {
    this.peer.send(frame.windowUpdateFrame(0, this.#owed));
    this.#granted += this.#owed;
    this.#owed = 0;
    for (const [id, stream] of this.#streams) {
      if (stream.owed === 0 || stream.request.complete) continue;
      this.peer.send(frame.windowUpdateFrame(id, stream.owed));
      stream.granted += stream.owed;
      stream.owed = 0;
    }
  }

  // ── answering ───────────────────────────────────────────────────────────────────────────────────────────

  #maySend(stream: Stream): boolean {
    return stream.acts.length > 0 && stream.window > 0 && this.#window > 0;
  }

  #act(id: number): void {
    this.#streams.get(id)?.acts.shift()?.();
  }

  #answer(id: number, stream: Stream): void {
    const { tag, fields } = stream.request;
    const random = this.#random;
    stream.answered = true;
    this.#note(tag);
    const length = random.chance(0.15) ? random.int(20_000, 30_000) : random.size(3000);
    const none = fields.get(':method')?.[0] === 'HEAD';
    const status = random.chance(0.1) ? '204' : '200';
    const empty = none || status === '204' || random.chance(0.1);
    const told: (readonly [string, string])[] = [
      [':status', status],
      ['x-tag', tag],
      ['x-length', String(empty && !none ? 0 : length)],
    ];
    if (!empty && random.chance(0.5)) told.push(['content-length', String(length)]);
    if (random.chance(0.1)) {
      stream.acts.push(() =>
        this.#headers(
          id,
          [
            [':status', '103'],
            ['x-tag', tag],
          ],
          0,
        ),
      );
    }
    stream.acts.push(() => {
      this.#headers(id, told, empty ? frame.END_STREAM : 0);
      if (empty) this.#finish(id, stream);
    });
    if (!empty) this.#bodyActs(id, stream, patternOf(`a${tag}`, length));
    if (random.chance(this.#mood.bad)) this.#spoil(id, stream);
  }

  #bodyActs(id: number, stream: Stream, body: string): void {
    let at = 0;
    const trailers = this.#random.chance(0.3);
    const send = (): void => {
      const most = Math.min(stream.window, this.#window, body.length - at, this.#random.size(16_384));
      const part = body.slice(at, at + most);
      at += part.length;
      stream.window -= part.length;
      this.#window -= part.length;
      const last = at === body.length;
      const flags = last && !trailers ? frame.END_STREAM : 0;
      this.peer.send(frame.frameHead(part.length, frame.DATA, flags, id) + part);
      if (!last) stream.acts.unshift(send);
      else if (trailers) this.#headers(id, [['x-sum', 'y']], frame.END_STREAM);
      if (last) this.#finish(id, stream);
    };
    stream.acts.push(send);
  }

  #headers(id: number, fields: Fields, flags: number): void {
    const block = encodeBlock(fields);
    this.peer.send(frame.headersFrames(id, block, flags));
  }

  /** The answer is sent; a request that is not here whole is not wanted any more. */
  #finish(id: number, stream: Stream): void {
    if (!stream.request.complete) this.peer.send(frame.rstStreamFrame(id, frame.NO_ERROR));
    this.#close(id, stream);
  }

  #close(id: number, stream: Stream): void {
    stream.closed = true;
    stream.acts = [];
    this.#streams.delete(id);
  }

  /** Makes the answer one that no backend should give. */
  #spoil(id: number, stream: Stream): void {
    const random = this.#random;
    const { tag } = stream.request;
    const at = random.int(0, stream.acts.length - 1);
    const deeds: readonly (() => void)[] = [
      () => this.#leave(),
      () => {
        this.peer.send(frame.rstStreamFrame(id, random.pick([0, 2, 8, 11])));
        this.#close(id, stream);
      },
      () => {
        this.#headers(
          id,
          [
            [':status', '200'],
            ['x-tag', tag],
            ['content-length', '5'],
          ],
          frame.END_STREAM,
        );
        this.#close(id, stream);
      },
      () => this.#headers(id, [['x-tag', tag]], 0),
      () =>
        this.#headers(
          id,
          [
            [':status', '101'],
            ['x-tag', tag],
          ],
          0,
        ),
      () =>
        this.#headers(
          id,
          [
            [':status', '200'],
            ['Connection', 'close'],
          ],
          0,
        ),
      () =>
        this.#headers(
          id,
          [
            [':status', '200'],
            ['x-big', 'b'.repeat(70_000)],
          ],
          0,
        ),
      () => this.peer.send(this.#nonsense()),
      // Silence.
      () => {
        stream.acts = [];
      },
    ];
    stream.acts.splice(at, random.int(0, 1), random.pick(deeds));
  }

  #nonsense(): string {
    this.#misbehaved = true;
    const random = this.#random;
    const id = random.pick([0, 1, 2, this.#lastId, this.#lastId + 2]);
    return random.pick([
      frame.windowUpdateFrame(id, random.pick([0, 1, 0x7fff_ffff])),
      frame.rstStreamFrame(id, random.int(0, 13)),
      `${frame.frameHead(4, frame.PUSH_PROMISE, 4, 1)}\0\0\0\x02`,
      `${frame.frameHead(5, frame.HEADERS, 4, id)}\xff\xff\xff\xff\xff`,
      frame.frameHead(0, 10, 0, 0),
      frame.frameHead(20_000, frame.DATA, 0, id),
      frame.pingFrame(0, '12345678'),
      frame.settingsFrame([[frame.SETTINGS_MAX_CONCURRENT_STREAMS, 0]]),
    ]);
  }

  /** In peace: what is here is still answered. */
  #goAway(): void {
    if (!this.#began || this.#goneAbove !== frame.MAX_WINDOW) return;
    // Who has bodies to send again may be asked to; kind backends spare them that.
    this.#goneAbove = this.#mood.kind ? frame.MAX_WINDOW : this.#lastId;
    this.peer.send(frame.goawayFrame(this.#goneAbove, frame.NO_ERROR));
  }

  #leave(): void {
    const how = this.#random.int(0, 3);
    if (how === 0) this.peer.end();
    else if (how === 1) this.peer.close();
    else if (how === 2) this.peer.reset();
    else this.#stalled = true;
  }
}
