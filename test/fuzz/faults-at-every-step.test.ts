/**
 * Each scenario is played to its end, and again with one fault at each of its steps: somebody leaves, stops taking or
 * answering, the program drains, the endpoints change. Whatever happens, the client gets a well-formed beginning of
 * its responses, at most one a request, and nothing is left.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryPeer } from '../kit/memory-transport.ts';
import { readStrictRequest, readStrictResponse } from './strict-reader.ts';
import { World, type WorldOptions } from './world.ts';

/** More than all timeouts. */
const LONG_MS = 200_000;

interface Scenario {
  readonly name: string;
  /** What each client sends. */
  readonly clients: readonly string[];
  /** The methods of each client's requests. */
  readonly methods: readonly string[];
  /** Answers by request target. */
  readonly answers: Readonly<Record<string, string>>;
  /** The backend ends its side after an answer. */
  readonly ends?: boolean;
  /** The statuses of a client's final responses when nothing goes wrong. */
  readonly statuses: readonly number[];
  readonly options?: WorldOptions;
}

const get = (target: string, fields = '') => `GET ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
const ok = (body: string, fields = '') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
const long = 'x'.repeat(700);
const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n${'y'.repeat(256)}\r\n3\r\nend\r\n0\r\nX-Sum: 1\r\n\r\n`;

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'two pipelined requests over one pooled connection',
    clients: [get('/1') + get('/2')],
    methods: ['GET', 'GET'],
    answers: { '/1': ok(long), '/2': ok('2') },
    statuses: [200, 200],
    options: { endpoints: 1 },
  },
  {
    name: 'chunks both ways, with trailers',
    clients: [
      `PUT /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n${'b'.repeat(256)}\r\n0\r\nX-T: 1\r\n\r\n`,
    ],
    methods: ['PUT'],
    answers: { '/1': chunked },
    statuses: [200],
  },
  {
    name: 'an upload that expects 100, then another request',
    clients: [
      `POST /1 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 700\r\n\r\n${long}${get('/2')}`,
    ],
    methods: ['POST', 'GET'],
    answers: { '/1': `HTTP/1.1 100 Continue\r\n\r\n${ok('1')}`, '/2': ok('2') },
    statuses: [200, 200],
  },
  {
    name: 'an HTTP/1.0 client and a body until close',
    clients: ['GET /1 HTTP/1.0\r\n\r\n'],
    methods: ['GET'],
    answers: { '/1': `HTTP/1.1 200 OK\r\n\r\n${long}` },
    ends: true,
    statuses: [200],
  },
  {
    name: 'connections that the backend closes after each answer',
    clients: [get('/1') + get('/2') + get('/3')],
    methods: ['GET', 'GET', 'GET'],
    answers: { '/1': ok('1'), '/2': ok('2', 'Connection: close\r\n'), '/3': ok('3') },
    ends: true,
    statuses: [200, 200, 200],
  },
  {
    name: 'hints before the answer, HEAD, no content',
    clients: [`HEAD /1 HTTP/1.1\r\nHost: h\r\n\r\n${get('/2')}`],
    methods: ['HEAD', 'GET'],
    answers: {
      '/1': 'HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
      '/2': 'HTTP/1.1 204 None\r\n\r\n',
    },
    statuses: [200, 204],
  },
  {
    name: 'three clients wait for one connection',
    clients: [get('/1'), get('/1'), get('/1')],
    methods: ['GET'],
    answers: { '/1': ok(long) },
    statuses: [200],
    options: { endpoints: 1, limits: { endpointConnections: 1 } },
  },
  {
    name: 'a tunnel with early bytes',
    clients: [`${get('/1', 'Connection: upgrade\r\nUpgrade: x\r\n')}early${long}`],
    methods: ['GET'],
    answers: { '/1': `HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello${long}` },
    statuses: [101],
  },
];

/** Something that goes wrong, for one of the clients and the backend that was connected to last. */
const FAULTS: Readonly<Record<string, (play: Play) => void>> = {
  'the client ends its side': ({ clients }) => clients[0]!.end(),
  'the client closes': ({ clients }) => clients[0]!.close(),
  'the client resets': ({ clients }) => clients[0]!.reset(),
  'the client takes no more': ({ clients }) => stopTaking(clients[0]!),
  'the client pauses': (play) => play.pause(play.clients[0]!),
  'the backend ends its side': ({ world }) => world.backends.at(-1)?.end(),
  'the backend closes': ({ world }) => world.backends.at(-1)?.close(),
  'the backend resets': ({ world }) => world.backends.at(-1)?.reset(),
  'the backend talks nonsense': ({ world }) => world.backends.at(-1)?.send('\r\nHTTP/1.1 what\r\n\r\n'),
  'the backend takes no more': ({ world }) => world.backends.forEach(stopTaking),
  'the backend pauses': (play) => play.world.backends.forEach((peer) => void play.pause(peer)),
  'the backends stop answering': (play) => play.stall(),
  'backends stop accepting': (play) => play.closeDoors(),
  'a minute passes': ({ world }) => world.pass(61_000),
  'the program drains': ({ world }) => world.drain(),
  'all endpoints go': ({ world }) => world.setEndpoints(0),
};

function stopTaking(peer: MemoryPeer): void {
  peer.window = 0;
}

