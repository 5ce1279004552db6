/** A client of the simulation: sends valid requests in pieces and judges what comes back. */
import assert from 'node:assert/strict';
import type { MemoryPeer, Step } from '../kit/memory-transport.ts';
import type { Mood } from './fake-backend.ts';
import type { Random } from './random.ts';
import { readStrictResponse, type StrictMessage, value } from './strict-reader.ts';

export interface SentRequest {
  readonly tag: string;
  readonly method: string;
  readonly minor: 0 | 1;
  readonly fields: readonly string[];
  readonly framing: 'none' | 'length' | 'chunked';
  readonly body: string;
  readonly trailer: string;
  readonly expect: boolean;
  readonly upgrade: boolean;
  /** The client wants the connection closed afterwards. */
  readonly last: boolean;
  readonly bytes: string;
}

const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'POST',
  'PUT',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'BREW',
];
const FIELDS = [
  'Accept: */*',
  'X-Empty:',
  'x-a:  b\t',
  'Cookie: a=b; c="d"',
  'X-High: \xe9\xff',
  'X_Under: gone',
  'Keep-Alive: 5',
  'X-A: 1',
  'X-A: 2',
];

/** Text that tells whose it is at every place, so that a mix-up of bytes shows. */
export function patternOf(tag: string, length: number): string {
  return `<${tag}>`.repeat(Math.ceil(length / (tag.length + 2))).slice(0, length);
}

export function anyRequest(random: Random, tag: string, mayUpgrade: boolean): SentRequest {
  const method = random.pick(METHODS);
  const minor = random.chance(0.1) ? 0 : 1;
  const upgrade = mayUpgrade && minor === 1 && method === 'GET' && random.chance(0.5);
  const length = random.chance(0.15) ? random.int(10_000, 60_000) : random.size(3000);
  const hasBody = !upgrade && random.chance(method === 'GET' || method === 'HEAD' ? 0.1 : 0.7);
  const framing = !hasBody ? 'none' : minor === 1 && random.chance(0.5) ? 'chunked' : 'length';
  const body = framing === 'none' ? '' : patternOf(`q${tag}`, length);
  const expect = framing !== 'none' && minor === 1 && random.chance(0.15);
  const trailer = framing === 'chunked' && random.chance(0.2) ? `X-Sum: ${tag}\r\nContent-Length: 9\r\n` : '';
  const keepAlive = minor === 0 && random.chance(0.5);
  const last = upgrade ? false : minor === 0 ? !keepAlive : random.chance(0.1);
  const fields = FIELDS.filter(() => random.chance(0.2));
  const connection = upgrade ? 'upgrade' : keepAlive ? 'Keep-Alive' : last && minor === 1 ? 'close, X-A' : '';
  const lines = [
    `${method} /t/${tag} HTTP/1.${minor}`,
    'Host: h',
    `X-Tag: ${tag}`,
    ...fields,
    ...(connection === '' ? [] : [`Connection: ${connection}`]),
    ...(upgrade ? ['Upgrade: websocket'] : []),
    ...(expect ? ['Expect: 100-continue'] : []),
    ...(framing === 'length' ? [`Content-Length: ${random.chance(0.1) ? '00' : ''}${body.length}`] : []),
    ...(framing === 'chunked' ? [`Transfer-Encoding: ${random.pick(['chunked', 'Chunked'])}`] : []),
  ];
  const sent = framing === 'chunked' ? chunkedText(random, body, trailer) : body;
  const bytes = `${lines.join('\r\n')}\r\n\r\n${sent}`;
  return { tag, method, minor, fields, framing, body, trailer, expect, upgrade, last, bytes };
}

