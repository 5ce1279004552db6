/**
 * What a client may make us do for next to nothing. Each kind of cheap work has a token bucket; an empty one ends
 * the connection with ENHANCE_YOUR_CALM. Ordinary clients stay far below all of them. Pure: time is given.
 */

/** Streams that were reset, by either side (CVE-2023-44487 rapid reset, CVE-2025-8671 made you reset). */
export const RESETS = 0;
/** CVE-2019-9512. */
export const PINGS = 1;
/** CVE-2019-9515. */
export const SETTINGS_CHANGES = 2;
/** CVE-2019-9513. */
export const PRIORITIES = 3;
/** DATA frames without a byte that do not end a stream (CVE-2019-9518). */
export const EMPTY_DATA = 4;
/** WINDOW_UPDATE beyond what the DATA frames we sent give reason for. */
export const WINDOW_UPDATES = 5;
/** Unknown frames and frames for streams that are closed. */
export const USELESS_FRAMES = 6;

interface Bound {
  readonly burst: number;
  readonly perSecond: number;
}

export const BOUNDS: readonly Bound[] = [
  // More than streams may be open, so that a browser may cancel a whole page.
  { burst: 200, perSecond: 20 },
  { burst: 50, perSecond: 10 },
  { burst: 20, perSecond: 2 },
  { burst: 200, perSecond: 20 },
  { burst: 100, perSecond: 1 },
  { burst: 100, perSecond: 100 },
  { burst: 10_000, perSecond: 1000 },
];

/** What one DATA frame of ours gives reason for; gRPC clients measure the way by a PING for each. */
const UPDATES_PER_DATA = 10;
const PINGS_PER_DATA = 1;
/** Most that such reasons pile up to. */
const MOST_REASONS = 10_000;
/** Resets that one stream which ran to its end allows: a busy client gives up some of its requests. */
const RESETS_PER_COMPLETED = 0.5;

export class FloodGuard {
  readonly #tokens = Float64Array.from(BOUNDS, ({ burst }) => burst);
  readonly #since: Float64Array;

  /** `now` in milliseconds of any monotonic clock. */
  constructor(now: number) {
    this.#since = new Float64Array(BOUNDS.length).fill(now);
  }

  /** Takes a token of `kind`; false when there is none. */
  allows(kind: number, now: number): boolean {
    const tokens = this.#tokens;
    if (tokens[kind]! < 1) {
      const { burst, perSecond } = BOUNDS[kind]!;
      const gained = ((now - this.#since[kind]!) / 1000) * perSecond;
      this.#since[kind] = now;
      tokens[kind] = Math.min(burst, tokens[kind]! + gained);
      if (tokens[kind]! < 1) return false;
    }
    tokens[kind]! -= 1;
    return true;
  }

  /** We sent a DATA frame. */
  sentData(): void {
    this.#gain(WINDOW_UPDATES, UPDATES_PER_DATA, MOST_REASONS);
    this.#gain(PINGS, PINGS_PER_DATA, MOST_REASONS);
  }

  /** A stream ran to its end. */
  completed(): void {
    this.#gain(RESETS, RESETS_PER_COMPLETED, BOUNDS[RESETS]!.burst);
  }

  #gain(kind: number, tokens: number, most: number): void {
    const before = this.#tokens[kind]!;
    if (before < most) this.#tokens[kind] = before + tokens;
  }
}
