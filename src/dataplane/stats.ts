/**
 * What one worker counts. Counting is a few additions per request; a report holds the differences since the
 * one before, so that nothing is lost to the sum when a worker is replaced.
 */
import {
  LATENCY_BUCKETS,
  type PackedReport,
  type SeriesName,
  type SeriesReport,
  type StatsReport,
} from './messages.ts';

/** Counters that belong to no route. A part after `:` is a label: see docs/reference/metrics.md. */
export const COUNTERS = [
  'connections_total',
  'connections_refused_total',
  'upstream_connections_total',
  'upstream_connection_failures_total',
  'upstream_tls_handshakes_total:full',
  'upstream_tls_handshakes_total:resumed',
  'upstream_tls_handshakes_total:failed',
  'upstream_retries_total',
  'upstream_ejections_total',
  'upgrades_total',
  'l4_connections_total:ended',
  'l4_connections_total:failed',
  'l4_bytes_total:received',
  'l4_bytes_total:sent',
  'tls_handshakes_total:full',
  'tls_handshakes_total:resumed',
  'tls_handshakes_total:failed',
  'internal_errors_total',
  'access_log_lines_total',
  'limit_hits_total:connections',
  'limit_hits_total:requests',
  'limit_hits_total:request_line',
  'limit_hits_total:request_head',
  'limit_hits_total:request_body',
  'limit_hits_total:chunk_overhead',
  'limit_hits_total:response_head',
  'limit_hits_total:informational_responses',
  'limit_hits_total:pending_requests',
  'limit_hits_total:retries',
  'limit_hits_total:http2_streams',
  'limit_hits_total:http2_flood',
  'limit_hits_total:tls_handshakes',
  'limit_hits_total:tls_handshake_timeout',
  'limit_hits_total:request_head_timeout',
  'limit_hits_total:request_body_timeout',
  'limit_hits_total:send_timeout',
  'limit_hits_total:keep_alive_timeout',
  'limit_hits_total:connect_timeout',
  'limit_hits_total:sockets',
  'limit_hits_total:response_timeout',
  'limit_hits_total:upstream_ping_timeout',
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
  readonly name: SeriesName;
  /** Known to the main thread under this number once {@link named}. */
  readonly id: number;
  named = false;
  readonly cells: Float64Array;
  readonly base: number;
  readonly #changed: Series[];
  changed = false;

  /** `changed` is where it puts itself when it counts something. */
  constructor(id: number, name: SeriesName, changed: Series[]) {
    this.id = id;
    this.name = name;
    this.#changed = changed;
    if (used === SERIES_PER_BLOCK) {
      block = new Float64Array(CELLS * SERIES_PER_BLOCK);
      used = 0;
    }
    this.cells = block;
    this.base = used++ * CELLS;
  }

  /** One finished request; `upstreamMs` is negative when no upstream answered. */
  record(status: number, durationMs: number, upstreamMs: number, received: number, sent: number): void {
    if (!this.changed) {
      this.changed = true;
      this.#changed.push(this);
    }
    const { cells, base } = this;
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
  readonly #changed: Series[] = [];

  /** The series with these labels; the same object as long as anybody counts in it. */
  series(host: string, namespace: string, ingress: string, service: string): Series {
    const key = `${host}\n${namespace}\n${ingress}\n${service}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series(this.#series.size, { host, namespace, ingress, service }, this.#changed);
      this.#series.set(key, series);
    }
    return series;
  }

  /** Whether series are left that changed since they were packed. */
  get hasChanges(): boolean {
    return this.#changed.length > 0;
  }

  /** What was counted since the last report, of at most `most` series, in a form that crosses threads cheaply. */
  pack(gauges: Readonly<Record<string, number>>, most: number): PackedReport {
    const batch = this.#changed.splice(0, most);
    const names: (SeriesName & { id: number })[] = [];
    const cells = new Float64Array(batch.length * (1 + CELLS));
    let at = 0;
    for (const series of batch) {
      if (!series.named) {
        series.named = true;
        names.push({ id: series.id, ...series.name });
      }
      cells[at++] = series.id;
      for (let i = series.base; i < series.base + CELLS; i++) {
        cells[at++] = series.cells[i]!;
        series.cells[i] = 0;
      }
      series.changed = false;
    }
    const counters: Record<string, number> = {};
    for (const name of COUNTERS) {
      if (this.counters[name] === 0) continue;
      counters[name] = this.counters[name];
      this.counters[name] = 0;
    }
    return { names, cells, counters, gauges };
  }
}

/** Unpacks a report. `known` keeps the names of one worker's series by their numbers, over its reports. */
export function unpack(packed: PackedReport, known: Map<number, SeriesName>): StatsReport {
  for (const { id, ...name } of packed.names) known.set(id, name);
  const series: SeriesReport[] = [];
  const { cells } = packed;
  // Field by field: ten thousand of these every few seconds are work for the main thread.
  for (let at = 0; at < cells.length; at += 1 + CELLS) {
    const { host, namespace, ingress, service } = known.get(cells[at]!)!;
    const base = at + 1;
    series.push({
      host,
      namespace,
      ingress,
      service,
      requests: numbers(cells, base + REQUESTS, 5),
      duration: numbers(cells, base + DURATION, BUCKETS),
      durationSum: cells[base + DURATION_SUM]! / 1000,
      upstream: numbers(cells, base + UPSTREAM, BUCKETS),
      upstreamSum: cells[base + UPSTREAM_SUM]! / 1000,
      receivedBytes: cells[base + RECEIVED]!,
      sentBytes: cells[base + SENT]!,
    });
  }
  return { series, counters: packed.counters, gauges: packed.gauges };
}

function numbers(cells: Float64Array, from: number, count: number): number[] {
  const out: number[] = [];
  for (let i = from; i < from + count; i++) out.push(cells[i]!);
  return out;
}