export function chunkedText(random: Random, body: string, trailer: string): string {
  let out = '';
  for (let at = 0; at < body.length; ) {
    const size = random.size(body.length - at);
    const hex = random.chance(0.5) ? size.toString(16) : `00${size.toString(16).toUpperCase()}`;
    out += `${hex}${random.chance(0.1) ? ';a="b;c";d' : ''}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${out}0\r\n${trailer}\r\n`;
}

export type Manners =
  /** Sends everything and takes everything. */
  | 'patient'
  /** As patient, but ends its side as soon as everything is sent. */
  | 'half-closing'
  /** Goes away at some moment. */
  | 'fickle';

export class FakeClient {
  readonly peer: MemoryPeer;
  readonly requests: readonly SentRequest[];
  readonly manners: Manners;
  readonly #random: Random;
  /** Not sent yet. */
  #rest: string;
  /** Rarely takes what is sent. */
  readonly #lazy: boolean;
  tunnelText = '';
  inTunnel = false;
  left = false;

  constructor(
    random: Random,
    peer: MemoryPeer,
    requests: readonly SentRequest[],
    manners: Manners,
    mood: Mood,
  ) {
    this.#random = random;
    this.peer = peer;
    this.requests = requests;
    this.manners = manners;
    this.#rest = requests.map(({ bytes }) => bytes).join('');
    this.#lazy = random.chance(mood.lazy);
    if (this.#lazy || random.chance(0.3)) peer.window = 0;
  }

  steps(out: Step[]): void {
    const { peer } = this;
    if (peer.dead) return;
    this.#noticeTunnel();
    if (this.#rest !== '' && !peer.finished) {
      out.push({ what: 'client sends', run: () => this.#send() });
    } else if (this.manners === 'half-closing' && !peer.finished && (!this.#upgrades() || this.inTunnel)) {
      out.push({ what: 'client ends', run: () => peer.end() });
    }
    if (peer.window < 100_000 && (!this.#lazy || this.#random.chance(0.05))) {
      out.push({
        what: 'client takes',
        run: () => peer.open(this.#random.chance(0.2) ? 1e9 : this.#random.size(5000)),
      });
    }
    if (this.manners === 'fickle' && this.#random.chance(0.02)) {
      out.push({ what: 'client leaves', run: () => this.leave() });
    }
  }

  leave(): void {
    this.left = true;
    const how = this.#random.int(0, 2);
    if (how === 0) this.peer.end();
    else if (how === 1) this.peer.close();
    else this.peer.reset();
  }

  /** From now on nothing is held back. */
  hurry(): void {
    if (this.peer.dead) return;
    this.peer.open(1e9);
    this.#noticeTunnel();
    if (this.left || this.peer.finished) return;
    this.peer.send(this.#rest);
    this.#rest = '';
    if (this.manners === 'half-closing' && (!this.#upgrades() || this.inTunnel)) this.peer.end();
  }

  get sentAll(): boolean {
    return this.#rest === '' && !this.left;
  }

  #upgrades(): boolean {
    return this.requests.at(-1)?.upgrade === true;
  }

  /** Bytes for the tunnel come only once it stands. */
  #noticeTunnel(): void {
    if (
      this.inTunnel ||
      !this.#upgrades() ||
      this.#rest !== '' ||
      !this.peer.text().includes('HTTP/1.1 101 ')
    )
      return;
    this.inTunnel = true;
    this.tunnelText = patternOf('tunnel-up', this.#random.size(20_000));
    this.#rest = this.tunnelText;
  }

  #send(): void {
    const size = this.#random.size(this.#random.chance(0.2) ? 40_000 : 200);
    this.peer.send(this.#rest.slice(0, size));
    this.#rest = this.#rest.slice(size);
  }

  /**
   * Judges all that came: one response a request, in order, each of a backend's for this very request and whole,
   * or an answer of the proxy's own. Gives the final responses and whether the last one was cut.
   */
  judge(backends: ReadonlyMap<string, unknown>): {
    responses: StrictMessage[];
    cut: boolean;
    tunnel: boolean;
  } {
    const text = this.peer.text();
    const responses: StrictMessage[] = [];
    let at = 0;
    while (at < text.length) {
      const request = this.requests[responses.length];
      assert.ok(request, `a response too many: ${JSON.stringify(text.slice(at, at + 200))}`);
      const ended = this.peer.ended && this.peer.gone !== 'reset';
      // What never became a request has no method: its refusal has a body.
      const refused = /^HTTP\/1.1 40[08] /.test(text.slice(at, at + 13)) && !backends.has(request.tag);
      const reading = readStrictResponse(text, at, refused ? '' : request.method, ended);
      if (reading.kind === 'bad') assert.fail(`${reading.why} in answer to ${request.tag}`);
      if (reading.kind === 'incomplete') {
        if (reading.head !== null) this.#judgeOne(request, reading.head, backends, false);
        return { responses, cut: true, tunnel: false };
      }
      const { message } = reading;
      at = reading.end;
      const status = Number(message.start[0]);
      this.#judgeOne(request, message, backends, true);
      if (status === 101) {
        assert.ok(request.upgrade, 'a switch that nobody asked for');
        responses.push(message);
        const down = patternOf('tunnel-down', 30_000);
        assert.ok(down.startsWith(text.slice(at)), 'the tunnel carries what the backend sent');
        return { responses, cut: false, tunnel: true };
      }
      if (status < 200) assert.equal(request.minor, 1, `${status} to an HTTP/1.0 client`);
      else responses.push(message);
    }
    return { responses, cut: false, tunnel: false };
  }

  #judgeOne(
    request: SentRequest,
    message: StrictMessage,
    backends: ReadonlyMap<string, unknown>,
    whole: boolean,
  ): void {
    const tag = value(message, 'x-tag');
    const status = Number(message.start[0]);
    if (tag === null) {
      const own = [400, 408, 413, 502, 503, 504];
      assert.ok(own.includes(status), `answer ${status} of nobody to ${request.tag}`);
      assert.match(value(message, 'x-request-id') ?? '', /^[0-9a-f]{32}$/);
      return;
    }
    assert.equal(tag, request.tag, 'the response to another request');
    assert.ok(backends.has(tag), 'a response to a request that no backend has seen');
    assert.equal(value(message, 'x-hop'), null, 'a field that Connection lists');
    if (status === 100) assert.ok(request.expect, '100 to a client that did not ask for it');
    if (request.minor === 0) assert.notEqual(message.framing, 'chunked', 'chunks for an HTTP/1.0 client');
    const length = Number(value(message, 'x-length') ?? 0);
    const expected = patternOf(`a${tag}`, length);
    if (whole && message.framing !== 'none')
      assert.equal(message.body.length, length, `length of the body of ${tag}`);
    assert.ok(expected.startsWith(message.body), `body of ${tag}`);
  }
}
