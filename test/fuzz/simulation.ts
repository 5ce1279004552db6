/** One run of the simulation: clients, backends and time against a data plane, every race decided by the seed. */
import assert from 'node:assert/strict';
import type { Step } from '../kit/memory-transport.ts';
import { FakeBackend, type Mood } from './fake-backend.ts';
import { anyRequest, FakeClient, type SentRequest } from './fake-client.ts';
import { judgeUpstream } from './judge.ts';
import { Random } from './random.ts';
import { type StrictMessage, value } from './strict-reader.ts';
import { World } from './world.ts';

/** More than all timeouts. */
const LONG_MS = 200_000;
/** For runs in which time passes, but no timeout may strike. */
const NEVER_MS = 500_000;
const HIGH_WATER_MARK = 2048;
const LARGEST_READ = 1500;
const LARGEST_REPLAY = 2000;
/** What may wait in memory for one peer: up to the mark, what was read before a pause took effect, a replayed body. */
const MOST_UNSENT = HIGH_WATER_MARK + 4 * LARGEST_READ + LARGEST_REPLAY + 2000;

export interface Outcome {
  readonly steps: number;
  readonly requests: number;
  readonly answered: number;
}

/** Runs the simulation of one seed; throws when anything is not as it must be. `log` gets each step's name. */
export function simulate(seed: number, log: (what: string) => void = () => {}): Outcome {
  const random = new Random(seed);
  const { random: original } = Math;
  Math.random = random.next;
  try {
    return new Simulation(random, log).run();
  } finally {
    Math.random = original;
  }
}

function anyMood(random: Random): Mood {
  const kind = random.chance(0.3);
  const lazy = random.pick([0, 0.2, 0.7]);
  if (kind) return { kind, lazy, early: 0, bad: 0, deaf: 0 };
  const bad = random.pick([0.1, 0.4, 0.8]);
  return { kind, lazy, early: random.pick([0.02, 0.4]), bad, deaf: random.pick([0.02, 0.3]) };
}

class Simulation {
  readonly #random: Random;
  readonly #log: (what: string) => void;
  readonly #mood: Mood;
  /** How much time may pass at once; none when empty. */
  readonly #times: readonly number[];
  readonly #world: World;
  readonly #clients: FakeClient[] = [];
  readonly #backends: FakeBackend[] = [];
  /** Who got the request with this tag last. */
  readonly #byTag = new Map<string, FakeBackend>();
  #steps = 0;

