/**
 * Which addresses this speaker answers for: the hand-over between speakers, without sockets or clock.
 *
 * All speakers elect the same one from the same plan ({@link elect}); this is about the moments in which they do not
 * know the same. Two rules:
 *
 * - An address goes from hand to hand. The old one lets who serves it finish ({@link OwnershipTiming.releaseMs}), then
 *   says that it would hand over, the new one answers and says so
 *   (claims travel with heartbeats), the old one stops when it hears that. Who does not agree, since it knows another
 *   plan or another membership, keeps the address.
 * - An address that nobody claims is asked for on the wire first. Who is cut off from us but lives still answers
 *   there, and so does a foreign host: then we do not begin, and ask again. Only silence lets us begin.
 *
 * Should two answer all the same, since they began at the same time, one gives way after a detection interval: by
 * name, since that does not depend on what they know.
 */
import { elect, type Member, usableInterfaces, type WantedAddress } from './wanted.ts';

export interface OwnershipTiming {
  /** How long a speaker listens to the others before it takes anything, and two may answer at most. */
  readonly detectMs: number;
  /** How long an answer on the wire is waited for; asked twice within. */
  readonly probeMs: number;
  /** When an address that is in use is asked for again. */
  readonly retryMs: number;
  /** How long who serves an address may take to let it go, before it is handed over; 0: nobody is asked. */
  readonly releaseMs: number;
}

export type OwnershipAction =
  /** Answer from now on, on these interfaces; again when they changed. */
  | { readonly type: 'announce'; readonly address: string; readonly interfaces: readonly string[] }
  | { readonly type: 'withdraw'; readonly address: string }
  /** Let it go, for it is to be handed over; {@link Ownership.released} says that this is done. */
  | { readonly type: 'release'; readonly address: string }
  /** It is not handed over after all. */
  | { readonly type: 'retain'; readonly address: string }
  /** Ask on the wire who has it. */
  | { readonly type: 'probe'; readonly address: string; readonly interfaces: readonly string[] };

