/** A backend of the simulation: reads strictly and answers in one of many ways, piece by piece. */
import assert from 'node:assert/strict';
import type { MemoryPeer, Step } from '../kit/memory-transport.ts';
import { chunkedText, patternOf } from './fake-client.ts';
import type { Random } from './random.ts';
import { readStrictRequest, type StrictMessage, value } from './strict-reader.ts';

/** What to do next; text is sent. */
type Act = string | Deed;
interface Deed {
  readonly does: 'end' | 'close' | 'reset' | 'stall';
}

const END: Deed = { does: 'end' };
const CLOSE: Deed = { does: 'close' };
const RESET: Deed = { does: 'reset' };
const STALL: Deed = { does: 'stall' };
const LEAVINGS = [END, CLOSE, RESET, STALL];

/** What the peers of one run are like. */
export interface Mood {
  /** Only well-formed, complete answers; nobody leaves. */
  readonly kind: boolean;
  /** How often a peer is one that rarely takes what is sent. */
  readonly lazy: number;
  /** How often a backend answers before it has the whole request. */
  readonly early: number;
  /** How often a backend does not answer as it should. */
  readonly bad: number;
  /** How often a backend does not accept. */
  readonly deaf: number;
}

export interface SeenRequest {
  readonly message: StrictMessage;
  readonly complete: boolean;
}

export class FakeBackend {
  readonly peer: MemoryPeer;
  readonly #random: Random;
  readonly #mood: Mood;
  readonly #note: (tag: string, backend: FakeBackend) => void;
  /** Where the next request begins. */
  #at = 0;
  #parsedAt = -1;
  #acts: Act[] = [];
  /** The request at hand was answered before it was here. */
  #early = false;
  /** The request at hand got its 100. */
  #continued = false;
  #stalled = false;
  /** The answer at hand. */
  #answering = '';
  /** Rarely takes what is sent. */
  #lazy: boolean;
  tunnelFrom = -1;
  tunnelText = '';

