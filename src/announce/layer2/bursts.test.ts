import assert from 'node:assert/strict';
import { test } from 'node:test';
import { burstAt } from './bursts.ts';

test('hosts are told at once, soon again, each second for ten seconds, and then every 30 seconds', () => {
  const times = Array.from({ length: 17 }, (_, n) => burstAt(n));
  assert.deepEqual(times.slice(0, 6), [0, 100, 400, 1200, 2200, 3200]);
  assert.deepEqual(times.slice(13), [11_200, 41_200, 71_200, 101_200]);
});
