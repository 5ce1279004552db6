/**
 * Which addresses this speaker answers for: the hand-over between speakers, without sockets or clock.
 *
 * All speakers elect the same one from the same plan ({@link elect}); this is about the moments in which they do not
 * know the same. Two rules:
 *
 * - An address goes from hand to hand. The new one answers first and says so (its claims travel with its
 *   heartbeats); the old one stops when it hears that. Only who hears each other hands over.
 * - An address that nobody claims is asked for on the wire first. Who is cut off from us but lives still answers
 *   there, and so does a foreign host: then we do not begin, and ask again. Only silence lets us begin.
 *
 * Should two answer all the same, the one that is worse by the plan's order gives way after one detection interval.
 */
import { elect, type Member, usableInterfaces, type WantedAddress } from './wanted.ts';

export interface OwnershipTiming {
  /** How long a speaker listens to the others before it takes anything, and two may answer at most. */
  readonly detectMs: number;
  /** How long an answer on the wire is waited for; asked twice within. */
  readonly probeMs: number;
  /** When an address that is in use is asked for again. */
  readonly retryMs: number;
}

export type OwnershipAction =
  /** Answer from now on, on these interfaces; again when they changed. */
  | { readonly type: 'announce'; readonly address: string; readonly interfaces: readonly string[] }
  | { readonly type: 'withdraw'; readonly address: string }
  /** Ask on the wire who has it. */
  | { readonly type: 'probe'; readonly address: string; readonly interfaces: readonly string[] };

export type AddressState =
  /** Another one announces it, or nobody can. */
  | 'idle'
  /** Asking on the wire before beginning. */
  | 'probing'
  /** Somebody answers there who is not among the living speakers. */
  | 'in-use'
  | 'announcing';

interface Entry {
  readonly address: string;
  wanted: WantedAddress;
  state: AddressState;
  /** When the state was entered, or the last probe of it began. */
  since: number;
  /** The second probe is out. */
  askedTwice: boolean;
  interfaces: readonly string[];
  /** Since when another one claims it as well; infinite while nobody does. */
  doubledAt: number;
  /** Not before this time again, having given way. */
  notBefore: number;
  /** When a silent speaker was last told that we have it. */
  toldAt: number;
}

/** Who gave way does not try again for this many detection intervals. */
const BACKOFF = 10;

export class Ownership {
  readonly #self: string;
  readonly #timing: OwnershipTiming;
  readonly #entries = new Map<string, Entry>();
  #members: ReadonlyMap<string, Member> = new Map();
  /** Nothing is taken before. */
  readonly #start: number;
  #leaving = false;

  constructor(self: string, timing: OwnershipTiming, now: number) {
    this.#self = self;
    this.#timing = timing;
    this.#start = now + timing.detectMs;
  }

