/**
 * How late the main thread's event loop was, under the names that prom-client gave it and dashboards know. Its own values
 * hold the time between two samples: an idle program would seem to lag by that.
 */
import { type ELDHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

/** A hundred samples a second cost more than all else while idle; so a delay is seen shorter by up to this. */
const SAMPLE_MS = 100;
/** Milliseconds; for prom-client's own samples, which nobody reads. The longest that a timer takes. */
export const NEVER_MS = 2 ** 31 - 1;

const STATISTICS = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'] as const;
export type LagStatistic = (typeof STATISTICS)[number];
export type Delays = Pick<ELDHistogram, 'count' | 'min' | 'max' | 'mean' | 'stddev' | 'percentile'>;

/** Seconds that samples came late, of times in nanoseconds between samples that were due every `sampleMs`. */
export function lagOf(delays: Delays, sampleMs: number): Readonly<Record<LagStatistic, number>> {
  if (delays.count === 0) return { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };
  // A sample that follows a late one may come early.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - sampleMs / 1000);
  return {
    min: late(delays.min),
    max: late(delays.max),
    mean: late(delays.mean),
    stddev: delays.stddev / 1e9,
    p50: late(delays.percentile(50)),
    p90: late(delays.percentile(90)),
    p99: late(delays.percentile(99)),
  };
}

/** Replaces prom-client's gauges of the same names; each look at the metrics is about the time since the one before. */
export function registerEventLoopLag(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delays.enable();
  const gauges = new Map<LagStatistic, Gauge>();
  // All are set when the first is asked for: it is asked before the others.
  const collect = (): void => {
    const lag = lagOf(delays, SAMPLE_MS);
    for (const [statistic, gauge] of gauges) gauge.set(lag[statistic]);
    delays.reset();
  };
  for (const statistic of STATISTICS) {
    const name = `nodejs_eventloop_lag_${statistic}_seconds`;
    registry.removeSingleMetric(name);
    const help = `How late a timer of the main thread that is due every ${SAMPLE_MS} ms was: ${statistic}.`;
    const first = gauges.size === 0;
    gauges.set(statistic, new Gauge({ name, help, registers: [registry], ...(first ? { collect } : {}) }));
  }
}
