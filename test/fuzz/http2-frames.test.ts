/**
 * HTTP/2 connections under any frames, in any pieces, with backends that answer, stall and leave: no fault, no byte
 * beyond the windows, frames that parse, and nothing left when all is over.
 * TIDEGATE_FUZZ_SEED=n runs one seed; TIDEGATE_FUZZ_RUNS=n that many, beginning there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameReader, OK } from '../../src/dataplane/http2/frame-reader.ts';
import {
  frameHead,
  PREFACE,
  rstStreamFrame,
  settingsFrame,
  windowUpdateFrame,
} from '../../src/dataplane/http2/frames.ts';
import { HpackDecoder } from '../../src/dataplane/http2/hpack-decode.ts';
import { encodeBlock, type Fields, GET, POST } from '../kit/h2-client.ts';
import type { MemoryPeer } from '../kit/memory-transport.ts';
import { Random } from './random.ts';
import { World } from './world.ts';

const first = Number(process.env['TIDEGATE_FUZZ_SEED'] ?? 1);
const runs = Number(
  process.env['TIDEGATE_FUZZ_RUNS'] ?? (process.env['TIDEGATE_FUZZ_SEED'] === undefined ? 1500 : 1),
);
/** What may wait in memory for one peer: a read of the backend and what the window of a client held back. */
const MOST_UNSENT = 400_000;

const REQUESTS: readonly Fields[] = [
  GET,
  POST,
  [...POST, ['content-length', '10']],
  [...POST, ['expect', '100-continue']],
  [...GET, ['te', 'trailers'], ['cookie', 'a=b'], ['cookie', 'c=d']],
  [[':method', 'HEAD'], ...GET.slice(1)],
  [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)],
  [
    [':method', 'CONNECT'],
    [':authority', 'h'],
  ],
  [...GET, ['connection', 'close']],
  [...GET, ['Upper', 'x']],
  [['x-trailer', 'y']],
  [],
];

const ANSWERS: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\ntunnel',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n',
  'nonsense\r\n\r\n',
];

const WINDOW = 65_535;
/** Longer than any timer. */
const LONG_MS = 400_000;

/** Makes frames of a client, mostly sensible ones, and keeps count of the windows it opens. */
class Client {
  readonly #random: Random;
  /** Does nothing that a client may not do. */
  readonly #kind: boolean;
  #nextId = 1;
  /** Streams whose request it has not ended. */
  readonly #open: number[] = [];
  /** Bytes that may come on the whole connection, and on each stream. */
  connectionWindow = WINDOW;
  initialWindow = WINDOW;
  readonly streamWindows = new Map<number, number>();

  constructor(random: Random) {
    this.#random = random;
    this.#kind = random.chance(0.6);
  }

  preface(): string {
    if (!this.#kind && this.#random.chance(0.02)) return 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n';
    return PREFACE.toString('latin1') + this.#settings();
  }

  #settings(): string {
    const size = this.#random.pick([0, 1, 100, WINDOW, 1_000_000]);
    this.initialWindow = Math.max(this.initialWindow, size);
    return settingsFrame(this.#random.chance(0.5) ? [[4, size]] : [[1, this.#random.pick([0, 100, 9999])]]);
  }

  frame(): string {
    return this.#kind || this.#random.chance(0.8) ? this.#sensible() : this.#hostile();
  }

  /** What a client may do. */
  #sensible(): string {
    const random = this.#random;
    const open = this.#open.length === 0 ? 0 : random.pick(this.#open);
    switch (random.int(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const id = this.#nextId;
        this.#nextId += 2;
        const ended = random.chance(0.5);
        if (!ended) this.#open.push(id);
        return this.#headers(id, ended ? 5 : 4, random.pick(REQUESTS.slice(0, this.#kind ? 7 : 12)));
      }
      case 4:
      case 5:
      case 6: {
        if (open === 0) return '';
        const ended = random.chance(0.4);
        if (ended) this.#open.splice(this.#open.indexOf(open), 1);
        const size = random.pick([0, 5, 10, random.size(3000)]);
        return frameHead(size, 0, ended ? 1 : 0, open) + 'd'.repeat(size);
      }
      case 7:
        if (open === 0 || random.chance(0.7)) return this.#settings();
        this.#open.splice(this.#open.indexOf(open), 1);
        return rstStreamFrame(open, 8);
      case 8:
        return this.#windowUpdate(random.chance(0.5) ? 0 : Math.max(0, this.#nextId - 2));
      default:
        return `${frameHead(8, 6, 0, 0)}12345678`;
    }
  }

