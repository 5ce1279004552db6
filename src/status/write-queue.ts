/**
 * Writes that wait for their turn: newest wins, bounded rate and parallelism, retries with backoff, and nothing is
 * written twice on the same ground. Has neither sockets nor a clock; `now` is in ms of a monotonic clock.
 */

export interface WriteRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | boolean>>;
  readonly contentType?: string;
  readonly body?: unknown;
}

export interface Write {
  /** What is written; of two writes of one key the later one counts. */
  readonly key: string;
  readonly request: WriteRequest;
  /** What to send instead when the first is answered with this status. */
  readonly fallback?: { readonly status: 404 | 409; readonly request: WriteRequest };
  /** The object that the write follows from. As long as it is the same (`===`), a write that was done is not repeated. */
  readonly basis: unknown;
}

/**
 * `gone`: there is nothing to write to any more, which is no error. `retry`: soon, at the earliest after `afterMs`.
 * `refused`: not before somebody changed something, so it is tried now and then only, or when the object changed.
 */
export type Outcome =
  | { readonly kind: 'done' | 'gone' | 'refused' }
  | { readonly kind: 'retry'; readonly afterMs: number };

export interface QueueLimits {
  readonly parallel: number;
  readonly perSecond: number;
  readonly burst: number;
  /** Writes that wait; further ones are dropped. */
  readonly waiting: number;
}

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;
/** Ten thousand writes that are all forbidden shall not keep the API server busy until somebody notices. */
const REFUSED_MS = { least: 60_000, most: 600_000 };
/** Somebody who undoes what we write is met again after a second, two, four, … */
const FIRST_REPEAT_MS = 1000;
/** After this long a write is no repetition of the one before. */
const QUIET_MS = 300_000;

/** What is known of a key that was written or tried. */
interface Past {
  /** The last write that was done or found gone; null when none was yet. */
  readonly done: Write | null;
  readonly text: string;
  readonly at: number;
  /** Failures, or repetitions of the same text, in a row. */
  readonly failures: number;
  readonly repeats: number;
  readonly notBefore: number;
  /** Whether the last try was refused: a changed object is then another matter. */
  readonly refused: boolean;
}

const NO_PAST: Past = {
  done: null,
  text: '',
  at: -Infinity,
  failures: 0,
  repeats: 0,
  notBefore: -Infinity,
  refused: false,
};

export class WriteQueue {
  readonly #limits: QueueLimits;
  readonly #waiting = new Map<string, Write>();
  readonly #running = new Map<string, Write>();
  readonly #past = new Map<string, Past>();
  #tokens: number;
  #filledAt = -Infinity;
  #dropped = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
    this.#tokens = limits.burst;
  }

  /** Writes that were dropped because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Everything that is to be written; what waits and is not in it has become needless. */
  replace(writes: Iterable<Write>, now: number): void {
    const before = new Set(this.#waiting.keys());
    for (const write of writes) {
      before.delete(write.key);
      this.put(write, now);
    }
    for (const key of before) this.#waiting.delete(key);
    for (const [key, past] of this.#past) {
      const settled = !this.#waiting.has(key) && !this.#running.has(key);
      if (settled && now - past.at > QUIET_MS) this.#past.delete(key);
    }
  }

  put(write: Write, now: number): void {
    const past = this.#past.get(write.key);
    const last = this.#running.get(write.key) ?? past?.done;
    if (last && last.basis === write.basis && textOf(last) === textOf(write)) {
      this.#waiting.delete(write.key);
      return;
    }
    const before = this.#waiting.get(write.key);
    if (before === undefined && this.#waiting.size >= this.#limits.waiting) {
      this.#dropped++;
      return;
    }
    if (past?.refused && before !== undefined && before.basis !== write.basis) {
      this.#past.set(write.key, { ...past, refused: false, failures: 0, notBefore: now });
    }
    this.#waiting.set(write.key, write);
    if (past?.done && !this.#running.has(write.key)) this.#slowDown(write, past, now);
  }

  /** Nothing is left to do: what waited is forgotten, and what was done. What runs is the caller's to abort. */
  clear(): void {
    this.#waiting.clear();
    this.#running.clear();
    this.#past.clear();
  }

  /** What may be sent now; each must be settled. */
  next(now: number): Write[] {
    this.#refill(now);
    const { parallel } = this.#limits;
    const ready: Write[] = [];
    for (const [key, write] of this.#waiting) {
      if (this.#running.size >= parallel || this.#tokens < 1) break;
      if (this.#running.has(key) || (this.#past.get(key)?.notBefore ?? now) > now) continue;
      this.#tokens--;
      this.#waiting.delete(key);
      this.#running.set(key, write);
      ready.push(write);
    }
    return ready;
  }

  /** `random` from 0 to 1 spreads the retries of many. */
  settle(write: Write, outcome: Outcome, now: number, random: number): void {
    const { key } = write;
    // Cleared meanwhile: whoever cleared does not want to know.
    if (this.#running.get(key) !== write) return;
    this.#running.delete(key);
    const past = this.#past.get(key) ?? NO_PAST;
    if (outcome.kind === 'done' || outcome.kind === 'gone') {
      const text = textOf(write);
      const again = past.text === text && now - past.at < QUIET_MS;
      const repeats = again ? past.repeats + 1 : 0;
      this.#past.set(key, {
        done: write,
        text,
        at: now,
        failures: 0,
        repeats,
        notBefore: now,
        refused: false,
      });
      return;
    }
    const failures = past.failures + 1;
    const refused = outcome.kind === 'refused';
    const backoff =
      outcome.kind === 'retry'
        ? Math.max(outcome.afterMs, doubled(FIRST_BACKOFF_MS, failures - 1))
        : doubled(REFUSED_MS.least, failures - 1, REFUSED_MS.most);
    const notBefore = now + backoff * (1 + 0.2 * random);
    this.#past.set(key, { ...past, failures, notBefore, refused, at: past.done === null ? now : past.at });
    if (!this.#waiting.has(key)) this.#waiting.set(key, write);
  }

  /** When something may be sent that may not be sent now; null when only an answer or a new write can change that. */
  wakeAt(now: number): number | null {
    if (this.#running.size >= this.#limits.parallel) return null;
    let earliest = Infinity;
    for (const key of this.#waiting.keys()) {
      if (this.#running.has(key)) continue;
      earliest = Math.min(earliest, this.#past.get(key)?.notBefore ?? now);
      if (earliest <= now) break;
    }
    if (earliest === Infinity) return null;
    this.#refill(now);
    const token = this.#tokens >= 1 ? now : now + ((1 - this.#tokens) * 1000) / this.#limits.perSecond;
    return Math.max(earliest, token);
  }

  #slowDown(write: Write, past: Past, now: number): void {
    if (past.text !== textOf(write) || now - past.at > QUIET_MS) return;
    const notBefore = past.at + doubled(FIRST_REPEAT_MS, past.repeats);
    if (notBefore > past.notBefore) this.#past.set(write.key, { ...past, notBefore });
  }

  #refill(now: number): void {
    const { burst, perSecond } = this.#limits;
    const gained = ((now - this.#filledAt) * perSecond) / 1000;
    this.#tokens = Math.min(burst, this.#tokens + gained);
    this.#filledAt = now;
  }
}

function doubled(first: number, times: number, most = MAX_BACKOFF_MS): number {
  return Math.min(first * 2 ** Math.min(times, 20), most);
}

function textOf({ request }: Write): string {
  return JSON.stringify([request.path, request.body]);
}
