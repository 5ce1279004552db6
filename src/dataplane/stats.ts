/**
 * What one worker counts. Counting is a few additions per request; a report holds the differences since the
 * one before, so that nothing is lost to the sum when a worker is replaced.
 */
import { LATENCY_BUCKETS, type SeriesReport, type StatsReport } from './messages.ts';

/** Counters that belong to no route. A part after `:` is a label: see docs/reference/metrics.md. */
export const COUNTERS = [
  'connections_total',
  'connections_refused_total',
  'upstream_connections_total',
  'upstream_connection_failures_total',
  'upstream_retries_total',
  'upstream_ejections_total',
  'upgrades_total',
  'internal_errors_total',
  'access_log_lines_total',
  'limit_hits_total:connections',
  'limit_hits_total:requests',
  'limit_hits_total:request_line',
  'limit_hits_total:request_head',
  'limit_hits_total:request_body',
  'limit_hits_total:response_head',
  'limit_hits_total:pending_requests',
  'limit_hits_total:request_head_timeout',
  'limit_hits_total:request_body_timeout',
  'limit_hits_total:send_timeout',
  'limit_hits_total:keep_alive_timeout',
  'limit_hits_total:connect_timeout',
  'limit_hits_total:response_timeout',
  'limit_hits_total:tunnel_timeout',
] as const;
export type Counter = (typeof COUNTERS)[number];

/** Upper bounds in milliseconds, as the measured times are. */
const BUCKETS_MS = LATENCY_BUCKETS.map((seconds) => seconds * 1000);

const BUCKETS = BUCKETS_MS.length + 1;
/**
 * Where a series keeps what in its cells: requests by status class, both histograms, and the sums. One run of
 * cells in a large block for each, because a request on one route of 100,000 finds none of this in a cache.
 */
const REQUESTS = 0;
const DURATION_SUM = 5;
const UPSTREAM_SUM = 6;
const RECEIVED = 7;
const SENT = 8;
const DURATION = 9;
const UPSTREAM = DURATION + BUCKETS;
const CELLS = UPSTREAM + BUCKETS;
const SERIES_PER_BLOCK = 256;

let block = new Float64Array(CELLS * SERIES_PER_BLOCK);
let used = 0;

/** The counters of one host, ingress and service. */
export class Series {
  readonly host: string;
  readonly namespace: string;
  readonly ingress: string;
  readonly service: string;
  readonly #cells: Float64Array;
  readonly #base: number;
  touched = false;

  constructor(host: string, namespace: string, ingress: string, service: string) {
    this.host = host;
    this.namespace = namespace;
    this.ingress = ingress;
    this.service = service;
    if (used === SERIES_PER_BLOCK) {
      block = new Float64Array(CELLS * SERIES_PER_BLOCK);
      used = 0;
    }
    this.#cells = block;
    this.#base = used++ * CELLS;
  }

  /** One finished request; `upstreamMs` is negative when no upstream answered. */
  record(status: number, durationMs: number, upstreamMs: number, received: number, sent: number): void {
    this.touched = true;
    const cells = this.#cells;
    const base = this.#base;
    const kind = ((status / 100) | 0) - 1;
    // Every index below lies in this series' own run: the `!` are safe.
    if (kind >= 0 && kind < 5) cells[base + REQUESTS + kind]! += 1;
    cells[base + DURATION + bucketOf(durationMs)]! += 1;
    cells[base + DURATION_SUM]! += durationMs;
    if (upstreamMs >= 0) {
      cells[base + UPSTREAM + bucketOf(upstreamMs)]! += 1;
      cells[base + UPSTREAM_SUM]! += upstreamMs;
    }
    cells[base + RECEIVED]! += received;
    cells[base + SENT]! += sent;
  }

  /** What was recorded since the last call. */
  take(): SeriesReport {
    const cells = this.#cells.subarray(this.#base, this.#base + CELLS);
    const report: SeriesReport = {
      host: this.host,
      namespace: this.namespace,
      ingress: this.ingress,
      service: this.service,
      requests: [...cells.subarray(REQUESTS, REQUESTS + 5)],
      duration: [...cells.subarray(DURATION, DURATION + BUCKETS)],
      durationSum: cells[DURATION_SUM]! / 1000,
      upstream: [...cells.subarray(UPSTREAM, UPSTREAM + BUCKETS)],
      upstreamSum: cells[UPSTREAM_SUM]! / 1000,
      receivedBytes: cells[RECEIVED]!,
      sentBytes: cells[SENT]!,
    };
    cells.fill(0);
    this.touched = false;
    return report;
  }
}

function bucketOf(ms: number): number {
  let i = 0;
  while (i < BUCKETS_MS.length && ms > BUCKETS_MS[i]!) i++;
  return i;
}

export class Stats {
  readonly counters: Record<Counter, number> = Object.fromEntries(
    COUNTERS.map((name) => [name, 0]),
  ) as Record<Counter, number>;
  readonly #series = new Map<string, Series>();

  /** The series with these labels; the same object as long as anybody counts in it. */
  series(host: string, namespace: string, ingress: string, service: string): Series {
    const key = `${host}\n${namespace}\n${ingress}\n${service}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series(host, namespace, ingress, service);
      this.#series.set(key, series);
    }
    return series;
  }

  /** Differences since the last report, with the current values of `gauges`. */
  report(gauges: Readonly<Record<string, number>>): StatsReport {
    const series: SeriesReport[] = [];
    for (const one of this.#series.values()) if (one.touched) series.push(one.take());
    const counters: Record<string, number> = {};
    for (const name of COUNTERS) {
      if (this.counters[name] === 0) continue;
      counters[name] = this.counters[name];
      this.counters[name] = 0;
    }
    return { series, counters, gauges };
  }
}