  constructor(random: Random, log: (what: string) => void) {
    this.#random = random;
    this.#log = log;
    this.#mood = anyMood(random);
    const { kind } = this.#mood;
    this.#times = random.chance(0.5) ? [] : kind ? [100, 1000, 3000] : [100, 1000, 2500, 35_000];
    const endpointConnections = random.pick([1, 2, 100]);
    this.#world = new World({
      highWaterMark: random.pick([500, HIGH_WATER_MARK]),
      coalesceBytes: random.pick([100, 8192]),
      endpoints: random.int(1, 3),
      limits: {
        replayBytes: random.pick([0, 500, LARGEST_REPLAY]),
        endpointConnections,
        endpointIdleConnections: random.pick([0, 1, 100]),
      },
      timeouts: kind ? patient() : {},
      policy: { retries: random.int(0, 2) },
    });
    this.#world.onBackend = (peer) => {
      const note = (tag: string, backend: FakeBackend): unknown => this.#byTag.set(tag, backend);
      this.#backends.push(new FakeBackend(random, peer, this.#mood, note));
    };
    // A tunnel keeps its connection for ever: others would starve where there are few.
    const tunnels = !kind || endpointConnections === 100;
    for (let i = random.int(1, 4); i > 0; i--) this.#addClient(i, tunnels);
  }

  #addClient(index: number, tunnels: boolean): void {
    const random = this.#random;
    const requests: SentRequest[] = [];
    const count = random.int(1, 5);
    for (let i = 0; i < count; i++) {
      const request = anyRequest(random, `${index}${i}x`, tunnels && i === count - 1);
      requests.push(request);
      if (request.last) break;
    }
    const patient = this.#mood.kind || random.chance(0.6);
    const manners = random.chance(0.3) ? 'half-closing' : patient ? 'patient' : 'fickle';
    this.#clients.push(new FakeClient(random, this.#world.client(), requests, manners, this.#mood));
  }

  run(): Outcome {
    const random = this.#random;
    const most = random.chance(0.5) ? random.int(20, 1500) : 400;
    for (; this.#steps < most; this.#steps++) {
      const steps = this.#possible();
      if (steps.length === 0) break;
      const step = random.pick(steps);
      this.#log(step.what);
      step.run();
      this.#check();
    }
    if (this.#mood.kind || random.chance(0.2)) this.#finish();
    else if (random.chance(0.7)) this.#fallSilent();
    else for (const client of this.#clients) client.leave();
    this.#world.settle(LONG_MS);
    this.#check();
    const answered = this.#judge();
    for (const client of this.#clients) if (!client.peer.dead) client.peer.close();
    this.#world.settle(this.#mood.kind ? 2 * NEVER_MS : LONG_MS);
    this.#world.assertNothingLeft();
    const requests = this.#clients.reduce((sum, client) => sum + client.requests.length, 0);
    return { steps: this.#steps, requests, answered };
  }

  #possible(): Step[] {
    const random = this.#random;
    const steps = this.#world.transport.steps(() => random.size(LARGEST_READ));
    for (const client of this.#clients) client.steps(steps);
    for (const backend of this.#backends) backend.steps(steps);
    if (this.#times.length > 0 && random.chance(0.05)) {
      const ms = random.pick(this.#times);
      steps.push({ what: `${ms} ms pass`, run: () => this.#world.pass(ms) });
    }
    const { kind } = this.#mood;
    if (!kind && random.chance(0.002)) steps.push({ what: 'drain', run: () => this.#world.drain() });
    if (random.chance(0.005)) {
      const endpoints = kind ? 3 : random.int(0, 3);
      steps.push({ what: `swap to ${endpoints}`, run: () => this.#world.setEndpoints(endpoints) });
    }
    return steps;
  }

  #check(): void {
    this.#world.assertSane(MOST_UNSENT);
  }

  /** Everybody sends and takes all there is, for as long as something comes of it. */
  #finish(): void {
    for (let idle = 0; idle < 3; ) {
      for (const client of this.#clients) client.hurry();
      for (const backend of this.#backends) backend.hurry();
      idle = this.#world.transport.steps().length === 0 ? idle + 1 : 0;
      this.#world.transport.settle(LARGEST_READ);
      this.#check();
    }
  }

  /** Nobody does anything any more: time alone must end it all. */
  #fallSilent(): void {
    this.#log('silence');
    this.#world.settle(LONG_MS);
    this.#world.assertNothingLeft();
  }

  /** Gives the number of final responses. */
  #judge(): number {
    judgeUpstream(
      this.#clients.flatMap(({ requests }) => requests),
      this.#backends,
    );
    let answered = 0;
    for (const client of this.#clients) {
      const { responses, cut, tunnel } = client.judge(this.#byTag);
      answered += responses.length;
      if (this.#mood.kind) judgeKind(client, responses, cut);
      if (this.#mood.kind && tunnel) this.#judgeTunnel(client);
    }
    return answered;
  }

  #judgeTunnel(client: FakeClient): void {
    const backend = this.#byTag.get(client.requests.at(-1)!.tag)!;
    const carried = backend.peer.text().slice(backend.tunnelFrom);
    assert.equal(carried, client.tunnelText, 'what the tunnel carried up');
    assert.ok(client.peer.text().endsWith(`\r\n\r\n${backend.tunnelText}`), 'what the tunnel carried down');
  }
}

/** When nobody misbehaved, everything is answered by a backend, whole. */
export function judgeKind(client: FakeClient, responses: readonly StrictMessage[], cut: boolean): void {
  const { requests, peer } = client;
  // A client that sends on and on behind what became its last request is reset in the end.
  if (peer.gone === 'reset' && requests[responses.length]?.minor === 0) return;
  assert.equal(cut, false, 'a response was cut though nobody broke off');
  for (const [i, { start, fields }] of responses.entries()) {
    assert.ok(value({ fields }, 'x-tag') !== null, `request ${requests[i]!.tag} got ${start[0]} of nobody`);
  }
  // A response without a known end closes an HTTP/1.0 client's connection.
  if (responses.at(-1)?.framing === 'close' && requests[responses.length - 1]?.minor === 0) return;
  assert.equal(responses.length, requests.length, 'every request is answered');
}

/** Timeouts that do not strike. */
export function patient(): Record<string, number> {
  const names = [
    'requestHead',
    'bodyIdle',
    'keepAlive',
    'sendIdle',
    'connect',
    'response',
    'upstreamSendIdle',
  ];
  const others = ['upstreamIdle', 'tunnelIdle', 'pending', 'drainIdle'];
  return { ...Object.fromEntries([...names, ...others].map((name) => [name, NEVER_MS])), bodyRate: 0 };
}
