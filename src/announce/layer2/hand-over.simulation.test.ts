/**
 * Speakers on a network that loses, delays and cuts, from a seed: membership and ownership as they are, only sockets
 * and clocks are made up.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../../../test/fuzz/random.ts';
import { Membership } from '../membership/membership.ts';
import type { Heartbeat } from '../membership/packet.ts';
import { burstAt } from './bursts.ts';
import { Ownership, type OwnershipAction } from './ownership.ts';
import { elect, type WantedAddress } from './wanted.ts';

const INTERVAL = 100;
const MISSED = 4;
const DETECT = INTERVAL * MISSED;
/** Of a datagram or frame. */
const MOST_DELAY = 20;
/** What is on its way, and two beats to be waited for. */
const SLACK = 2 * INTERVAL + 3 * MOST_DELAY;
/** Who serves an address takes at most this long, or longer, to let it go. */
const RELEASE = 800;
const SEEDS = 40;

interface Speaker {
  readonly name: string;
  readonly membership: Membership;
  readonly ownership: Ownership;
  readonly announced: Map<string, { since: number; bursts: number }>;
  beatAt: number;
}

class World {
  readonly random: Random;
  readonly names: readonly string[];
  readonly plan: readonly WantedAddress[];
  readonly speakers = new Map<string, Speaker>();
  now = 0;
  /** Of heartbeats. */
  loss = 0;
  /** Pairs that do not hear each other's heartbeats, in that direction. */
  readonly deaf = new Set<string>();
  /** Speakers on a part of the network of their own: neither heartbeats nor frames. */
  readonly cut = new Set<string>();
  /** Since when two that reach each other both answer, by address and pair. */
  readonly doubled = new Map<string, number>();
  longestDouble = 0;
  #boots = 0n;
  #queue: { at: number; run: () => void }[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
    this.names = ['a', 'b', 'c', 'd', 'e'].slice(0, this.random.int(2, 5));
    this.plan = Array.from({ length: this.random.int(1, 6) }, (_, i) => ({
      address: `192.0.2.${100 + i}`,
      candidates: this.names
        .map((node) => ({ node, interfaces: null, at: this.random.next() }))
        .sort((a, b) => a.at - b.at)
        .map(({ node, interfaces }) => ({ node, interfaces })),
    }));
  }

  start(name: string): void {
    const membership = new Membership(name, ++this.#boots, { intervalMs: INTERVAL, missed: MISSED });
    const releaseMs = this.random.pick([0, RELEASE]);
    const timing = { detectMs: DETECT, probeMs: 100, retryMs: 500, releaseMs };
    const ownership = new Ownership(name, timing, this.now);
    const beatAt = this.now + this.random.int(0, INTERVAL);
    const speaker: Speaker = { name, membership, ownership, announced: new Map(), beatAt };
    this.speakers.set(name, speaker);
    membership.setPeers(this.names);
    this.tellSelf(speaker);
    this.perform(speaker, ownership.plan(this.plan, this.now));
  }

  /** Another order of the candidates, and some are missing. */
  shuffled(): WantedAddress[] {
    return this.plan.map(({ address, candidates }) => ({
      address,
      candidates: candidates
        .filter(() => this.random.chance(0.8))
        .map((candidate) => ({ candidate, at: this.random.next() }))
        .sort((a, b) => a.at - b.at)
        .map(({ candidate }) => candidate),
    }));
  }

  replan(name: string, plan: readonly WantedAddress[]): void {
    const speaker = this.speakers.get(name);
    if (speaker !== undefined) this.perform(speaker, speaker.ownership.plan(plan, this.now));
  }

  kill(name: string): void {
    this.speakers.delete(name);
  }

  leave(speaker: Speaker): void {
    speaker.membership.setPresence('leaving');
    speaker.ownership.leave();
    this.look(speaker);
    this.beat(speaker, true);
  }

  tellSelf({ name, membership, ownership }: Speaker): void {
    const interfaces = [{ name: 'eth0', mac: this.names.indexOf(name) + 1 }];
    membership.setSelf({ interfaces, claims: [...ownership.claims()] });
  }

  later(run: () => void): void {
    this.#queue.push({ at: this.now + this.random.int(1, MOST_DELAY), run });
  }

  reaches(from: string, to: string): boolean {
    return (
      from !== to && this.cut.has(from) === this.cut.has(to) && !(this.cut.has(from) && this.cut.has(to))
    );
  }

  beat(speaker: Speaker, all: boolean): void {
    this.tellSelf(speaker);
    for (const heartbeat of speaker.membership.heartbeats(this.now, all))
      for (const to of this.names) this.sendHeartbeat(heartbeat, to);
  }

  sendHeartbeat(heartbeat: Heartbeat, to: string): void {
    const { name } = heartbeat;
    if (!this.reaches(name, to) || this.deaf.has(`${name}>${to}`) || this.random.chance(this.loss)) return;
    this.later(() => {
      const receiver = this.speakers.get(to);
      if (receiver === undefined) return;
      const result = receiver.membership.receive(heartbeat, this.now);
      if (typeof result !== 'string' && result.answer) this.beat(receiver, false);
      this.look(receiver);
    });
  }

  /** What one says on the wire, heard by all others that are on it. */
  say(from: string, hear: (other: Speaker) => void): void {
    for (const to of this.names)
      if (this.reaches(from, to))
        this.later(() => {
          const other = this.speakers.get(to);
          if (other !== undefined) hear(other);
        });
  }

  look(speaker: Speaker): void {
    this.perform(speaker, speaker.ownership.members(speaker.membership.members(this.now), this.now));
  }

  perform(speaker: Speaker, actions: readonly OwnershipAction[]): void {
    for (const { type, address } of actions) {
      if (type === 'announce') speaker.announced.set(address, { since: this.now, bursts: 0 });
      else if (type === 'withdraw') speaker.announced.delete(address);
      else if (type === 'release') this.letGo(speaker, address);
      else if (type === 'probe')
        this.say(speaker.name, (other) => {
          other.ownership.probed(address, speaker.name < other.name, this.now);
          if (!other.announced.has(address)) return;
          this.say(other.name, (asker) => {
            if (asker.name === speaker.name) this.claim(asker, other.name, address);
          });
        });
    }
    if (actions.some(({ type }) => type !== 'probe')) this.beat(speaker, true);
    this.burst(speaker);
  }

  letGo(speaker: Speaker, address: string): void {
    const at = this.now + this.random.int(0, 2 * RELEASE);
    this.#queue.push({
      at,
      run: () => {
        speaker.ownership.released(address);
        if (this.speakers.get(speaker.name) === speaker) this.beat(speaker, true);
      },
    });
  }

  burst(speaker: Speaker): void {
    for (const [address, state] of speaker.announced)
      for (; state.since + burstAt(state.bursts) <= this.now; state.bursts++)
        this.say(speaker.name, (other) => {
          if (other.announced.has(address)) this.claim(other, speaker.name, address);
        });
  }

  claim(hearer: Speaker, from: string, address: string): void {
    const mac = this.names.indexOf(from) + 1;
    this.perform(hearer, hearer.ownership.answered(address, hearer.membership.speakerOf(mac), this.now));
  }

  /** In steps of a millisecond; `each` looks at every one of them. */
  run(ms: number, each: () => void = () => {}): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now++;
      const due = this.#queue.filter(({ at }) => at <= this.now);
      if (due.length > 0) this.#queue = this.#queue.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      for (const speaker of this.speakers.values()) this.turn(speaker);
      this.measure();
      each();
    }
  }

  turn(speaker: Speaker): void {
    if (this.now >= speaker.beatAt) {
      speaker.beatAt += INTERVAL;
      this.beat(speaker, false);
      this.look(speaker);
    } else if (this.now >= Math.min(speaker.ownership.deadline(), speaker.membership.deadline(this.now)))
      this.look(speaker);
    this.burst(speaker);
  }

  owners(address: string): string[] {
    return [...this.speakers.values()]
      .filter(({ announced }) => announced.has(address))
      .map(({ name }) => name);
  }

  measure(): void {
    for (const { address } of this.plan) {
      const owners = this.owners(address);
      for (const a of this.names)
        for (const b of this.names) {
          if (a >= b) continue;
          const key = `${address} ${a} ${b}`;
          if (!owners.includes(a) || !owners.includes(b) || !this.reaches(a, b)) {
            this.doubled.delete(key);
            continue;
          }
          const since = this.doubled.get(key) ?? this.now;
          this.doubled.set(key, since);
          this.longestDouble = Math.max(this.longestDouble, this.now - since);
        }
    }
  }

  /** Every address has the one owner that all elect. */
  assertSettled(): void {
    const members = new Map(
      [...this.speakers.keys()].map((name) => [
        name,
        { name, interfaces: ['eth0'], claims: new Map<string, boolean>(), leaving: false },
      ]),
    );
    for (const wanted of this.plan) {
      const elected = elect(wanted, members);
      assert.deepEqual(this.owners(wanted.address), elected === null ? [] : [elected], wanted.address);
    }
  }
}

