import type { ResolvedName } from '../../model/snapshot.ts';
import { readIp } from '../ip.ts';
import type { Answer, Lookup } from './lookup.ts';

interface Entry {
  readonly name: string;
  answer: Answer | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Questions that may be under way at once. */
const MAX_IN_FLIGHT = 64;

/**
 * Keeps a set of names resolved: asks for new ones at once and for all again when their answers expire. Calls
 * `onChange` when {@link results} is another map than before.
 */
export class NameResolver {
  readonly #lookup: Lookup;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting: Entry[] = [];
  #inFlight = 0;
  #results: ReadonlyMap<string, ResolvedName> = new Map();

  constructor(lookup: Lookup, onChange: () => void) {
    this.#lookup = lookup;
    this.#onChange = onChange;
  }

  /** By lower-case name. A new map whenever a name changed; names without a change keep their very object. */
  get results(): ReadonlyMap<string, ResolvedName> {
    return this.#results;
  }

  /** Replaces the names to be resolved; IP literals answer themselves. */
  setNames(names: ReadonlySet<string>): void {
    const wanted = new Set([...names].map((name) => name.toLowerCase()));
    const results = new Map(this.#results);
    for (const [name, entry] of this.#entries) {
      if (wanted.has(name)) continue;
      clearTimeout(entry.timer);
      this.#entries.delete(name);
      results.delete(name);
    }
    for (const name of wanted) {
      if (this.#entries.has(name)) continue;
      const entry: Entry = { name, answer: undefined, timer: undefined };
      this.#entries.set(name, entry);
      const ip = readIp(name);
      if (ip) results.set(name, { name, addresses: [ip.address], error: null });
      else this.#ask(entry);
    }
    const changed =
      results.size !== this.#results.size || [...results.keys()].some((name) => !this.#results.has(name));
    if (changed) this.#publish(results);
  }

  close(): void {
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
    this.#entries.clear();
    this.#waiting.length = 0;
  }

  #ask(entry: Entry): void {
    this.#waiting.push(entry);
    this.#askNext();
  }

  #askNext(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      if (!this.#isCurrent(entry)) continue;
      this.#inFlight++;
      void this.#lookup(entry.name, entry.answer).then((answer) => {
        this.#inFlight--;
        this.#take(entry, answer);
        this.#askNext();
      });
    }
  }

  #take(entry: Entry, answer: Answer): void {
    if (!this.#isCurrent(entry)) return;
    entry.answer = answer;
    entry.timer = setTimeout(() => this.#ask(entry), answer.holdsMs);
    const { name } = entry;
    const before = this.#results.get(name);
    if (before && before.error === answer.error && isSameList(before.addresses, answer.addresses)) return;
    const { addresses, error } = answer;
    this.#publish(new Map(this.#results).set(name, { name, addresses, error }));
  }

  #publish(results: ReadonlyMap<string, ResolvedName>): void {
    this.#results = results;
    this.#onChange();
  }

  /** False for a name that was dropped, perhaps to be wanted again under another entry. */
  #isCurrent(entry: Entry): boolean {
    return this.#entries.get(entry.name) === entry;
  }
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((element, index) => element === b[index]);
}
