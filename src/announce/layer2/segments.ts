/** All interfaces that addresses may be announced on, as they come and go. */
import {
  interfaceNames,
  type NetworkInterface,
  readInterface,
  watchInterfaces,
} from '../../linux/interfaces.ts';
import { Segment, type SegmentEvents } from './segment.ts';

/** The kernel tells of changes at once; this is for those it could not tell. */
const SCAN_MS = 5000;
/** A failed interface is tried again with the next scan; this is how often that is told. */
const TELL_MS = 60_000;

export interface SegmentsEvents {
  /** Interfaces came or went. */
  onChange(): void;
  onClaim(segment: Segment, address: string, mac: number): void;
  onProbe(segment: Segment, address: string, mac: number): void;
  onProblem(text: string): void;
}

export class Segments {
  readonly #excluded: readonly RegExp[];
  readonly #events: SegmentsEvents;
  readonly #open = new Map<string, Segment>();
  readonly #told = new Map<string, number>();
  readonly #watch: { close(): void } | null;
  readonly #timer: NodeJS.Timeout;

  /** `excluded`: regular expressions of names. */
  constructor(excluded: readonly string[], events: SegmentsEvents) {
    this.#excluded = excluded.map((pattern) => new RegExp(pattern));
    this.#events = events;
    const watch = watchInterfaces(() => this.scan());
    if (typeof watch === 'string') events.onProblem(`changes of interfaces are seen late: ${watch}`);
    this.#watch = typeof watch === 'string' ? null : watch;
    this.#timer = setInterval(() => this.scan(), SCAN_MS);
    this.scan();
  }

  /** Those that are up, by name. */
  get open(): ReadonlyMap<string, Segment> {
    return this.#open;
  }

  /** Looks at the interfaces now. */
  scan(): void {
    const found = new Map<string, NetworkInterface>();
    for (const name of interfaceNames()) {
      if (this.#excluded.some((pattern) => pattern.test(name))) continue;
      const entry = readInterface(name);
      // The ports of a bridge or bond hear and speak through it.
      if (entry?.up && entry.broadcast && entry.master === null) found.set(name, entry);
    }
    let changed = false;
    for (const [name, segment] of this.#open) {
      const now = found.get(name);
      if (now !== undefined && now.index === segment.interface.index && now.mac === segment.interface.mac)
        continue;
      segment.close();
      this.#open.delete(name);
      changed = true;
    }
    for (const [name, entry] of found) if (!this.#open.has(name) && this.#add(entry)) changed = true;
    if (changed) this.#events.onChange();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watch?.close();
    for (const segment of this.#open.values()) segment.close();
    this.#open.clear();
  }

  #add(entry: NetworkInterface): boolean {
    const events: SegmentEvents = {
      onClaim: (address, mac) => this.#events.onClaim(segment as Segment, address, mac),
      onProbe: (address, mac) => this.#events.onProbe(segment as Segment, address, mac),
      onError: () => setImmediate(() => this.scan()),
    };
    const segment = Segment.open(entry, events);
    if (typeof segment !== 'string') {
      this.#open.set(entry.name, segment);
      return true;
    }
    const now = performance.now();
    if (now > (this.#told.get(entry.name) ?? Number.NEGATIVE_INFINITY) + TELL_MS) {
      this.#told.set(entry.name, now);
      this.#events.onProblem(`no addresses are announced on interface ${entry.name}: ${segment}`);
    }
    return false;
  }
}
