/** Which versions of the cells could be live when, and so which backends were right to answer a request. */
import { type Cell, placeOf, rightBackends } from './cell.ts';

interface Written {
  readonly cell: Cell;
  /** When its file began to be replaced: nobody can know it before. */
  readonly from: number;
  /** When a later version was live in all workers: from then on nobody may use it. */
  until: number;
}

export class History {
  /** By cell, oldest first. */
  readonly #written: Written[][] = [];
  readonly #live: number[] = [];
  #waiters: { cell: number; version: number; resolve: () => void }[] = [];

  /** To be called just before the file is replaced. */
  wrote(cell: Cell, at: number): void {
    const versions = this.#written[cell.index] ?? [];
    versions.push({ cell, from: at, until: Number.POSITIVE_INFINITY });
    this.#written[cell.index] = versions;
  }

  /** All workers serve these versions (by cell) since `at` or before. */
  live(versions: readonly number[], at: number): void {
    for (const [index, version] of versions.entries()) {
      if (version <= (this.#live[index] ?? 0)) continue;
      this.#live[index] = version;
      for (const written of this.#written[index] ?? []) {
        if (written.cell.version < version) written.until = Math.min(written.until, at);
      }
    }
    const reached = ({ cell, version }: { cell: number; version: number }) =>
      (this.#live[cell] ?? 0) >= version;
    for (const waiter of this.#waiters.filter(reached)) waiter.resolve();
    this.#waiters = this.#waiters.filter((waiter) => !reached(waiter));
  }

  /** Resolves when all workers serve at least this version of the cell. */
  whenLive(cell: number, version: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push({ cell, version, resolve });
    this.live([], 0);
    return promise;
  }

  /** Everybody who was right to answer the route at some moment between `start` and `end`. */
  rightFor(route: number, start: number, end: number): ReadonlySet<string> {
    const right = new Set<string>();
    for (const { cell, from, until } of this.#written[placeOf(route).cell] ?? []) {
      if (from > end || until < start) continue;
      for (const name of rightBackends(cell, route)) right.add(name);
    }
    return right;
  }
}
