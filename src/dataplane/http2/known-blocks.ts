/**
 * What header blocks were decoded to, by their bytes: backends repeat themselves. It holds for one connection and for as
 * long as the decoder's table stays as it is; a block that changes the table is never known. Pure. Hot path.
 */

/** Blocks kept, and blocks remembered to have come once, at a time. */
const MOST = 32;
/** Longer blocks are not kept. */
const LONGEST = 1024;

export class KnownBlocks<T> {
  /** Made when they are needed: an idle connection shall be small. */
  #known: Map<string, T> | null = null;
  #once: Set<string> | null = null;
  /** Of the decoder's table. */
  #version = 0;

  get(block: string, version: number): T | undefined {
    if (version === this.#version) return this.#known?.get(block);
    this.#version = version;
    this.#known = null;
    this.#once = null;
    return undefined;
  }

  /**
   * Whether to {@link add} a block that was just decoded, with the table at `version` before and after: those that come
   * for the second time, so that a backend that never repeats itself costs little.
   */
  isWorthKeeping(block: string, version: number): boolean {
    if (version !== this.#version || block.length > LONGEST) return false;
    this.#once ??= new Set();
    if (this.#once.has(block)) return true;
    if (this.#once.size >= MOST) this.#once.clear();
    this.#once.add(block);
    return false;
  }

  add(block: string, value: T): void {
    this.#known ??= new Map();
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(block, value);
  }
}
