/**
 * One coarse timer wheel per worker. A connection only stores a number when its deadline moves later; the
 * wheel looks at it when the slot it was last put into comes round, and puts it where it belongs by then.
 */

const TICK_MS = 100;
const SLOTS = 1024;
/** Index of the list that is being fired. */
const FIRING = SLOTS;

/** Something with a deadline. The last three fields belong to the wheel. */
export interface Timed {
  /** In milliseconds of {@link TimerWheel.now}; 0 for none. */
  deadline: number;
  onDeadline(): void;
  wheelSlot: number;
  wheelPrevious: Timed | null;
  wheelNext: Timed | null;
}

export class TimerWheel {
  /** Coarse monotonic clock in milliseconds: at most one tick behind. */
  now: number;
  /** The longest a tick came late since it was last set to 0: how long the loop was held, in ms. */
  worstLagMs = 0;
  readonly #heads: (Timed | null)[] = new Array(SLOTS + 1).fill(null);
  readonly #clock: () => number;
  readonly #onFault: (error: unknown) => void;
  #tick: number;
  #timer: NodeJS.Timeout | null = null;

  /** `clock` gives monotonic milliseconds; `onFault` is told what a callback threw, the other timers go on. */
  constructor(clock: () => number, onFault: (error: unknown) => void = rethrow) {
    this.#clock = clock;
    this.#onFault = onFault;
    this.now = clock();
    this.#tick = Math.floor(this.now / TICK_MS);
  }

  start(): void {
    this.#timer = setInterval(() => this.advance(), TICK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /**
   * Sets the deadline `ms` from now (0: none). Cheap when it lies behind the slot the object already waits in,
   * which is the rule for a busy connection.
   */
  set(timed: Timed, ms: number): void {
    if (ms === 0) {
      timed.deadline = 0;
      return;
    }
    // The clock may lag by a tick; never fire early.
    const deadline = this.now + ms + TICK_MS;
    timed.deadline = deadline;
    const tick = this.#tickFor(deadline);
    if (timed.wheelSlot >= 0 && this.#tickOfSlot(timed.wheelSlot) <= tick) return;
    this.remove(timed);
    this.#insert(timed, tick);
  }

  remove(timed: Timed): void {
    const slot = timed.wheelSlot;
    if (slot < 0) return;
    const { wheelPrevious: previous, wheelNext: next } = timed;
    if (previous === null) this.#heads[slot] = next;
    else previous.wheelNext = next;
    if (next !== null) next.wheelPrevious = previous;
    timed.wheelSlot = -1;
    timed.wheelPrevious = null;
    timed.wheelNext = null;
  }

  /** Fires what is due by the clock. */
  advance(): void {
    const before = this.now;
    this.now = this.#clock();
    const lag = this.now - before - TICK_MS;
    if (lag > this.worstLagMs) this.worstLagMs = lag;
    const target = Math.floor(this.now / TICK_MS);
    // After a long stop every slot is due once.
    if (target - this.#tick > SLOTS) this.#tick = target - SLOTS;
    while (this.#tick < target) {
      this.#tick++;
      this.#fire(this.#tick % SLOTS);
    }
  }

  #fire(slot: number): void {
    // The chain moves to a list of its own first: a callback may remove any entry of it or insert new ones.
    for (let entry = this.#heads[slot] ?? null; entry !== null; entry = entry.wheelNext)
      entry.wheelSlot = FIRING;
    this.#heads[FIRING] = this.#heads[slot] ?? null;
    this.#heads[slot] = null;
    for (let entry = this.#heads[FIRING]; entry; entry = this.#heads[FIRING]) {
      this.remove(entry);
      if (entry.deadline === 0) continue;
      if (entry.deadline <= this.now) {
        entry.deadline = 0;
        try {
          entry.onDeadline();
        } catch (error) {
          this.#onFault(error);
        }
      } else this.#insert(entry, this.#tickFor(entry.deadline));
    }
  }

  #insert(timed: Timed, tick: number): void {
    const slot = tick % SLOTS;
    const head = this.#heads[slot] ?? null;
    timed.wheelSlot = slot;
    timed.wheelPrevious = null;
    timed.wheelNext = head;
    if (head !== null) head.wheelPrevious = timed;
    this.#heads[slot] = timed;
  }

  /** The tick at which a deadline is looked at: past ones at the next, far ones as late as the wheel reaches. */
  #tickFor(deadline: number): number {
    const tick = Math.ceil(deadline / TICK_MS);
    return tick <= this.#tick ? this.#tick + 1 : tick >= this.#tick + SLOTS ? this.#tick + SLOTS - 1 : tick;
  }

  #tickOfSlot(slot: number): number {
    const offset = (slot - (this.#tick % SLOTS) + SLOTS) % SLOTS;
    return this.#tick + (offset === 0 ? SLOTS : offset);
  }
}

function rethrow(error: unknown): never {
  throw error;
}
