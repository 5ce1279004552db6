/**
 * Calls `act` once a burst of hints has settled: when each of them is as old as it asked for, but no later than
 * `maxMs` after the first.
 */
export class Debounce {
  readonly #act: () => void;
  readonly #maxMs: number;
  #timer: NodeJS.Timeout | null = null;
  #due = 0;
  #latest = 0;

  constructor(maxMs: number, act: () => void) {
    this.#maxMs = maxMs;
    this.#act = act;
  }

  hint(settleMs: number): void {
    const now = performance.now();
    if (this.#timer === null) {
      this.#due = 0;
      this.#latest = now + this.#maxMs;
    } else clearTimeout(this.#timer);
    this.#due = Math.min(Math.max(this.#due, now + settleMs), this.#latest);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#act();
      },
      Math.max(0, this.#due - now),
    );
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
