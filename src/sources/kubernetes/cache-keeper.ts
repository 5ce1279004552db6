/** When the snapshot on disk is read and written, and what is told of it. */
import type { Snapshot } from '../../model/snapshot.ts';
import type { OnEvent } from './connection.ts';
import { type CacheOptions, readCache, writeCache } from './snapshot-cache.ts';

const SAVE_DELAY_MS = 5000;
const SAVE_INTERVAL_MS = 60_000;

export class CacheKeeper {
  readonly #options: CacheOptions;
  readonly #newest: () => Snapshot;
  readonly #onEvent: OnEvent;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  #savedAt = Number.NEGATIVE_INFINITY;

  /** `newest` gives what is to be saved now. */
  constructor(options: CacheOptions, newest: () => Snapshot, onEvent: OnEvent) {
    this.#options = options;
    this.#newest = newest;
    this.#onEvent = onEvent;
  }

  /** Calls `use` with what was known when the cache was written, if there is anything of use and it is still wanted. */
  async read(isWanted: () => boolean, use: (snapshot: Snapshot) => void): Promise<void> {
    const read = await readCache(this.#options);
    if (!isWanted() || read.kind === 'none') return;
    const { file } = this.#options;
    if (read.kind === 'unusable') {
      const message = `the API server is away and the cache is of no use: ${read.message}`;
      return this.#onEvent('warn', 'source-cache-unusable', message, { file });
    }
    const age = Math.round((Date.now() - read.savedAt) / 1000);
    const message = 'the API server is away: serving what was known when the cache was written';
    this.#onEvent('warn', 'source-from-cache', message, { file, age_s: age });
    use(read.snapshot);
  }

  /** There is something new: it is saved when more of it may have come, and not too often. */
  saveLater(): void {
    if (this.#timer !== undefined) return;
    const wait = Math.max(SAVE_DELAY_MS, this.#savedAt + SAVE_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#saving = this.#saving.then(() => this.#save());
    }, wait);
  }

  /** Resolves when all is saved. */
  async close(): Promise<void> {
    const isUnsaved = this.#timer !== undefined;
    clearTimeout(this.#timer);
    await this.#saving;
    if (isUnsaved) await this.#save();
  }

  async #save(): Promise<void> {
    this.#savedAt = performance.now();
    try {
      await writeCache(this.#options, this.#newest(), Date.now());
    } catch (error) {
      const { message } = error as Error;
      this.#onEvent('warn', 'source-cache-unwritable', message, { file: this.#options.file });
    }
  }
}
