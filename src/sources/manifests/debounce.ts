/**
 * Calls `act` once a burst of hints has settled: `settleMs` after the last one, but no later than `maxMs` after the
 * first.
 */
export class Debounce {
  readonly #act: () => void;
  readonly #settleMs: number;
  readonly #maxMs: number;
  #timer: NodeJS.Timeout | null = null;
  #latest = 0;

  constructor(settleMs: number, maxMs: number, act: () => void) {
    this.#settleMs = settleMs;
    this.#maxMs = maxMs;
    this.#act = act;
  }

  hint(): void {
    const now = performance.now();
    if (this.#timer === null) this.#latest = now + this.#maxMs;
    else clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#act();
      },
      Math.max(0, Math.min(this.#settleMs, this.#latest - now)),
    );
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