  /** Addresses that we answer for. */
  *claims(): Iterable<string> {
    for (const { address, state } of this.#entries.values()) if (state === 'announcing') yield address;
  }

  /** Of every wanted address: what we do about it, and who should announce it by what we know. */
  *status(): Iterable<{ address: string; state: AddressState; elected: string | null }> {
    for (const { address, state, wanted } of this.#entries.values())
      yield { address, state, elected: elect(wanted, this.#members) };
  }

  /** From now on these are wanted. */
  plan(wanted: readonly WantedAddress[], now: number): OwnershipAction[] {
    const actions: OwnershipAction[] = [];
    const addresses = new Map(wanted.map((entry) => [entry.address, entry]));
    for (const entry of this.#entries.values()) {
      if (addresses.has(entry.address)) continue;
      if (entry.state === 'announcing') actions.push({ type: 'withdraw', address: entry.address });
      this.#entries.delete(entry.address);
    }
    for (const [address, entry] of addresses) {
      const known = this.#entries.get(address);
      if (known !== undefined) known.wanted = entry;
      else this.#entries.set(address, newEntry(entry, now));
    }
    return [...actions, ...this.tick(now)];
  }

  /** Everybody who lives, ourselves too; those that do not hear us are not among them. */
  members(members: ReadonlyMap<string, Member>, now: number): OwnershipAction[] {
    this.#members = members;
    return this.tick(now);
  }

  /** Somebody on the wire has the address; `speaker` is its name when it is one of us. */
  answered(address: string, speaker: string | null, now: number): OwnershipAction[] {
    const entry = this.#entries.get(address);
    if (entry === undefined) return [];
    if (entry.state === 'probing') this.#enter(entry, 'in-use', now);
    // A speaker that we do not hear answers as well: who is better keeps the address, the other one knows so too.
    if (entry.state !== 'announcing' || speaker === null || this.#members.has(speaker)) return [];
    if (this.#outranks(entry, speaker)) {
      this.#enter(entry, 'in-use', now);
      return [{ type: 'withdraw', address }];
    }
    if (now < entry.toldAt + this.#timing.detectMs) return [];
    entry.toldAt = now;
    return [{ type: 'announce', address, interfaces: entry.interfaces }];
  }

  /** Nothing is taken any more; what we have goes as soon as another one claims it. */
  leave(): void {
    this.#leaving = true;
  }

  /** Looks at every address. To be called when {@link deadline} is due; does no harm at other times. */
  tick(now: number): OwnershipAction[] {
    const actions: OwnershipAction[] = [];
    for (const entry of this.#entries.values())
      if (entry.state === 'announcing') this.#keep(entry, now, actions);
      else this.#consider(entry, now, actions);
    return actions;
  }

  /** When something is due by time alone; infinite for never. */
  deadline(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) due = Math.min(due, this.#due(entry));
    return due;
  }

  #due(entry: Entry): number {
    const { detectMs, probeMs, retryMs } = this.#timing;
    switch (entry.state) {
      case 'announcing':
        return entry.doubledAt + detectMs;
      case 'probing':
        return entry.since + (entry.askedTwice ? probeMs : probeMs / 2);
      case 'in-use':
        return Math.max(entry.since + retryMs, entry.notBefore);
      case 'idle':
        return !this.#leaving && elect(entry.wanted, this.#members) === this.#self
          ? Math.max(this.#start, entry.notBefore)
          : Number.POSITIVE_INFINITY;
      default:
        return entry.state satisfies never;
    }
  }

  /** An address that we answer for: on which interfaces, and whether still. */
  #keep(entry: Entry, now: number, actions: OwnershipAction[]): void {
    const { address, wanted } = entry;
    const elected = elect(wanted, this.#members);
    const others = this.#claimants(address);
    const wasDoubled = entry.doubledAt < Number.POSITIVE_INFINITY;
    entry.doubledAt = others.length === 0 ? Number.POSITIVE_INFINITY : Math.min(entry.doubledAt, now);
    const tooLong = now >= entry.doubledAt + this.#timing.detectMs;
    if (
      elected !== this.#self
        ? // Nobody may: so may not we, unless we leave and there is nobody else.
          (elected === null && !this.#leaving) || others.some(({ name }) => name === elected)
        : tooLong && others.some(({ name }) => this.#outranks(entry, name))
    ) {
      entry.notBefore = tooLong ? now + BACKOFF * this.#timing.detectMs : now;
      this.#enter(entry, 'idle', now);
      actions.push({ type: 'withdraw', address });
      return;
    }
    if (tooLong) entry.doubledAt = now;
    const interfaces = this.#interfaces(entry);
    // Who gave way to us was believed by hosts until now.
    const alone = wasDoubled && others.length === 0;
    if (interfaces.length > 0 && (alone || !sameNames(interfaces, entry.interfaces))) {
      entry.interfaces = interfaces;
      actions.push({ type: 'announce', address, interfaces });
    }
  }

  /** An address that we do not answer for. */
  #consider(entry: Entry, now: number, actions: OwnershipAction[]): void {
    const wanted = !this.#leaving && elect(entry.wanted, this.#members) === this.#self;
    if (!wanted) return this.#enter(entry, 'idle', now);
    if (now < this.#start || now < entry.notBefore) return;
    if (this.#claimants(entry.address).length > 0) {
      // They are among the members: they hear us, and stop when they hear of our claim.
      this.#announce(entry, now, actions);
      return;
    }
    const { probeMs, retryMs } = this.#timing;
    if (entry.state === 'probing') {
      if (now >= entry.since + probeMs && entry.askedTwice) return this.#announce(entry, now, actions);
      if (now < entry.since + probeMs / 2 || entry.askedTwice) return;
      entry.askedTwice = true;
    } else {
      if (entry.state === 'in-use' && now < entry.since + retryMs) return;
      this.#enter(entry, 'probing', now);
    }
    actions.push({ type: 'probe', address: entry.address, interfaces: this.#interfaces(entry) });
  }

  #announce(entry: Entry, now: number, actions: OwnershipAction[]): void {
    this.#enter(entry, 'announcing', now);
    entry.interfaces = this.#interfaces(entry);
    actions.push({ type: 'announce', address: entry.address, interfaces: entry.interfaces });
  }

  #enter(entry: Entry, state: AddressState, now: number): void {
    if (entry.state === state) return;
    entry.state = state;
    entry.since = now;
    entry.askedTwice = false;
    entry.doubledAt = Number.POSITIVE_INFINITY;
  }

  #claimants(address: string): Member[] {
    const found: Member[] = [];
    for (const member of this.#members.values())
      if (member.name !== this.#self && member.claims.has(address)) found.push(member);
    return found;
  }

  #interfaces({ wanted }: Entry): readonly string[] {
    const candidate = wanted.candidates.find(({ node }) => node === this.#self);
    const self = this.#members.get(this.#self);
    return candidate === undefined || self === undefined ? [] : usableInterfaces(candidate, self);
  }

  /** Whether `other` comes before us in the plan's order; who is not in it comes last. */
  #outranks({ wanted }: Entry, other: string): boolean {
    const rank = (name: string) => {
      const found = wanted.candidates.findIndex(({ node }) => node === name);
      return found === -1 ? Number.POSITIVE_INFINITY : found;
    };
    const [ours, theirs] = [rank(this.#self), rank(other)];
    return theirs < ours || (theirs === ours && other < this.#self);
  }
}

function newEntry(wanted: WantedAddress, now: number): Entry {
  return {
    address: wanted.address,
    wanted,
    state: 'idle',
    since: now,
    askedTwice: false,
    interfaces: [],
    doubledAt: Number.POSITIVE_INFINITY,
    notBefore: 0,
    toldAt: Number.NEGATIVE_INFINITY,
  };
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
