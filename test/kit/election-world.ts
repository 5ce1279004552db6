/**
 * For tests: candidates with clocks of their own, one API server with one Lease, and a network between them that
 * delays, loses and partitions. Everything follows from the seed.
 */
import {
  advance,
  type ElectionConfig,
  type ElectionEvent,
  type ElectionRequest,
  type ElectionState,
  type LeaseRecord,
  leads,
  NOT_STARTED,
} from '../../src/kubernetes/leader/election.ts';

const CONFIG = { leaseDuration: 15_000, renewDeadline: 10_000, retryPeriod: 2000 };
const TIMEOUT = CONFIG.renewDeadline / 2;

interface Member {
  readonly config: ElectionConfig;
  /** Local time = offset + rate × true time. */
  readonly offset: number;
  readonly rate: number;
  state: ElectionState;
  leading: boolean;
  /** Until then (true time) nothing runs in it. */
  pausedUntil: number;
  cutUntil: number;
  generation: number;
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class ElectionWorld {
  /** Moments at which two led. */
  readonly overlaps: string[] = [];
  terms = 0;
  readonly #random: () => number;
  readonly #members: Member[];
  #lease: LeaseRecord | null = null;
  #version = 0;
  #now = 0;
  #order = 0;
  #tasks: Task[] = [];
  #faults = false;

  constructor(seed: number, count: number) {
    this.#random = randomFrom(seed);
    this.#members = Array.from({ length: count }, (_, i) => ({
      config: { ...CONFIG, identity: `c${i}` },
      offset: this.#random() * 1e9 - 5e8,
      rate: 0.95 + this.#random() * 0.1,
      state: NOT_STARTED,
      leading: false,
      pausedUntil: 0,
      cutUntil: 0,
      generation: 0,
    }));
    for (const [i, member] of this.#members.entries()) {
      // Some watch the Lease, others look at it now and then.
      if (i % 2 === 0) this.#later(0, () => this.#deliver(member, { kind: 'watching', on: true }));
      this.#later(0, () => this.#deliver(member, { kind: 'wake' }));
    }
  }

  /** Runs for `ms` of true time. */
  run(ms: number, { faults }: { readonly faults: boolean }): void {
    const end = this.#now + ms;
    this.#faults = faults;
    if (faults) this.#later(this.#random() * 3000, () => this.#mischief(end));
    else for (const member of this.#members) member.pausedUntil = member.cutUntil = 0;
    for (;;) {
      const next = this.#tasks.reduce<Task | null>((a, b) => (a === null || isBefore(b, a) ? b : a), null);
      if (next === null || next.at > end) break;
      this.#tasks.splice(this.#tasks.indexOf(next), 1);
      this.#now = next.at;
      next.run();
      this.#check();
    }
    this.#now = end;
    this.#check();
  }

  /** Indices of those that may act as leader now. */
  leaders(): number[] {
    return this.#members.flatMap((member, i) => (this.#acts(member) ? [i] : []));
  }

  stop(index: number): void {
    const member = this.#members[index]!;
    this.#deliver(member, { kind: 'stop' });
  }

  #acts(member: Member): boolean {
    return member.leading && leads(member.state, this.#local(member));
  }

  #check(): void {
    const leaders = this.leaders();
    if (leaders.length > 1) this.overlaps.push(`${this.#now}: ${leaders.join(', ')}`);
  }

  #local(member: Member): number {
    return member.offset + member.rate * this.#now;
  }

  #later(ms: number, run: () => void): void {
    this.#tasks.push({ at: this.#now + ms, order: this.#order++, run });
  }

  #deliver(member: Member, event: ElectionEvent): void {
    if (this.#now < member.pausedUntil) {
      return this.#later(member.pausedUntil - this.#now, () => this.#deliver(member, event));
    }
    const step = advance(member.state, event, member.config, this.#local(member), this.#random());
    member.state = step.state;
    for (const action of step.actions) {
      if (action.kind === 'request') this.#request(member, action.request);
      else if (action.kind === 'elected') {
        member.leading = true;
        this.terms++;
      } else member.leading = false;
    }
    const { wakeAt } = step;
    const generation = ++member.generation;
    if (wakeAt === null) return;
    this.#later(Math.max(0, (wakeAt - this.#local(member)) / member.rate), () => {
      if (generation === member.generation) this.#deliver(member, { kind: 'wake' });
    });
  }

  /** The server may carry out what the candidate has long given up on. */
  #request(member: Member, request: ElectionRequest): void {
    let answered = false;
    const answer = (event: ElectionEvent): void => {
      if (answered) return;
      answered = true;
      this.#deliver(member, event);
    };
    this.#later(TIMEOUT / member.rate, () => answer({ kind: 'failed', why: 'other' }));
    if (this.#isLost(member)) return;
    this.#later(this.#delay(), () => {
      const event = this.#serve(member.config.identity, request);
      if (!this.#isLost(member)) this.#later(this.#delay(), () => answer(event));
    });
  }

  #serve(identity: string, request: ElectionRequest): ElectionEvent {
    if (this.#faults && this.#random() < 0.03) return { kind: 'failed', why: 'other' };
    if (request.kind === 'read') return { kind: 'read', lease: this.#lease };
    if (request.kind === 'create') {
      if (this.#lease !== null) return { kind: 'failed', why: 'conflict' };
    } else {
      if (this.#lease === null) return { kind: 'failed', why: 'missing' };
      if (this.#lease.resourceVersion !== request.lease.resourceVersion)
        return { kind: 'failed', why: 'conflict' };
    }
    this.#lease = {
      holder: request.kind === 'release' ? '' : identity,
      durationMs: request.kind === 'release' ? 1000 : CONFIG.leaseDuration,
      transitions: 0,
      acquireTime: null,
      resourceVersion: String(++this.#version),
    };
    this.#tellWatchers();
    return { kind: 'written', lease: this.#lease };
  }

  /** Late, out of order, or never. */
  #tellWatchers(): void {
    const lease = this.#lease;
    for (const member of this.#members.filter(({ state }) => state.watching)) {
      if (!this.#isLost(member)) {
        this.#later(this.#delay(), () => this.#deliver(member, { kind: 'seen', lease }));
      }
    }
  }

  #isLost(member: Member): boolean {
    return this.#now < member.cutUntil || (this.#faults && this.#random() < 0.05);
  }

  #delay(): number {
    const slow = this.#faults && this.#random() < 0.1;
    return this.#random() * (slow ? 12_000 : 50);
  }

  /** Something bad happens to somebody, again and again. */
  #mischief(end: number): void {
    if (this.#now >= end || !this.#faults) return;
    const member = this.#members[Math.floor(this.#random() * this.#members.length)]!;
    const what = this.#random();
    if (what < 0.3) member.cutUntil = this.#now + this.#random() * 40_000;
    else if (what < 0.6) member.pausedUntil = this.#now + this.#random() * 30_000;
    else if (what < 0.66) {
      this.#lease = null;
      this.#tellWatchers();
    } else if (this.#lease !== null) {
      this.#lease = { ...this.#lease, resourceVersion: String(++this.#version) };
    }
    this.#later(this.#random() * 20_000, () => this.#mischief(end));
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
