/** Totals per host, ingress and service, added up from what the workers report. */
import { LATENCY_BUCKETS, type SeriesReport, STATUS_CLASSES } from '../dataplane/messages.ts';

export interface SeriesTotals {
  readonly host: string;
  readonly namespace: string;
  readonly ingress: string;
  readonly service: string;
  /** By STATUS_CLASSES. */
  readonly requests: number[];
  /** Per bucket, not cumulative; one longer than LATENCY_BUCKETS. */
  readonly duration: number[];
  durationSum: number;
  readonly upstream: number[];
  upstreamSum: number;
  receivedBytes: number;
  sentBytes: number;
  /** Milliseconds on the clock of the table's owner. */
  lastSeen: number;
}

export type SeriesName = Pick<SeriesTotals, 'host' | 'namespace' | 'ingress' | 'service'>;

/** What does not fit is added up under this name. */
const OTHER: SeriesName = { host: 'other', namespace: '', ingress: '', service: '' };
const IDLE_MS = 3_600_000;
const SWEEP_MS = 60_000;

/**
 * Never holds more than `max` series. When it is full, those that had no request for an hour make room (to
 * Prometheus a series that comes back is a counter that was reset); then new ones are folded into `other`.
 */
export class SeriesTable {
  readonly #max: number;
  readonly #now: () => number;
  readonly #series = new Map<string, SeriesTotals>();
  #nextSweep = 0;

  constructor(max: number, now: () => number) {
    this.#max = max;
    this.#now = now;
  }

  add(report: SeriesReport): void {
    const totals = this.#totalsFor(report);
    totals.lastSeen = this.#now();
    addEach(totals.requests, report.requests);
    addEach(totals.duration, report.duration);
    addEach(totals.upstream, report.upstream);
    totals.durationSum += report.durationSum;
    totals.upstreamSum += report.upstreamSum;
    totals.receivedBytes += report.receivedBytes;
    totals.sentBytes += report.sentBytes;
  }

  get(name: SeriesName): SeriesTotals | undefined {
    return this.#series.get(keyOf(name));
  }

  values(): Iterable<SeriesTotals> {
    return this.#series.values();
  }

  get size(): number {
    return this.#series.size;
  }

  #totalsFor(name: SeriesName): SeriesTotals {
    const key = keyOf(name);
    const known = this.#series.get(key);
    if (known) return known;
    // One place is kept for `other`.
    if (this.#series.size >= this.#max - 1) this.#sweep();
    const fits = this.#series.size < this.#max - 1;
    const shown = fits ? name : OTHER;
    const shownKey = fits ? key : keyOf(OTHER);
    const totals = this.#series.get(shownKey) ?? emptyTotals(shown);
    this.#series.set(shownKey, totals);
    return totals;
  }

  #sweep(): void {
    const now = this.#now();
    if (now < this.#nextSweep) return;
    this.#nextSweep = now + SWEEP_MS;
    for (const [key, totals] of this.#series) {
      if (now - totals.lastSeen > IDLE_MS) this.#series.delete(key);
    }
  }
}

function keyOf(name: SeriesName): string {
  return `${name.host}\n${name.namespace}\n${name.ingress}\n${name.service}`;
}

function emptyTotals({ host, namespace, ingress, service }: SeriesName): SeriesTotals {
  return {
    host,
    namespace,
    ingress,
    service,
    requests: STATUS_CLASSES.map(() => 0),
    duration: [...LATENCY_BUCKETS, Infinity].map(() => 0),
    durationSum: 0,
    upstream: [...LATENCY_BUCKETS, Infinity].map(() => 0),
    upstreamSum: 0,
    receivedBytes: 0,
    sentBytes: 0,
    lastSeen: 0,
  };
}

function addEach(totals: number[], differences: readonly number[]): void {
  for (let i = 0; i < totals.length; i++) totals[i]! += differences[i] ?? 0;
}
