/**
 * Leader election by a Lease (coordination.k8s.io/v1): the rules, without sockets and without a clock. One event and
 * the time go in, what to do comes out.
 *
 * The rules are those of client-go's `leaderelection`, with its three times. Clocks of two machines are never
 * compared: a Lease has expired when it did not change for its duration on *our* monotonic clock. Whoever leads stops
 * `renewDeadline` after it *sent* its last successful write, which is before anybody else may think it expired.
 * Every write carries the resourceVersion it is based on, so of two only one succeeds.
 *
 * One rule is stricter. Somebody may have deleted the Lease under a leader, so who creates one is on probation: it
 * leads when it has held that very Lease, unbroken by other writes, for a whole duration. The first start ever takes
 * that long, unless an empty Lease is installed along with the program.
 */

/** Milliseconds. Safe as long as clocks run at the same speed within (lease − renew) / lease. */
export interface ElectionTimes {
  /** How long the others wait for a sign of life. */
  readonly leaseDuration: number;
  /** How long a leader leads after its last renewal. */
  readonly renewDeadline: number;
  readonly retryPeriod: number;
}

export interface ElectionConfig extends ElectionTimes {
  /** Unique to this process: two with the same would both lead. */
  readonly identity: string;
}

/** A Lease as far as the election reads it. */
export interface LeaseRecord {
  /** '' when it was released. */
  readonly holder: string;
  /** null when the holder did not say. */
  readonly durationMs: number | null;
  /** How often the holder changed. */
  readonly transitions: number;
  /** When the holder got it, in the holder's own spelling. */
  readonly acquireTime: string | null;
  readonly resourceVersion: string;
}

export type ElectionEvent =
  /** The time of the last `wait` has come; also the first event of all. */
  | { readonly kind: 'wake' }
  /** Answers of the API server to the request that is on its way. */
  | { readonly kind: 'read'; readonly lease: LeaseRecord | null }
  | { readonly kind: 'written'; readonly lease: LeaseRecord }
  /** `conflict`: the Lease is another than the one written (409). `missing`: there is none (404). */
  | { readonly kind: 'failed'; readonly why: 'conflict' | 'missing' | 'other' }
  /** A watch tells, possibly late, how the Lease is; as long as `watching` is true there need be no looks at it. */
  | { readonly kind: 'seen'; readonly lease: LeaseRecord | null }
  | { readonly kind: 'watching'; readonly on: boolean }
  /** The process is about to end. */
  | { readonly kind: 'stop' };

export type ElectionRequest =
  | { readonly kind: 'read' }
  | { readonly kind: 'create' }
  /** Writes `lease` anew: as ours from now on, as still ours, as nobody's. */
  | { readonly kind: 'acquire' | 'renew' | 'release'; readonly lease: LeaseRecord };

export type ElectionAction =
  /** At most one request is on its way at a time; it must be answered, with `failed` at the latest after its timeout. */
  | { readonly kind: 'request'; readonly request: ElectionRequest }
  | { readonly kind: 'elected' }
  | { readonly kind: 'lost'; readonly why: string }
  /** Nothing more is to come. */
  | { readonly kind: 'stopped' };

export interface ElectionState {
  /** What was read or written last, and since when (ms) it has been so; null before the first answer. */
  readonly seen: { readonly lease: LeaseRecord | null; readonly since: number } | null;
  readonly pending: { readonly request: ElectionRequest; readonly sentAt: number } | null;
  /** We lead until then; null while we do not. */
  readonly leadsUntil: number | null;
  readonly retryAt: number;
  /** While the Lease is ours we lead from then on (ms). */
  readonly probation: number;
  /** Conflicts since the last success: the first is looked into at once, further ones wait. */
  readonly conflicts: number;
  readonly watching: boolean;
  readonly stopping: boolean;
}

export interface ElectionStep {
  readonly state: ElectionState;
  readonly actions: readonly ElectionAction[];
  /** When to send `wake`, whatever else happens; null for never. */
  readonly wakeAt: number | null;
}

export const NOT_STARTED: ElectionState = {
  seen: null,
  pending: null,
  leadsUntil: null,
  retryAt: -Infinity,
  probation: -Infinity,
  conflicts: 0,
  watching: false,
  stopping: false,
};

