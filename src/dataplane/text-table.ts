/**
 * Entries by their text. A Map would have V8 enter each text that is looked up into its table of all strings, which
 * costs half a microsecond for a host or path that just came over the wire; this compares texts as they are. Hot path.
 */

export interface TextEntry {
  /** Never changes. */
  readonly text: string;
}

/** Nobody outside can prepare texts that meet in one place. */
const SEED = (Math.random() * 0x7fff_ffff) | 0;

/** The hash of `text[0, length)`. */
export function hashOf(text: string, length: number): number {
  let hash = NO_TEXT;
  for (let i = 0; i < length; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}

/** The hash of the empty text, … */
export const NO_TEXT = SEED;

/** … and of a text that is one code unit longer than that of `hash`. */
export function hashStep(hash: number, unit: number): number {
  return Math.imul((hash ^ unit) + 0x9e37, 0x0100_0193);
}

const EMPTY = null;

export class TextTable<E extends TextEntry> {
  size = 0;
  /** No entry's text is longer; may be more than that of the longest left. */
  longest = 0;
  /** Hash and entry in turn, from where the hash says on; at least half of it is empty. */
  #cells: (number | E | null)[] = emptyCells(4);
  #mask = 3;

  /** The entry of `text[0, length)`, whose {@link hashOf} is `hash`. */
  find(hash: number, text: string, length: number): E | undefined {
    const cells = this.#cells;
    for (let i = place(hash) & this.#mask; ; i = (i + 1) & this.#mask) {
      const entry = cells[2 * i + 1] as E | null;
      if (entry === EMPTY) return undefined;
      if (cells[2 * i] === hash && entry.text.length === length && startsWith(text, entry.text, length))
        return entry;
    }
  }

  get(text: string): E | undefined {
    return text.length > this.longest || this.size === 0
      ? undefined
      : this.find(hashOf(text, text.length), text, text.length);
  }

  /** Puts an entry in, in place of the one with its text. */
  set(entry: E): void {
    const { text } = entry;
    const hash = hashOf(text, text.length);
    const at = this.#placeOf(hash, text);
    if (this.#cells[2 * at + 1] === EMPTY) {
      if (2 * (this.size + 1) > this.#mask) {
        this.#grow();
        return this.set(entry);
      }
      this.size++;
      this.longest = Math.max(this.longest, text.length);
      this.#cells[2 * at] = hash;
    }
    this.#cells[2 * at + 1] = entry;
  }

  /** False when there was none. */
  delete(text: string): boolean {
    let hole = this.#placeOf(hashOf(text, text.length), text);
    const cells = this.#cells;
    if (cells[2 * hole + 1] === EMPTY) return false;
    this.size--;
    // Whoever stands behind it, and would have stood here, moves up, or would not be found any more.
    for (let i = (hole + 1) & this.#mask; cells[2 * i + 1] !== EMPTY; i = (i + 1) & this.#mask) {
      const home = place(cells[2 * i] as number) & this.#mask;
      if (((i - home) & this.#mask) < ((i - hole) & this.#mask)) continue;
      cells[2 * hole] = cells[2 * i]!;
      cells[2 * hole + 1] = cells[2 * i + 1]!;
      hole = i;
    }
    cells[2 * hole] = 0;
    cells[2 * hole + 1] = EMPTY;
    return true;
  }

  /** Where the text stands, or would. */
  #placeOf(hash: number, text: string): number {
    let i = place(hash) & this.#mask;
    for (; this.#cells[2 * i + 1] !== EMPTY; i = (i + 1) & this.#mask) {
      if (this.#cells[2 * i] === hash && (this.#cells[2 * i + 1] as E).text === text) break;
    }
    return i;
  }

  #grow(): void {
    const before = this.#cells;
    this.#mask = 2 * this.#mask + 1;
    this.#cells = emptyCells(this.#mask + 1);
    for (let i = 0; i < before.length; i += 2) {
      const entry = before[i + 1] as E | null;
      if (entry === EMPTY) continue;
      let at = place(before[i] as number) & this.#mask;
      while (this.#cells[2 * at + 1] !== EMPTY) at = (at + 1) & this.#mask;
      this.#cells[2 * at] = before[i]!;
      this.#cells[2 * at + 1] = entry;
    }
  }
}

function emptyCells<E>(count: number): (number | E | null)[] {
  const cells: (number | E | null)[] = [];
  for (let i = 0; i < count; i++) cells.push(0, EMPTY);
  return cells;
}

/** The low bits of a product say little. */
function place(hash: number): number {
  return hash ^ (hash >>> 15);
}

function startsWith(text: string, with_: string, length: number): boolean {
  return text.length === length ? text === with_ : text.startsWith(with_);
}
