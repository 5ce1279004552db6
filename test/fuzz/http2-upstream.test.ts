/**
 * HTTP/2 towards backends, by simulation: whatever they do, in whatever order, each request is answered once and by
 * itself, bodies are right, what may not be repeated is not, windows are kept, and no stream, timer or connection
 * leaks. TIDEGATE_FUZZ_SEED=n runs one seed; TIDEGATE_FUZZ_RUNS=n that many, beginning there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Step } from '../kit/memory-transport.ts';
import type { Mood } from './fake-backend.ts';
import { anyRequest, FakeClient, type SentRequest } from './fake-client.ts';
import { FakeHttp2Backend, type Http2Request } from './fake-http2-backend.ts';
import { Random } from './random.ts';
import { judgeKind, patient } from './simulation.ts';
import { World } from './world.ts';

const first = Number(process.env['TIDEGATE_FUZZ_SEED'] ?? 1);
const runs = Number(
  process.env['TIDEGATE_FUZZ_RUNS'] ?? (process.env['TIDEGATE_FUZZ_SEED'] === undefined ? 600 : 1),
);
const LONG_MS = 500_000;
const LARGEST_READ = 20_000;
/** The mark, what the windows let through after a pause, replayed bodies, and heads of 70 kB that were asked for. */
const MOST_UNSENT = 1_000_000;
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];

function anyMood(random: Random): Mood {
  const lazy = random.pick([0, 0.3]);
  if (random.chance(0.4)) return { kind: true, lazy, early: 0, bad: 0, deaf: 0 };
  return {
    kind: false,
    lazy,
    early: random.pick([0.02, 0.4]),
    bad: random.pick([0.1, 0.5]),
    deaf: random.pick([0.02, 0.2]),
  };
}

function run(seed: number): { readonly requests: number; readonly answered: number } {
  const random = new Random(seed);
  const original = Math.random;
  Math.random = random.next;
  try {
    return new Run(random).run();
  } finally {
    Math.random = original;
  }
}

class Run {
  readonly #random: Random;
  readonly #mood: Mood;
  readonly #world: World;
  readonly #clients: FakeClient[] = [];
  readonly #backends: FakeHttp2Backend[] = [];
  readonly #tags = new Map<string, unknown>();

