/** The longest that a timer of JavaScript can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/** One point in time at which something is to be done; setting it anew forgets the one before. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** `at` in ms since the epoch; Infinity for never. It may ring earlier: whoever hears it looks at the clock. */
  set(at: number): void {
    this.stop();
    if (at === Infinity) return;
    // At least a moment, so that a clock that stands still does not make it ring without end.
    const left = Math.min(Math.max(at - Date.now(), 100), LONGEST_MS);
    this.#timer = setTimeout(this.#ring, left).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
