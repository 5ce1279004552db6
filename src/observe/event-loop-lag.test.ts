import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Delays, lagOf } from './event-loop-lag.ts';

const MS = 1e6;
const delays = (over: Partial<Delays>): Delays => ({
  count: 3,
  min: 100 * MS,
  max: 100 * MS,
  mean: 100 * MS,
  stddev: 0,
  percentile: () => 100 * MS,
  ...over,
});

test('an idle event loop lags by nothing, whatever lies between two samples', () => {
  const none = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };
  assert.deepEqual(lagOf(delays({}), 100), none);
  assert.deepEqual(lagOf(delays({ min: 99 * MS }), 100), none, 'early is not late');
  const unsampled = { count: 0, min: 2 ** 63, mean: Number.NaN, stddev: Number.NaN, percentile: () => 511 };
  assert.deepEqual(lagOf(delays(unsampled), 100), none, 'no sample yet');
});

test('what a sample was late is the lag; how much they differ does not depend on the interval', () => {
  const lag = lagOf(
    delays({
      max: 350 * MS,
      mean: 150 * MS,
      stddev: 20 * MS,
      percentile: (percentile: number) => (100 + percentile) * MS,
    }),
    100,
  );
  const inMs = Object.fromEntries(Object.entries(lag).map(([name, s]) => [name, Math.round(s * 1000)]));
  assert.deepEqual(inMs, { min: 0, max: 250, mean: 50, stddev: 20, p50: 50, p90: 90, p99: 99 });
});