  constructor(
    random: Random,
    peer: MemoryPeer,
    mood: Mood,
    note: (tag: string, backend: FakeBackend) => void,
  ) {
    this.#random = random;
    this.peer = peer;
    this.#mood = mood;
    this.#note = note;
    if (random.chance(mood.deaf)) {
      if (random.chance(0.5)) peer.refusal = 'ECONNREFUSED';
      else peer.accepting = false;
    }
    this.#lazy = random.chance(mood.lazy);
    if (this.#lazy || random.chance(0.3)) peer.window = 0;
  }

  steps(out: Step[]): void {
    const { peer } = this;
    if (peer.dead || this.#stalled || !peer.accepting) return;
    if (peer.window < 100_000 && (!this.#lazy || this.#random.chance(0.05))) {
      out.push({
        what: 'backend takes',
        run: () => peer.open(this.#random.chance(0.2) ? 1e9 : this.#random.size(5000)),
      });
    }
    if (this.#acts.length > 0)
      out.push({ what: 'backend acts', run: () => this.#act(this.#random.size(4000)) });
    else if (this.tunnelFrom < 0 && peer.receivedBytes > this.#parsedAt) {
      out.push({ what: 'backend reads', run: () => this.#read() });
    }
    if (!this.#mood.kind && this.#random.chance(0.004)) {
      out.push({ what: 'backend leaves', run: () => this.#leave() });
    }
  }

  /** From now on nothing is held back. */
  hurry(): void {
    this.#lazy = false;
    if (this.peer.dead || this.#stalled) return;
    this.peer.open(1e9);
    this.peer.accepting = true;
    this.#read();
    while (this.#acts.length > 0 && !this.peer.dead && !this.#stalled) this.#act(1e9);
  }

  /** Every request that reached it; throws when it is not what a strict reader takes. */
  seen(): SeenRequest[] {
    const text = this.peer.text();
    const end = this.tunnelFrom < 0 ? text.length : this.tunnelFrom;
    const out: SeenRequest[] = [];
    for (let at = 0; at < end; ) {
      const reading = readStrictRequest(text.slice(0, end), at);
      if (reading.kind === 'bad')
        assert.fail(`upstream: ${reading.why} in ${JSON.stringify(text.slice(at, at + 300))}`);
      if (reading.kind === 'incomplete') {
        if (reading.head !== null) out.push({ message: reading.head, complete: false });
        return out;
      }
      out.push({ message: reading.message, complete: true });
      at = reading.end;
    }
    return out;
  }

  #read(): void {
    const { peer } = this;
    this.#parsedAt = peer.receivedBytes;
    const text = peer.text();
    const reading = readStrictRequest(text, this.#at);
    if (reading.kind === 'bad') assert.fail(`upstream: ${reading.why}`);
    if (reading.kind === 'message') {
      this.#at = reading.end;
      if (!this.#early) this.#answer(reading.message, true);
      this.#early = false;
      this.#continued = false;
      if (text.length > this.#at) this.#parsedAt = -1;
    } else if (reading.head !== null && !this.#early && this.#random.chance(this.#mood.early)) {
      this.#early = true;
      this.#answer(reading.head, false);
    } else if (
      reading.head !== null &&
      value(reading.head, 'expect') !== null &&
      !this.#continued &&
      !this.#early
    ) {
      this.#acts.push(`HTTP/1.1 100 Continue\r\nX-Tag: ${value(reading.head, 'x-tag')}\r\n\r\n`);
      this.#note(value(reading.head, 'x-tag')!, this);
      this.#continued = true;
    }
  }

  #act(most: number): void {
    const act = this.#acts.shift()!;
    if (typeof act !== 'string') return this.#do(act);
    this.peer.send(act.slice(0, most));
    if (act.length > most) this.#acts.unshift(act.slice(most));
  }

  #do(act: Deed): void {
    if (act.does === 'end') this.peer.end();
    else if (act.does === 'close') this.peer.close();
    else if (act.does === 'reset') this.peer.reset();
    else this.#stalled = true;
  }

  /** Goes away in the middle; what ends by FIN is whole by definition, so that is reset. */
  #leave(): void {
    const untilClose = this.#acts.length > 0 && !/Content-Length|chunked/.test(this.#answering);
    this.#do(untilClose ? RESET : this.#random.pick(LEAVINGS));
  }

  #answer(request: StrictMessage, whole: boolean): void {
    const tag = value(request, 'x-tag')!;
    this.#note(tag, this);
    const random = this.#random;
    if (value(request, 'upgrade') !== null && random.chance(0.7)) return this.#switch(tag);
    const ok = this.#goodAnswer(request.start[0], tag);
    const acts = random.chance(this.#mood.bad) ? this.#badAnswer(tag, ok, whole) : ok;
    this.#answering = acts.filter((act) => typeof act === 'string').join('');
    this.#acts.push(...acts);
  }

  #switch(tag: string): void {
    const text = this.peer.text();
    this.tunnelText = patternOf('tunnel-down', this.#random.size(20_000));
    this.tunnelFrom = this.#at;
    assert.ok(text.length >= this.tunnelFrom);
    this.#acts.push(
      `HTTP/1.1 101 Switching\r\nX-Tag: ${tag}\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n${this.tunnelText}`,
    );
    if (this.#random.chance(0.5)) this.#acts.push(END);
  }

  #goodAnswer(method: string, tag: string): Act[] {
    const random = this.#random;
    const length = random.chance(0.15) ? random.int(20_000, 30_000) : random.size(3000);
    const body = patternOf(`a${tag}`, length);
    const told = `X-Tag: ${tag}\r\nX-Length: ${length}\r\nX-Hop: x\r\n`;
    const acts: Act[] = [];
    for (let i = random.chance(0.1) ? random.int(1, 4) : 0; i > 0; i--) {
      acts.push(
        `HTTP/1.1 ${random.pick([102, 103])} Hints\r\nX-Tag: ${tag}\r\nConnection: x-hop\r\nX-Hop: x\r\n\r\n`,
      );
    }
    const connection = random.chance(0.15) ? 'close, X-Hop' : 'x-hop';
    const closing: Act[] = connection.startsWith('close') ? [END] : [];
    if (random.chance(0.1)) {
      const status = random.pick([204, 304]);
      const empty = told.replace(/X-Length: \d+/, 'X-Length: 0');
      return [...acts, `HTTP/1.1 ${status} Empty\r\n${empty}Connection: ${connection}\r\n\r\n`, ...closing];
    }
    const head = `HTTP/1.1 200 OK\r\n${told}Connection: ${connection}\r\n`;
    const none = method === 'HEAD';
    switch (random.int(0, 2)) {
      case 0:
        return [...acts, `${head}Content-Length: ${length}\r\n\r\n${none ? '' : body}`, ...closing];
      case 1: {
        const chunks = none ? '' : chunkedText(random, body, random.chance(0.3) ? `X-Sum: ${tag}\r\n` : '');
        return [...acts, `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}`, ...closing];
      }
      default:
        if (none) return [...acts, `${head}\r\n`, ...closing];
        return [...acts, `${head}\r\n${body}`, END];
    }
  }

  #badAnswer(tag: string, ok: readonly Act[], whole: boolean): Act[] {
    const random = this.#random;
    const text = ok.filter((act) => typeof act === 'string').join('');
    const untilClose = !/Content-Length|chunked/.test(text);
    switch (random.int(0, 11)) {
      case 0:
        return [random.pick([END, CLOSE, RESET])];
      case 1:
        return [STALL];
      case 2: {
        const part = text.slice(0, random.int(1, text.length - 1));
        // What ends by FIN is whole by definition, so that one is reset.
        return [part, untilClose ? RESET : random.pick([END, CLOSE, RESET, STALL])];
      }
      case 3:
        return [
          random.pick([
            'HTTP/1.1 20 OK\r\n\r\n',
            'garbage\r\n\r\n',
            'HTTP/1.1 200 OK\r\nA B: c\r\n\r\n',
            '\0',
          ]),
        ];
      case 4:
        return [`HTTP/1.1 103 Hints\r\nX-Tag: ${tag}\r\n\r\n`.repeat(random.pick([31, 33])), ...ok];
      case 5:
        return [`HTTP/1.1 101 Switching\r\nX-Tag: ${tag}\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n`];
      case 6:
        return [`HTTP/1.1 200 OK\r\nX-Tag: ${tag}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`];
      case 7:
        return [
          `HTTP/1.1 200 OK\r\nX-Tag: ${tag}\r\nX-Length: 3\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a${tag[0]}\r\n0\r\n\r\n`,
        ];
      case 8:
        return [
          `HTTP/1.1 200 OK\r\nX-Tag: ${tag}\r\nX-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a${tag[0]}\r\nzz\r\n\r\n`,
        ];
      case 9:
        return [`HTTP/1.1 200 OK\r\nX-Big: ${'b'.repeat(70_000)}\r\n\r\n`];
      case 10:
        return [
          `HTTP/1.0 200 OK\r\nX-Tag: ${tag}\r\nX-Length: 3\r\n${random.chance(0.5) ? 'Connection: keep-alive\r\nContent-Length: 3\r\n' : ''}\r\n<a${tag[0]}`,
          END,
        ];
      default:
        return whole ? ok.slice() : [...ok, random.pick([END, CLOSE])];
    }
  }
}
