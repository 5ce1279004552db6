import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownBlocks } from './known-blocks.ts';

test('a block is worth keeping when it comes again with the same table', () => {
  const known = new KnownBlocks<string>();
  assert.equal(known.get('a', 0), undefined);
  assert.equal(known.isWorthKeeping('a', 0), false);
  assert.equal(known.isWorthKeeping('a', 0), true);
  known.add('a', 'A');
  assert.equal(known.get('a', 0), 'A');
});

test('a table that changed makes all unknown', () => {
  const known = new KnownBlocks<string>();
  known.add('a', 'A');
  assert.equal(known.get('a', 1), undefined);
  assert.equal(known.get('a', 1), undefined);
  assert.equal(known.isWorthKeeping('a', 2), false, 'it changed the table itself');
  assert.equal(known.isWorthKeeping('a', 2), false);
});

test('what is kept is bounded in number and size', () => {
  const known = new KnownBlocks<number>();
  for (let i = 0; i < 1000; i++) known.add(String(i), i);
  const kept = Array.from({ length: 1000 }, (_, i) => known.get(String(i), 0)).filter(
    (one) => one !== undefined,
  );
  assert.ok(kept.length <= 32);
  const long = 'x'.repeat(2000);
  known.isWorthKeeping(long, 0);
  assert.equal(known.isWorthKeeping(long, 0), false);
});
