import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../config.ts';
import { RequestBody } from './request-body.ts';

const TIMEOUTS = { ...DEFAULT_TIMEOUTS, bodyRate: 240, bodyRateGrace: 10_000, bodyIdle: 30_000 };
const LONG = 1e12;

/** When a body is given up whose reads are `[ms since the one before, bytes]`; -1 if never. */
function cutAt(reads: Iterable<readonly [ms: number, bytes: number]>, timeouts = TIMEOUTS): number {
  const body = new RequestBody(LONG, DEFAULT_LIMITS, 0);
  let now = 0;
  for (const [ms, bytes] of reads) {
    now += ms;
    if (!body.inTime(bytes, now, timeouts)) return now;
  }
  return -1;
}

function* times(count: number, ms: number, bytes: number): Generator<readonly [number, number]> {
  for (let i = 0; i < count; i++) yield [ms, bytes];
}

test('who sends a byte a second is given up soon after the grace', () => {
  const at = cutAt(times(3600, 1000, 1));
  assert.ok(at >= 10_000 && at <= 12_000, `after ${at} ms`);
});

test('a fast start buys no long dribble', () => {
  const at = cutAt([[10, 100_000_000], ...times(3600, 1000, 1)]);
  assert.ok(at >= 10_000 && at <= 45_000, `after ${at} ms`);
});

test('and neither does a burst now and then', () => {
  assert.notEqual(
    cutAt(
      (function* () {
        for (let i = 0; i < 100; i++) yield* [[29_000, 1000] as const, ...times(10, 100, 100)];
      })(),
    ),
    -1,
  );
});

test('who keeps to the rate is never given up, nor who stalls for less than the idle time', () => {
  assert.equal(cutAt(times(3600, 1000, 240)), -1);
  assert.equal(cutAt(times(400, 9000, 2160)), -1);
  assert.equal(
    cutAt(
      (function* () {
        for (let i = 0; i < 50; i++) yield* [...times(40, 10, 10_000), [29_900, 1] as const];
      })(),
    ),
    -1,
  );
});

test('time in which the client was held back is not its own', () => {
  const body = new RequestBody(LONG, DEFAULT_LIMITS, 0);
  assert.ok(body.inTime(1, 9000, TIMEOUTS));
  body.restartClock(1_000_000);
  assert.ok(body.inTime(1, 1_000_900, TIMEOUTS));
});

test('bytes that went on unseen count as well', () => {
  const body = new RequestBody(LONG, DEFAULT_LIMITS, 0);
  for (let now = 5000; now < 1_000_000; now += 5000) {
    assert.ok(body.inTime(1, now, TIMEOUTS), `at ${now}`);
    body.passed(1200);
  }
});

test('without a rate, or without a grace, nobody is too slow', () => {
  for (const off of [{ bodyRate: 0 }, { bodyRateGrace: 0 }])
    assert.equal(cutAt(times(1000, 10_000, 1), { ...TIMEOUTS, ...off }), -1);
});

test('in any stretch of time, who is not given up has sent at the rate, but for the grace and one idle time', () => {
  const read = fc.tuple(fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 1, max: 9000 }));
  fc.assert(
    fc.property(fc.array(read, { minLength: 2, maxLength: 60 }), fc.nat(58), (reads, from) => {
      const last = cutAt(reads);
      const start = Math.min(from, reads.length - 1);
      let elapsed = 0;
      let bytes = 0;
      let now = reads.slice(0, start + 1).reduce((sum, [ms]) => sum + ms, 0);
      for (const [ms, size] of reads.slice(start + 1)) {
        now += ms;
        if (last >= 0 && now >= last) break;
        elapsed += ms;
        bytes += size;
        assert.ok(bytes >= ((elapsed - 40_000) * 240) / 1000, `${bytes} bytes in ${elapsed} ms`);
      }
    }),
  );
});