/** How much the clients and the backends take before they stop. */
const APPETITES: readonly (readonly [client: number, backend: number])[] = [
  [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  [100, Number.POSITIVE_INFINITY],
  [Number.POSITIVE_INFINITY, 100],
  [100, 500],
];

const PAUSED_STEPS = 5;
const READ_BYTES = 60;

class Play {
  readonly world: World;
  readonly clients: readonly MemoryPeer[];
  readonly #scenario: Scenario;
  /** Takes the newest of the possible steps first, instead of the oldest. */
  readonly #newestFirst: boolean;
  /** By backend: how many of its requests are answered, and where the next begins. */
  readonly #answered = new Map<MemoryPeer, number>();
  readonly #paused = new Map<MemoryPeer, number>();
  #stalled = false;
  steps = 0;

  constructor(scenario: Scenario, newestFirst: boolean, appetite = APPETITES[0]!) {
    this.#scenario = scenario;
    this.#newestFirst = newestFirst;
    this.world = new World({ highWaterMark: 300, coalesceBytes: 50, ...scenario.options });
    this.clients = scenario.clients.map((bytes) => {
      const peer = this.world.client();
      peer.window = appetite[0];
      peer.send(bytes);
      return peer;
    });
    this.world.onBackend = (peer) => {
      peer.window = appetite[1];
    };
  }

  /** Plays to the end, with a fault before step `at`. */
  run(at: number, fault: (play: Play) => void): void {
    for (;;) {
      if (this.steps === at) fault(this);
      const steps = this.world.transport.steps(() => READ_BYTES);
      const step = steps.at(this.#newestFirst ? -1 : 0);
      if (step === undefined && !this.#answer()) break;
      step?.run();
      for (const [peer, until] of this.#paused) if (this.steps >= until) this.#goOn(peer);
      this.steps++;
      this.world.assertSane(5000);
      assert.ok(this.steps < 5000, 'it comes to an end');
    }
    for (const peer of this.#paused.keys()) this.#goOn(peer);
    this.world.transport.settle();
  }

  pause(peer: MemoryPeer): void {
    peer.window = 0;
    this.#paused.set(peer, this.steps + PAUSED_STEPS);
  }

  stall(): void {
    this.#stalled = true;
  }

  closeDoors(): void {
    this.world.onBackend = (peer) => {
      peer.accepting = false;
    };
  }

  #goOn(peer: MemoryPeer): void {
    this.#paused.delete(peer);
    if (!peer.dead) peer.open(1e9);
  }

  /** Lets the backends answer what they have; false when there is nothing. */
  #answer(): boolean {
    if (this.#stalled) return false;
    let something = false;
    for (const backend of this.world.backends) {
      const at = this.#answered.get(backend) ?? 0;
      if (backend.dead || at < 0) continue;
      const reading = readStrictRequest(backend.text(), at);
      if (reading.kind === 'bad') assert.fail(reading.why);
      if (reading.kind === 'incomplete') continue;
      const answer = this.#scenario.answers[reading.message.start[1]]!;
      this.#answered.set(backend, answer.startsWith('HTTP/1.1 101') ? -1 : reading.end);
      backend.send(answer);
      if (this.#scenario.ends === true) backend.end();
      something = true;
    }
    return something;
  }

  /** The statuses that a client got; throws at anything that is not a well-formed beginning of responses. */
  statuses(client: MemoryPeer): number[] {
    const text = client.text();
    const statuses: number[] = [];
    for (let at = 0; at < text.length; ) {
      const method = this.#scenario.methods[statuses.length];
      // After the last response only the refusal of what never became a request.
      const refused = /^HTTP\/1\.1 (?:40\d|501) /.test(text.slice(at));
      assert.ok(method !== undefined || refused, `too much: ${text.slice(at)}`);
      const reading = readStrictResponse(text, at, method ?? 'GET', client.ended && client.gone !== 'reset');
      if (reading.kind === 'bad') assert.fail(`${reading.why}: ${text.slice(at, at + 300)}`);
      if (reading.kind === 'incomplete') return statuses;
      const status = Number(reading.message.start[0]);
      if (status === 101 || status >= 200) statuses.push(status);
      if (status === 101) return statuses;
      at = reading.end;
    }
    return statuses;
  }

  /** Everybody is silent, then everybody is gone: nothing may be left. */
  finish(): void {
    this.world.settle(LONG_MS);
    this.world.assertNothingLeft();
  }
}

for (const scenario of SCENARIOS) {
  test(scenario.name, () => {
    for (const newestFirst of [false, true]) {
      const whole = new Play(scenario, newestFirst);
      whole.run(-1, () => {});
      for (const client of whole.clients) assert.deepEqual(whole.statuses(client), scenario.statuses);
      whole.finish();
      for (const [what, fault] of Object.entries(FAULTS)) {
        for (const appetite of APPETITES) {
          for (let at = 0; at <= whole.steps; at++) {
            const description = `${what} before step ${at}, ${newestFirst ? 'newest' : 'oldest'} first, appetite ${appetite}`;
            playWithFault(() => new Play(scenario, newestFirst, appetite), at, description, fault);
          }
        }
      }
    }
  });
}

function playWithFault(
  start: () => Play,
  at: number,
  description: string,
  fault: (play: Play) => void,
): void {
  try {
    const play = start();
    play.run(at, fault);
    for (const client of play.clients) play.statuses(client);
    play.finish();
    for (const client of play.clients) play.statuses(client);
  } catch (cause) {
    throw new Error(description, { cause });
  }
}
