/** Everything that crosses between the main thread and a data-plane worker. Plain data only. */
import type { PatchChunk } from '../model/table-patch.ts';
import type { TlsPatch } from '../model/tls-patch.ts';

export type ToWorker =
  /** A slice of the next table; the worker answers `staged` so that only one slice is read per loop turn. */
  | { readonly kind: 'stage'; readonly chunk: PatchChunk }
  | { readonly kind: 'stage-tls'; readonly patch: TlsPatch }
  /**
   * Keys of session tickets, 48 bytes in base64 each, the one for new tickets first. Comes before the first table
   * and then at each rotation.
   */
  | { readonly kind: 'ticket-keys'; readonly keys: readonly string[] }
  /** Apply all staged slices in one step; answered with `applied`. */
  | { readonly kind: 'commit'; readonly generation: number }
  /** Send what was counted since the last report now. */
  | { readonly kind: 'report'; readonly id: number }
  /**
   * Another host is about to have this address: its clients are to leave. Answered with `finished` when nothing runs
   * on connections to it, or after `mostMs`.
   */
  | { readonly kind: 'finish'; readonly id: number; readonly address: string; readonly mostMs: number }
  /** Finish what runs, take nothing new; answered with `drained`. */
  | { readonly kind: 'drain' };

export type FromWorker =
  /** Ready for its first table. */
  | { readonly kind: 'started' }
  /** Comes before the first `applied`. */
  | { readonly kind: 'listening'; readonly addresses: readonly BoundAddress[] }
  | {
      readonly kind: 'bind-failed';
      readonly listener: string;
      readonly address: string;
      readonly error: string;
    }
  | { readonly kind: 'staged' }
  | { readonly kind: 'applied'; readonly generation: number; readonly pauseMs: number }
  | { readonly kind: 'stats'; readonly id: number; readonly report: PackedReport }
  /** Whole lines, each ended by a newline; their memory is handed over. */
  | { readonly kind: 'access-log'; readonly lines: Uint8Array }
  | {
      readonly kind: 'event';
      readonly level: 'info' | 'warn' | 'error';
      readonly event: string;
      readonly fields: Record<string, string | number>;
    }
  | { readonly kind: 'finished'; readonly id: number }
  | { readonly kind: 'drained' };

export interface BoundAddress {
  readonly listener: string;
  readonly address: string;
  readonly port: number;
}

/** Upper bounds in seconds of the latency histograms; the last bucket (+Inf) is implied. */
export const LATENCY_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** Status classes in the order of {@link SeriesReport.requests}. */
export const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** What one worker counted since its last report. Counters are differences, gauges are current values. */
export interface StatsReport {
  readonly series: readonly SeriesReport[];
  /** Differences of process-wide counters, by name: see `COUNTERS` in stats.ts. */
  readonly counters: Readonly<Record<string, number>>;
  /** Current values by name: see `GAUGES` in stats.ts. */
  readonly gauges: Readonly<Record<string, number>>;
}

/**
 * The same as it crosses between threads: one array of numbers that changes hands without being copied. See
 * stats.ts for its layout.
 */
export interface PackedReport {
  /** Names of series that were not reported before. */
  readonly names: readonly (SeriesName & { readonly id: number })[];
  readonly cells: Float64Array<ArrayBuffer>;
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
}

export interface SeriesName {
  /** As configured (`*.x`, '' for any host), never as a client wrote it. */
  readonly host: string;
  readonly namespace: string;
  readonly ingress: string;
  /** `namespace/name:port`. */
  readonly service: string;
}

/** The requests of one host, ingress and service. */
export interface SeriesReport extends SeriesName {
  readonly requests: readonly number[];
  /** Per bucket, not cumulative; one longer than LATENCY_BUCKETS. */
  readonly duration: readonly number[];
  readonly durationSum: number;
  readonly upstream: readonly number[];
  readonly upstreamSum: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}