/** All speakers up, and everybody knows everybody. */
function calm(seed: number): World {
  const world = new World(seed);
  for (const name of world.names) world.start(name);
  world.run(3 * DETECT + 1000);
  world.assertSettled();
  return world;
}

function seeded(what: string, check: (seed: number) => void): void {
  test(`${what} (${SEEDS} seeds)`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        check(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}

describe('addresses among speakers', () => {
  seeded('a killed speaker is replaced within a second, and returns without a gap', (seed) => {
    const world = calm(seed);
    world.loss = 0.05;
    const victim = world.random.pick(world.names);
    world.kill(victim);
    world.run(1000);
    for (const { address } of world.plan) assert.equal(world.owners(address).length, 1, address);
    world.start(victim);
    world.run(5000, () => {
      for (const { address } of world.plan) assert.ok(world.owners(address).length > 0, 'a gap');
    });
    world.loss = 0;
    world.run(5000);
    world.assertSettled();
    assert.ok(world.longestDouble <= DETECT + SLACK, `two answered for ${world.longestDouble} ms`);
  });

  seeded('one that leaves hands over before it stops', (seed) => {
    const world = calm(seed);
    world.loss = 0.2;
    const leaver = world.speakers.get(world.random.pick(world.names))!;
    world.leave(leaver);
    world.run(2000, () => {
      for (const { address } of world.plan) assert.ok(world.owners(address).length > 0, 'a gap');
    });
    assert.deepEqual([...leaver.announced.keys()], []);
    world.kill(leaver.name);
    world.loss = 0;
    world.run(2000);
    world.assertSettled();
    assert.ok(world.longestDouble <= DETECT + SLACK, `two answered for ${world.longestDouble} ms`);
  });

  seeded('whatever the network does, two never answer longer than it takes to notice', (seed) => {
    const world = calm(seed);
    const { random } = world;
    for (let step = 0; step < 12; step++) {
      world.loss = random.pick([0, 0, 0.3, 0.8, 1]);
      world.deaf.clear();
      for (const a of world.names)
        for (const b of world.names) if (random.chance(0.2)) world.deaf.add(`${a}>${b}`);
      const name = random.pick(world.names);
      if (random.chance(0.3)) world.kill(name);
      else if (!world.speakers.has(name)) world.start(name);
      // What the API server told it, and nobody else.
      else if (random.chance(0.5)) world.replan(name, world.shuffled());
      world.run(random.int(50, 3000));
    }
    assert.ok(world.longestDouble <= DETECT + SLACK, `two answered for ${world.longestDouble} ms`);
    world.loss = 0;
    world.deaf.clear();
    for (const name of world.speakers.keys()) world.replan(name, world.plan);
    world.run(10_000);
    world.assertSettled();
  });

  seeded('a network that was cut agrees again when it is whole', (seed) => {
    const world = calm(seed);
    const away = world.random.pick(world.names);
    world.cut.add(away);
    world.run(3000);
    assert.equal(
      world.plan.every(({ address }) => world.owners(address).includes(away)),
      true,
    );
    world.cut.delete(away);
    world.run(5000);
    world.assertSettled();
    assert.ok(world.longestDouble <= DETECT + SLACK, `two answered for ${world.longestDouble} ms`);
  });
});
