import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, quantile } from './statistics.ts';

test('quantiles interpolate between neighbours and do not need sorted samples', () => {
  const table: [samples: number[], share: number, expected: number][] = [
    [[3, 1, 2], 0.5, 2],
    [[4, 1, 3, 2], 0.5, 2.5],
    [[1, 2, 3, 4, 5], 0.25, 2],
    [[10], 0.99, 10],
    [[0, 100], 0.99, 99],
    [[1, 2, 3], 0, 1],
    [[1, 2, 3], 1, 3],
  ];
  for (const [samples, share, expected] of table) assert.equal(quantile(samples, share), expected);
});

test('the median of nothing is no number', () => {
  assert.ok(Number.isNaN(median([])));
});