/** Beyond this a duration is not believed: nobody shall block the election for a day. */
const MAX_DURATION_MS = 600_000;
/** As client-go: waits of candidates vary, so that they do not meet again and again. */
const JITTER = 1.2;

/** Whether we lead at `now`. Also right when `wake` came late, as after a pause of the process. */
export function leads(state: ElectionState, now: number): boolean {
  return state.leadsUntil !== null && now < state.leadsUntil;
}

/** `now` in ms of a monotonic clock; `random` from 0 to 1. */
export function advance(
  state: ElectionState,
  event: ElectionEvent,
  config: ElectionConfig,
  now: number,
  random: number,
): ElectionStep {
  const turn = new Turn(state, config, now, random);
  turn.expire();
  turn.take(event);
  return turn.finish();
}

/** One event being worked through. */
class Turn {
  readonly #config: ElectionConfig;
  readonly #now: number;
  readonly #random: number;
  readonly #actions: ElectionAction[] = [];
  #state: ElectionState;

  constructor(state: ElectionState, config: ElectionConfig, now: number, random: number) {
    this.#state = state;
    this.#config = config;
    this.#now = now;
    this.#random = random;
  }

  finish(): ElectionStep {
    const { pending, leadsUntil, retryAt } = this.#state;
    const times = [leadsUntil ?? Infinity, pending === null ? retryAt : Infinity];
    const wakeAt = Math.min(...times);
    return { state: this.#state, actions: this.#actions, wakeAt: wakeAt === Infinity ? null : wakeAt };
  }

  expire(): void {
    const { leadsUntil } = this.#state;
    if (leadsUntil !== null && this.#now >= leadsUntil) this.#lose('the Lease could not be renewed in time');
  }

  take(event: ElectionEvent): void {
    switch (event.kind) {
      case 'wake':
        if (this.#state.pending === null && this.#now >= this.#state.retryAt) this.#attempt();
        return;
      case 'read':
        this.#set({ pending: null });
        this.#observe(event.lease);
        return this.#decide();
      case 'written':
        return this.#written(event.lease);
      case 'failed':
        return this.#failed(event.why);
      case 'seen':
        return this.#seen(event.lease);
      case 'watching':
        return this.#watching(event.on);
      case 'stop':
        return this.#stop();
      default:
        return event satisfies never;
    }
  }

  /** Who leads or asks knows better; of what comes late at worst a wait begins anew, or a write is a conflict. */
  #seen(lease: LeaseRecord | null): void {
    if (this.#state.leadsUntil !== null || this.#state.pending !== null || this.#state.stopping) return;
    if (lease?.holder === this.#config.identity) return;
    this.#observe(lease);
    this.#decide();
  }

  #watching(on: boolean): void {
    this.#set({ watching: on });
    // What happened while nobody watched is not known.
    if (!on && this.#state.leadsUntil === null && !this.#state.stopping) this.#retry(this.#state.retryAt);
  }

  /** Whoever holds it knows what to write; everybody else looks first. */
  #attempt(): void {
    const lease = this.#state.seen?.lease;
    if (lease?.holder === this.#config.identity) this.#send({ kind: 'renew', lease });
    else this.#send({ kind: 'read' });
  }

  #observe(lease: LeaseRecord | null): void {
    const { seen, leadsUntil } = this.#state;
    if (seen !== null && seen.lease?.resourceVersion === lease?.resourceVersion) return;
    this.#set({ seen: { lease, since: this.#now } });
    // It became ours by a write whose answer got lost: it is not known what was there before.
    if (leadsUntil === null && lease?.holder === this.#config.identity) this.#beginProbation();
  }

  #beginProbation(): void {
    this.#set({ probation: this.#now + this.#config.leaseDuration });
  }

  /** After a look at the Lease. */
  #decide(): void {
    const { lease, since } = this.#state.seen!; // something was observed just now
    const leading = this.#state.leadsUntil !== null;
    if (this.#state.stopping) return this.#releaseIfOurs();
    if (lease === null) return this.#send({ kind: 'create' });
    if (lease.holder === this.#config.identity) return this.#send({ kind: 'renew', lease });
    if (leading) this.#lose(`${lease.holder === '' ? 'nobody' : lease.holder} holds the Lease`);
    const expiry = since + this.#durationOf(lease);
    if (lease.holder === '' || this.#now >= expiry) return this.#send({ kind: 'acquire', lease });
    this.#retry(expiry);
  }

  #durationOf(lease: LeaseRecord): number {
    return Math.min(lease.durationMs ?? this.#config.leaseDuration, MAX_DURATION_MS);
  }

  #written(lease: LeaseRecord): void {
    const { request, sentAt } = this.#state.pending!; // an answer answers a request
    this.#set({ pending: null, seen: { lease, since: this.#now }, conflicts: 0 });
    if (request.kind === 'release') return this.#stopped();
    if (request.kind === 'acquire') this.#set({ probation: -Infinity });
    if (request.kind === 'create' && this.#state.leadsUntil === null) this.#beginProbation();
    if (this.#state.stopping) return this.#releaseIfOurs();
    const { renewDeadline, retryPeriod } = this.#config;
    this.#set({ retryAt: sentAt + retryPeriod });
    const until = sentAt + renewDeadline;
    // An answer that took too long proves nothing: by now somebody else may have waited long enough.
    if (this.#now >= until || sentAt < this.#state.probation) return;
    if (this.#state.leadsUntil === null) this.#actions.push({ kind: 'elected' });
    this.#set({ leadsUntil: until });
  }

  #failed(why: 'conflict' | 'missing' | 'other'): void {
    const { request } = this.#state.pending!;
    this.#set({ pending: null });
    if (this.#state.stopping) {
      // A renewal whose answer got lost may have changed the Lease: look once before leaving it behind.
      const again = why === 'conflict' && request.kind === 'release' && this.#state.conflicts === 0;
      this.#set({ conflicts: this.#state.conflicts + 1 });
      return again ? this.#send({ kind: 'read' }) : this.#stopped();
    }
    if (why === 'missing') {
      this.#observe(null);
      return this.#decide();
    }
    const leading = this.#state.leadsUntil !== null;
    if (why === 'conflict') {
      this.#set({ conflicts: this.#state.conflicts + 1 });
      if (leading && this.#state.conflicts === 1) return this.#send({ kind: 'read' });
      // The next attempt looks first, since what we know is outdated.
      this.#set({ seen: { lease: null, since: this.#now } });
    }
    this.#retry(Infinity);
  }

  #stop(): void {
    if (this.#state.stopping) return;
    this.#set({ stopping: true, conflicts: 0 });
    if (this.#state.leadsUntil !== null) this.#lose('stopping');
    // What is on its way may make us the holder: its answer decides.
    if (this.#state.pending === null) this.#releaseIfOurs();
  }

  /** On probation it is not ours to give: an earlier leader may still be there. */
  #releaseIfOurs(): void {
    const lease = this.#state.seen?.lease;
    const ours = lease?.holder === this.#config.identity && this.#now >= this.#state.probation;
    if (lease && ours) this.#send({ kind: 'release', lease });
    else this.#stopped();
  }

  #stopped(): void {
    this.#set({ retryAt: Infinity });
    this.#actions.push({ kind: 'stopped' });
  }

  #lose(why: string): void {
    this.#set({ leadsUntil: null });
    this.#actions.push({ kind: 'lost', why });
  }

  /** Waits for the next attempt, and not beyond `latest`. */
  #retry(latest: number): void {
    const { retryPeriod } = this.#config;
    const leading = this.#state.leadsUntil !== null;
    const spread = retryPeriod * (1 + JITTER * this.#random);
    const wait = leading ? retryPeriod : this.#state.watching && latest < Infinity ? Infinity : spread;
    this.#set({ retryAt: Math.min(this.#now + wait, Math.max(latest, this.#now)) });
  }

  #send(request: ElectionRequest): void {
    this.#set({ pending: { request, sentAt: this.#now } });
    this.#actions.push({ kind: 'request', request });
  }

  #set(changes: Partial<ElectionState>): void {
    this.#state = { ...this.#state, ...changes };
  }
}