  constructor(random: Random) {
    this.#random = random;
    this.#mood = anyMood(random);
    this.#world = new World({
      protocol: 'http2',
      highWaterMark: random.pick([500, 65_536]),
      coalesceBytes: random.pick([100, 8192]),
      endpoints: random.int(1, 3),
      limits: {
        replayBytes: random.pick([0, 500, 65_536]),
        endpointConnections: this.#mood.kind ? 100 : random.pick([1, 2, 100]),
        upstreamStreams: random.pick([1, 3, 128]),
        upstreamStreamWindow: random.pick([3000, 131_072]),
      },
      timeouts: this.#mood.kind ? { ...patient(), upstreamPing: LONG_MS } : {},
      policy: { retries: random.int(0, 2) },
    });
    this.#world.onBackend = (peer) => {
      this.#backends.push(new FakeHttp2Backend(random, peer, this.#mood, (tag) => this.#tags.set(tag, true)));
    };
    for (let i = random.int(1, 8); i > 0; i--) this.#addClient(i);
  }

  #addClient(index: number): void {
    const random = this.#random;
    const requests: SentRequest[] = [];
    for (let i = random.int(1, 4); i > 0; i--) {
      const request = anyRequest(random, `${index}${i}x`, false);
      requests.push(request);
      if (request.last) break;
    }
    const manners = this.#mood.kind || random.chance(0.6) ? 'patient' : 'fickle';
    this.#clients.push(new FakeClient(random, this.#world.client(), requests, manners, this.#mood));
  }

  run(): { readonly requests: number; readonly answered: number } {
    const random = this.#random;
    const world = this.#world;
    for (let i = random.int(20, 600); i > 0; i--) {
      const steps = this.#possible();
      if (steps.length === 0) break;
      random.pick(steps).run();
      world.assertSane(MOST_UNSENT);
    }
    if (this.#mood.kind || random.chance(0.3)) this.#finish();
    else for (const client of this.#clients) client.leave();
    world.settle(this.#mood.kind ? 100 : LONG_MS);
    const answered = this.#judge();
    for (const client of this.#clients) if (!client.peer.dead) client.peer.close();
    world.settle(3 * LONG_MS);
    world.assertNothingLeft();
    return { requests: this.#clients.reduce((sum, { requests }) => sum + requests.length, 0), answered };
  }

  #possible(): Step[] {
    const random = this.#random;
    const steps = this.#world.transport.steps(() => random.size(LARGEST_READ));
    for (const client of this.#clients) client.steps(steps);
    for (const backend of this.#backends) backend.steps(steps);
    if (!this.#mood.kind && random.chance(0.02)) {
      const ms = random.pick([100, 3000, 35_000]);
      steps.push({ what: `${ms} ms pass`, run: () => this.#world.pass(ms) });
    }
    if (random.chance(0.005)) {
      const count = this.#mood.kind ? random.int(1, 3) : random.int(0, 3);
      steps.push({ what: `swap to ${count}`, run: () => this.#world.setEndpoints(count) });
    }
    return steps;
  }

  #finish(): void {
    for (let idle = 0; idle < 3; ) {
      for (const client of this.#clients) client.hurry();
      for (const backend of this.#backends) backend.hurry();
      idle = this.#world.transport.steps().length === 0 ? idle + 1 : 0;
      this.#world.transport.settle(LARGEST_READ);
      this.#world.assertSane(MOST_UNSENT);
    }
  }

  #judge(): number {
    const sent = new Map(this.#clients.flatMap(({ requests }) => requests).map((one) => [one.tag, one]));
    const times = new Map<string, number>();
    for (const { requests } of this.#backends) {
      for (const seen of requests) {
        const request = sent.get(seen.tag);
        assert.ok(request, `a request that nobody sent: ${JSON.stringify([...seen.fields])}`);
        judgeForwarded(request, seen);
        if (!seen.undone) times.set(seen.tag, (times.get(seen.tag) ?? 0) + 1);
      }
    }
    for (const [tag, count] of times) {
      const { method } = sent.get(tag)!;
      assert.ok(IDEMPOTENT.includes(method) || count === 1, `${method} ${tag} was done ${count} times`);
    }
    let answered = 0;
    for (const client of this.#clients) {
      const { responses, cut } = client.judge(this.#tags);
      answered += responses.length;
      if (this.#mood.kind) judgeKind(client, responses, cut);
    }
    return answered;
  }
}

function judgeForwarded(request: SentRequest, { fields, body, complete, trailers }: Http2Request): void {
  const one = (name: string): string | undefined => fields.get(name)?.join('|');
  assert.deepEqual([one(':method'), one(':path')], [request.method, `/t/${request.tag}`]);
  assert.deepEqual([one(':scheme'), one(':authority')], ['http', 'h']);
  for (const name of ['connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'host', 'x_under']) {
    assert.equal(one(name), undefined, name);
  }
  for (const name of fields.keys()) assert.equal(name, name.toLowerCase());
  const pseudo = [...fields.keys()].map((name) => name.startsWith(':'));
  assert.equal(pseudo.lastIndexOf(true), 3, 'pseudo-fields come first');
  assert.equal(one('content-length'), request.framing === 'length' ? String(request.body.length) : undefined);
  if (complete) assert.equal(body, request.body, 'the body');
  else assert.ok(request.body.startsWith(body), 'the part of the body');
  if (complete && request.trailer !== '') assert.deepEqual(trailers, [['x-sum', request.tag]]);
}

test(`seeds ${first} to ${first + runs - 1}`, (t) => {
  let requests = 0;
  let answered = 0;
  for (let seed = first; seed < first + runs; seed++) {
    try {
      const outcome = run(seed);
      requests += outcome.requests;
      answered += outcome.answered;
    } catch (error) {
      throw new Error(`TIDEGATE_FUZZ_SEED=${seed}`, { cause: error });
    }
  }
  t.diagnostic(`${requests} requests, ${answered} answered`);
  if (runs > 100) assert.ok(answered > requests / 3, `only ${answered} of ${requests} answered`);
});
