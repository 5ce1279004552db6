/**
 * Two state machines and a network that loses, delays and cuts, from a seed. Whatever it does, once it behaves both
 * sides must agree on one session.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../../test/fuzz/random.ts';
import { PeerFsm } from './fsm.ts';
import type { FsmConfig, FsmEvent, Side } from './fsm-types.ts';
import type { Message } from './message.ts';
import { decodeMessage, encodeMessage } from './messages.ts';

const SEEDS = 200;
const CHAOS_MS = 120_000;
const CALM_MS = 400_000;

interface Pipe {
  readonly id: number;
  /** Which router dialled. */
  readonly dialler: 0 | 1;
  open: [boolean, boolean];
}

class World {
  readonly random: Random;
  readonly routers: readonly [PeerFsm, PeerFsm];
  /** Pipe ids by router and side; -1 for none. */
  readonly sides: [Record<Side, number>, Record<Side, number>] = [
    { out: -1, in: -1 },
    { out: -1, in: -1 },
  ];
  readonly pipes = new Map<number, Pipe>();
  readonly queue: { at: number; order: number; run: () => void }[] = [];
  now = 0;
  #order = 0;
  chaos = true;
  /** The connection each side believes to be established; -1 for none. */
  readonly up: [number, number] = [-1, -1];

  constructor(seed: number) {
    this.random = new Random(seed);
    const config = (routerId: number, localAs: number, peerAs: number): FsmConfig => ({
      localAs,
      peerAs,
      routerId,
      holdSeconds: this.random.pick([0, 3, 9, 90]),
      keepaliveSeconds: null,
      connectSeconds: this.random.int(1, 5),
      passive: false,
      families: ['ipv4', 'ipv6'],
      extendedNextHop: false,
      gracefulRestart: null,
    });
    const id = this.random.int(1, 3);
    this.routers = [
      new PeerFsm(config(id, 64512, 64513), this.random.next),
      new PeerFsm(config(2, 64513, 64512), this.random.next),
    ];
  }

  after(ms: number, run: () => void): void {
    this.queue.push({ at: this.now + ms, order: this.#order++, run });
  }

  handle(who: 0 | 1, event: FsmEvent): void {
    for (const action of this.routers[who].handle(event, this.now)) {
      if (action.type === 'dial') this.dial(who);
      else if (action.type === 'send') this.send(who, action.side, action.message);
      else if (action.type === 'hang-up') this.close(who, action.side);
      else if (action.type === 'up') this.up[who] = this.sides[who][action.side];
      else if (action.type === 'down') this.up[who] = -1;
    }
  }

  dial(who: 0 | 1): void {
    const id = this.#order++;
    this.pipes.set(id, { id, dialler: who, open: [false, false] });
    this.sides[who].out = id;
    if (this.chaos && this.random.chance(0.2)) return; // lost: nobody answers
    const other = (1 - who) as 0 | 1;
    this.after(this.latency(), () => {
      const refused = (this.chaos && this.random.chance(0.2)) || !this.routers[other].acceptsInbound;
      if (refused) return this.after(this.latency(), () => this.lost(who, 'out', id, 'refused'));
      const pipe = this.pipes.get(id)!;
      pipe.open[other] = true;
      this.sides[other].in = id;
      this.handle(other, { type: 'connected', side: 'in' });
      this.after(this.latency(), () => {
        if (this.sides[who].out !== id) return this.closeEnd(pipe, who);
        pipe.open[who] = true;
        this.handle(who, { type: 'connected', side: 'out' });
      });
    });
    this.maybeCut(id);
  }

  maybeCut(id: number): void {
    if (!this.chaos || !this.random.chance(0.4)) return;
    this.after(this.random.int(1, 30_000), () => {
      const pipe = this.pipes.get(id)!;
      this.closeEnd(pipe, 0);
      this.closeEnd(pipe, 1);
    });
  }

  /** Bytes in a pipe keep their order: each is given a time not before the last. */
  readonly #last = new Map<string, number>();
  send(who: 0 | 1, side: Side, message: Message): void {
    const id = this.sides[who][side];
    const bytes = encodeMessage(message, true);
    this.inOrder(who, id, (other, otherSide) => {
      const decoded = decodeMessage(bytes, true);
      this.handle(other, { type: 'received', side: otherSide, message: decoded });
    });
  }

  inOrder(who: 0 | 1, id: number, run: (other: 0 | 1, side: Side) => void): void {
    const key = `${who} ${id}`;
    const at = Math.max(this.#last.get(key) ?? 0, this.now + this.latency());
    this.#last.set(key, at);
    this.after(at - this.now, () => {
      const other = (1 - who) as 0 | 1;
      const side: Side = this.pipes.get(id)!.dialler === other ? 'out' : 'in';
      if (this.sides[other][side] === id) run(other, side);
    });
  }

  close(who: 0 | 1, side: Side): void {
    const id = this.sides[who][side];
    this.sides[who][side] = -1;
    const pipe = this.pipes.get(id);
    if (pipe !== undefined) this.closeEnd(pipe, who);
  }

  /** `who`'s end is closed; the other notices later. */
  closeEnd(pipe: Pipe, who: 0 | 1): void {
    const own: Side = pipe.dialler === who ? 'out' : 'in';
    if (this.sides[who][own] === pipe.id) this.lost(who, own, pipe.id, 'cut');
    this.inOrder(who, pipe.id, (other, side) => this.lost(other, side, pipe.id, 'closed'));
  }

  lost(who: 0 | 1, side: Side, id: number, reason: string): void {
    if (this.sides[who][side] !== id) return;
    this.sides[who][side] = -1;
    this.handle(who, { type: 'disconnected', side, reason });
  }

  latency(): number {
    return this.chaos && this.random.chance(0.1) ? this.random.int(1, 3000) : this.random.int(0, 20);
  }

  run(until: number): void {
    for (;;) {
      this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const timers = this.routers.map(({ deadline }) => deadline);
      const next = Math.min(this.queue[0]?.at ?? Number.POSITIVE_INFINITY, ...timers);
      if (next > until) break;
      this.now = Math.max(this.now, next);
      const event = this.queue[0];
      if (event !== undefined && event.at <= this.now) {
        this.queue.shift();
        event.run();
        continue;
      }
      for (const who of [0, 1] as const)
        if (this.routers[who].deadline <= this.now) this.handle(who, { type: 'tick' });
    }
    this.now = until;
  }
}

test('after any trouble two peers agree on one session', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed);
    world.handle(0, { type: 'start' });
    world.after(world.random.int(0, 5000), () => world.handle(1, { type: 'start' }));
    world.run(CHAOS_MS);
    world.chaos = false;
    // Without keepalives a connection that was cut on one side only would never be noticed.
    world.run(CHAOS_MS + CALM_MS);
    const states = world.routers.map(({ state }) => state);
    assert.deepEqual(states, ['Established', 'Established'], `seed ${seed}`);
    assert.equal(world.up[0], world.up[1], `seed ${seed}: two different connections`);
  }
});
