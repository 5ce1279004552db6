import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SilenceWatch } from './silence-watch.ts';

const { ASK, DEAD } = SilenceWatch;

test('silence is asked about once it has lasted, and an answer ends it', () => {
  const watch = new SilenceWatch(10_000, 0);
  assert.equal(watch.begin(0), 10_000);
  watch.heard(4000);
  assert.equal(watch.check(10_000), 4000);
  assert.equal(watch.check(14_000), ASK);
  assert.equal(watch.asked(14_000), 10_000);
  watch.heard(15_000);
  assert.ok(watch.check(25_000) > 0);
});

test('no answer for as long again: dead', () => {
  const watch = new SilenceWatch(10_000, 0);
  assert.equal(watch.check(10_000), ASK);
  watch.asked(10_000);
  assert.equal(watch.check(20_000), DEAD);
});

test('the second question is due a minute later, the others every five, also when new streams begin', () => {
  const watch = new SilenceWatch(10_000, 0);
  const asked: number[] = [];
  for (let now = 0; now < 1_000_000; now += 5000) {
    if (now % 25_000 === 0) watch.begin(now);
    if (watch.check(now) !== ASK) continue;
    asked.push(now);
    watch.asked(now);
    watch.heard(now + 1);
  }
  const pauses = asked.slice(1).map((at, i) => at - asked[i]!);
  assert.ok(pauses[0]! >= 60_000 && pauses[0]! < 100_000, String(pauses));
  assert.ok(
    pauses.slice(1).every((pause) => pause >= 300_000),
    String(pauses),
  );
});

test('a part of a response makes the next silence a first one', () => {
  const watch = new SilenceWatch(10_000, 0);
  watch.check(10_000);
  watch.asked(10_000);
  watch.heard(10_001);
  watch.active();
  assert.equal(watch.check(21_000), ASK);
});

test('0 switches it off', () => {
  assert.equal(new SilenceWatch(0, 0).begin(5), 0);
});
