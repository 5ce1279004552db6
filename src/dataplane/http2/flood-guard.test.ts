/** Each kind of cheap work is bounded, comes back with time, and costs nothing to ordinary clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS, FloodGuard, PINGS, RESETS, WINDOW_UPDATES } from './flood-guard.ts';

for (const [kind, { burst, perSecond }] of BOUNDS.entries()) {
  test(`kind ${kind}: ${burst} at once, then ${perSecond} a second`, () => {
    const guard = new FloodGuard(1000);
    for (let i = 0; i < burst; i++) assert.equal(guard.allows(kind, 1000), true);
    assert.equal(guard.allows(kind, 1000), false);
    for (let i = 0; i < perSecond; i++) assert.equal(guard.allows(kind, 2000), true);
    assert.equal(guard.allows(kind, 2000), false);
    assert.equal(guard.allows(kind, 1_000_000), true);
  });
}

test('time does not pile up more than a burst', () => {
  const guard = new FloodGuard(0);
  const { burst } = BOUNDS[RESETS]!;
  for (let i = 0; i < burst; i++) guard.allows(RESETS, 0);
  let allowed = 0;
  while (guard.allows(RESETS, 3_600_000)) allowed++;
  assert.equal(allowed, burst);
});

test('DATA that we send gives reason for a PING', () => {
  const guard = new FloodGuard(0);
  for (let i = 0; i < BOUNDS[PINGS]!.burst; i++) guard.allows(PINGS, 0);
  assert.equal(guard.allows(PINGS, 0), false);
  guard.sentData();
  assert.deepEqual([guard.allows(PINGS, 0), guard.allows(PINGS, 0)], [true, false]);
});

test('two streams that ran to their end allow one more reset', () => {
  const guard = new FloodGuard(0);
  for (let i = 0; i < BOUNDS[RESETS]!.burst; i++) guard.allows(RESETS, 0);
  guard.completed();
  assert.equal(guard.allows(RESETS, 0), false);
  guard.completed();
  assert.deepEqual([guard.allows(RESETS, 0), guard.allows(RESETS, 0)], [true, false]);
});

test('DATA that we send gives reason for window updates', () => {
  const guard = new FloodGuard(0);
  for (let i = 0; i < BOUNDS[WINDOW_UPDATES]!.burst; i++) guard.allows(WINDOW_UPDATES, 0);
  assert.equal(guard.allows(WINDOW_UPDATES, 0), false);
  guard.sentData();
  for (let i = 0; i < 10; i++) assert.equal(guard.allows(WINDOW_UPDATES, 0), true);
  assert.equal(guard.allows(WINDOW_UPDATES, 0), false);
});