export type AddressState =
  /** Another one announces it, or nobody can. */
  | 'idle'
  /** Asking on the wire before beginning. */
  | 'probing'
  /** Somebody answers there who is not among the living speakers. */
  | 'in-use'
  /** A living speaker claims it and would not hand over. */
  | 'waiting'
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
  /** When it is looked at next whether that is too long. */
  judgeAt: number;
  /** Speakers that were seen to have it on the wire, and when. */
  readonly rivals: Map<string, { readonly first: number; readonly last: number }>;
  /** When they were last told that we have it. */
  toldAt: number;
  /** Whether who serves it has let it go: not asked to, asked, done. */
  release: 'no' | 'asked' | 'done';
  /** Until when that is waited for. */
  releaseBy: number;
}

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

  /** Addresses that we answer for, and whether we would hand them over. */
  *claims(): Iterable<readonly [address: string, yielding: boolean]> {
    for (const { address, state, wanted, release } of this.#entries.values()) {
      if (state !== 'announcing') continue;
      const elected = elect(wanted, this.#members);
      yield [address, elected === null || (elected !== this.#self && release === 'done')];
    }
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

  /** Somebody on the wire has the address; `speaker` is its name when it is one of us, heard or not. */
  answered(address: string, speaker: string | null, now: number): OwnershipAction[] {
    const entry = this.#entries.get(address);
    if (entry === undefined) return [];
    if (entry.state === 'probing') this.#enter(entry, 'in-use', now);
    if (entry.state !== 'announcing' || speaker === null) return [];
    const rival = entry.rivals.get(speaker);
    entry.rivals.set(speaker, { first: rival?.first ?? now, last: now });
    const actions: OwnershipAction[] = [];
    this.#keep(entry, now, actions);
    if (actions.length > 0 || now < entry.toldAt + this.#timing.detectMs) return actions;
    entry.toldAt = now;
    return [{ type: 'announce', address, interfaces: entry.interfaces }];
  }

  /**
   * Somebody else asks whether the address is free, to use it (RFC 5227 section 2.1.1). While we do, too, one of us
   * waits: the one with the higher MAC, since that is all that both know.
   */
  probed(address: string, byLowerMac: boolean, now: number): void {
    const entry = this.#entries.get(address);
    if (entry?.state === 'probing' && byLowerMac) this.#enter(entry, 'in-use', now);
  }

  /** Who serves the address has let it go. */
  released(address: string): void {
    const entry = this.#entries.get(address);
    if (entry?.release === 'asked') entry.release = 'done';
  }

  /** Nothing is taken any more; what we have goes as soon as another one claims it. */
  leave(): void {
    this.#leaving = true;
    // From now on, not from the next look at the members: until then we would fight for what is taken from us.
    const self = this.#members.get(this.#self);
    if (self !== undefined) this.#members = new Map(this.#members).set(self.name, { ...self, leaving: true });
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
    const { probeMs, retryMs } = this.#timing;
    switch (entry.state) {
      case 'announcing':
        return entry.release === 'asked' ? Math.min(entry.judgeAt, entry.releaseBy) : entry.judgeAt;
      case 'probing':
        return entry.since + (entry.askedTwice ? probeMs : probeMs / 2);
      case 'in-use':
        return entry.since + retryMs;
      case 'waiting':
        return Number.POSITIVE_INFINITY;
      case 'idle':
        return !this.#leaving && elect(entry.wanted, this.#members) === this.#self
          ? this.#start
          : Number.POSITIVE_INFINITY;
      default:
        return entry.state satisfies never;
    }
  }

  /** An address that we answer for: on which interfaces, and whether still. */
  #keep(entry: Entry, now: number, actions: OwnershipAction[]): void {
    const { address } = entry;
    for (const [name, { last }] of entry.rivals)
      if (now >= last + this.#timing.detectMs) entry.rivals.delete(name);
    const others = this.#claimants(address);
    const wasDoubled = entry.doubledAt < Number.POSITIVE_INFINITY;
    const doubled = others.length > 0 || entry.rivals.size > 0;
    entry.doubledAt = doubled ? Math.min(entry.doubledAt, now) : Number.POSITIVE_INFINITY;
    const tooLong = now >= entry.doubledAt + this.#timing.detectMs;
    if (this.#isTaken(entry, others, now) || (tooLong && this.#givesWay(entry, others))) {
      this.#enter(entry, 'idle', now);
      actions.push({ type: 'withdraw', address });
      return;
    }
    this.#letGo(entry, now, actions);
    entry.judgeAt = tooLong ? now + this.#timing.detectMs : entry.doubledAt + this.#timing.detectMs;
    const interfaces = this.#interfaces(entry);
    // Who gave way to us was believed by hosts until now.
    const alone = wasDoubled && !doubled;
    if (interfaces.length > 0 && (alone || !sameNames(interfaces, entry.interfaces))) {
      entry.interfaces = interfaces;
      actions.push({ type: 'announce', address, interfaces });
    }
  }

  /** Before we say that we would hand an address over, who serves it is asked to let it go. */
  #letGo(entry: Entry, now: number, actions: OwnershipAction[]): void {
    const { address, wanted } = entry;
    const elected = elect(wanted, this.#members);
    if (elected === null || elected === this.#self) {
      if (entry.release !== 'no') actions.push({ type: 'retain', address });
      entry.release = 'no';
    } else if (entry.release === 'no') {
      const { releaseMs } = this.#timing;
      entry.release = releaseMs > 0 ? 'asked' : 'done';
      entry.releaseBy = now + releaseMs;
      if (releaseMs > 0) actions.push({ type: 'release', address });
    } else if (now >= entry.releaseBy) entry.release = 'done';
  }

  /** We would hand the address over, and somebody has it who would not; or nobody may have it, we neither. */
  #isTaken({ address, wanted, rivals }: Entry, others: readonly Member[], now: number): boolean {
    const elected = elect(wanted, this.#members);
    if (elected === this.#self) return false;
    if (elected === null) return !this.#leaving || others.length > 0;
    return (
      // What was seen earlier may have been before it ended and began anew.
      rivals.get(elected)?.last === now ||
      others.some(({ name, claims }) => name === elected || claims.get(address) === false)
    );
  }

  /** By name; who would hand the address over does so sooner, when it hears of us. */
  #givesWay({ address, wanted, rivals }: Entry, others: readonly Member[]): boolean {
    const firm = elect(wanted, this.#members) === this.#self;
    // What the living say counts more than what was seen; of the others one sighting may have been their last.
    for (const [name, { first, last }] of rivals)
      if (name < this.#self && !this.#members.has(name) && last - first >= this.#timing.detectMs / 2)
        return true;
    return others.some(({ name, claims }) => name < this.#self && !(firm && claims.get(address) === true));
  }

  /** An address that we do not answer for. */
  #consider(entry: Entry, now: number, actions: OwnershipAction[]): void {
    const wanted = !this.#leaving && elect(entry.wanted, this.#members) === this.#self;
    if (!wanted) return this.#enter(entry, 'idle', now);
    if (now < this.#start) return;
    const others = this.#claimants(entry.address);
    if (others.length > 0) {
      // They are among the members: they hear us, and stop when they hear of our claim.
      const agreed = others.every(({ claims }) => claims.get(entry.address) === true);
      return agreed ? this.#announce(entry, now, actions) : this.#enter(entry, 'waiting', now);
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
    entry.judgeAt = Number.POSITIVE_INFINITY;
    entry.release = 'no';
    entry.rivals.clear();
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
    judgeAt: Number.POSITIVE_INFINITY,
    rivals: new Map(),
    toldAt: Number.NEGATIVE_INFINITY,
    release: 'no',
    releaseBy: Number.POSITIVE_INFINITY,
  };
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