  #hostile(): string {
    const random = this.#random;
    const id = random.chance(0.9) ? 1 + 2 * random.int(0, this.#nextId / 2) : random.int(0, 20);
    switch (random.int(0, 5)) {
      case 0:
        return this.#headers(id, random.pick([0, 1, 4, 5]), random.pick(REQUESTS));
      case 1:
        return frameHead(100, 0, random.pick([0, 1, 8]), id) + 'd'.repeat(100);
      case 2:
        return this.#windowUpdate(id);
      case 3:
        return rstStreamFrame(id, 8);
      case 4:
        return random.pick([
          `${frameHead(8, 6, 1, 0)}12345678`,
          frameHead(0, 4, 1, 0),
          `${frameHead(5, 2, 0, id)}\0\0\0\0\0`,
          `${frameHead(8, 7, 0, 0)}\0\0\0\0\0\0\0\0`,
        ]);
      default: {
        let payload = '';
        for (let i = random.int(0, 30); i > 0; i--) payload += String.fromCharCode(random.int(0, 255));
        return frameHead(payload.length, random.int(0, 12), random.int(0, 255), id) + payload;
      }
    }
  }

  #headers(id: number, flags: number, fields: Fields): string {
    const block = encodeBlock(fields);
    const head = frameHead(block.length, 1, flags, id) + block;
    return (flags & 4) !== 0 ? head : `${head}${frameHead(0, 9, this.#random.pick([0, 4, 4]), id)}`;
  }

  #windowUpdate(id: number): string {
    const most = this.#kind ? 100_000 : 0x7fff_ffff;
    const size = this.#random.pick([1, 10, 1000, 100_000, this.#random.chance(0.05) ? most : 10]);
    if (id === 0) this.connectionWindow += size;
    else this.streamWindows.set(id, (this.streamWindows.get(id) ?? 0) + size);
    return windowUpdateFrame(id, size);
  }

  /** What came parses, and is within the windows that were ever opened. Gives how many responses began. */
  check(received: Buffer): number {
    const decoder = new HpackDecoder();
    const got = new Map<number, number>();
    let all = 0;
    let heads = 0;
    const verdict = new FrameReader().feed(received, 0, received.length, {
      onFrame: (type, _flags, id, bytes, start, end) => {
        if (type === 1) {
          heads++;
          assert.ok(decoder.decode(bytes, start, end, { onField: () => true }), 'a block');
        }
        if (type !== 0) return true;
        all += end - start;
        got.set(id, (got.get(id) ?? 0) + end - start);
        return true;
      },
    });
    assert.equal(verdict, OK);
    assert.ok(all <= this.connectionWindow, `${all} bytes in a window of ${this.connectionWindow}`);
    for (const [id, size] of got) {
      const window = this.initialWindow + (this.streamWindows.get(id) ?? 0);
      assert.ok(size <= window, `${size} bytes on stream ${id} in a window of ${window}`);
    }
    return heads;
  }
}

function backendActs(random: Random, backends: readonly MemoryPeer[]): void {
  const live = backends.filter((peer) => !peer.dead && peer.receivedBytes > 0);
  if (live.length === 0) return;
  const peer = random.pick(live);
  if (random.chance(0.05)) peer.reset();
  else if (random.chance(0.1)) peer.end();
  else if (random.chance(0.8)) peer.send(random.pick(ANSWERS));
}

/** Gives how many responses began. */
function run(seed: number): number {
  const random = new Random(seed);
  const world = new World({
    highWaterMark: random.pick([1000, 65_536]),
    limits: { http2ConcurrentStreams: 20 },
  });
  const client = new Client(random);
  const peer = world.http2Client();
  if (random.chance(0.3)) peer.window = random.int(0, 5000);
  peer.send(client.preface());
  const rounds = random.int(5, 60);
  for (let i = 0; i < rounds; i++) {
    for (let k = random.int(0, 3); k > 0; k--) peer.send(client.frame());
    if (random.chance(0.5)) backendActs(random, world.backends);
    if (random.chance(0.1)) peer.open(random.int(1, 50_000));
    if (random.chance(0.05)) world.pass(random.pick([100, 2000, 40_000]));
    if (random.chance(0.01)) world.drain();
    for (let k = random.int(0, 6); k > 0; k--) {
      const steps = world.transport.steps(() => random.size(20_000));
      if (steps.length > 0) random.pick(steps).run();
      world.assertSane(MOST_UNSENT);
    }
  }
  if (random.chance(0.5)) peer.open(10_000_000);
  world.settle(100);
  const heads = client.check(Buffer.from(peer.text(), 'latin1'));
  if (random.chance(0.5)) peer.reset();
  else peer.close();
  for (const backend of world.backends) backend.close();
  world.settle(LONG_MS);
  world.assertNothingLeft();
  return heads;
}

test(`${runs} connections from seed ${first}`, (t) => {
  let heads = 0;
  for (let seed = first; seed < first + runs; seed++) {
    try {
      heads += run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: TIDEGATE_FUZZ_SEED=${seed} repeats it`, { cause: error });
    }
  }
  t.diagnostic(`${heads} responses`);
  if (runs > 100) assert.ok(heads > runs / 2, `only ${heads} responses`);
});
