import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type QueueLimits, type Write, WriteQueue } from './write-queue.ts';

const LIMITS: QueueLimits = { parallel: 2, perSecond: 10, burst: 3, waiting: 100 };
const DONE = { kind: 'done' } as const;
const RETRY = { kind: 'retry', afterMs: 0 } as const;

function write(key: string, body = 'x', basis: unknown = 'basis'): Write {
  return { key, basis, request: { method: 'PATCH', path: `/${key}`, body } };
}

const keys = (writes: readonly Write[]) => writes.map(({ key }) => key);
const bodies = (writes: readonly Write[]) => writes.map(({ request }) => request.body);

describe('bounds', () => {
  test('no more run at the same time than may', () => {
    const queue = new WriteQueue(LIMITS);
    queue.replace(
      ['a', 'b', 'c'].map((key) => write(key)),
      0,
    );
    const [a, b, ...more] = queue.next(0);
    assert.deepEqual(keys([a!, b!]), ['a', 'b']);
    assert.deepEqual([more, queue.next(0), queue.wakeAt(0)], [[], [], null]);
    queue.settle(a!, DONE, 0, 0);
    assert.deepEqual(keys(queue.next(0)), ['c']);
  });
  test('after a burst they come at the rate', () => {
    const queue = new WriteQueue({ ...LIMITS, parallel: 100 });
    queue.replace(
      ['a', 'b', 'c', 'd', 'e'].map((key) => write(key)),
      0,
    );
    assert.equal(queue.next(0).length, 3);
    assert.equal(queue.wakeAt(0), 100);
    assert.deepEqual(keys(queue.next(99)), []);
    assert.deepEqual(keys(queue.next(100)), ['d']);
    assert.deepEqual(keys(queue.next(200)), ['e']);
    assert.equal(queue.wakeAt(200), null);
  });
  test('beyond the number that may wait they are dropped and counted', () => {
    const queue = new WriteQueue({ ...LIMITS, waiting: 2 });
    for (const key of ['a', 'b', 'c', 'd']) queue.put(write(key), 0);
    queue.put(write('a', 'newer'), 0);
    assert.equal(queue.dropped, 2);
    assert.deepEqual(bodies(queue.next(0)), ['newer', 'x']);
  });
});

describe('the newest counts', () => {
  test('of two writes that wait for the same key the later one is sent', () => {
    const queue = new WriteQueue(LIMITS);
    queue.put(write('a', '1'), 0);
    queue.put(write('a', '2'), 0);
    assert.deepEqual(bodies(queue.next(0)), ['2']);
  });
  test('one that comes while another of its key runs waits for that one', () => {
    const queue = new WriteQueue(LIMITS);
    queue.put(write('a', '1'), 0);
    const [first] = queue.next(0);
    queue.put(write('a', '2'), 0);
    assert.deepEqual(queue.next(0), []);
    queue.settle(first!, RETRY, 0, 0);
    assert.deepEqual(bodies(queue.next(500)), ['2']);
  });
  test('what a later plan does not need any more is not sent', () => {
    const queue = new WriteQueue(LIMITS);
    queue.replace([write('a'), write('b')], 0);
    queue.replace([write('b')], 0);
    assert.deepEqual(keys(queue.next(0)), ['b']);
  });
});

describe('nothing is written twice', () => {
  test('while the object that a write followed from is the same', () => {
    const queue = new WriteQueue(LIMITS);
    queue.replace([write('a')], 0);
    const [first] = queue.next(0);
    queue.replace([write('a')], 0);
    queue.settle(first!, DONE, 10, 0);
    queue.replace([write('a')], 20);
    assert.deepEqual(queue.next(20), []);
    assert.equal(queue.wakeAt(20), null);
  });
  test('what somebody undoes again and again is written at growing intervals', () => {
    const queue = new WriteQueue(LIMITS);
    const times: number[] = [];
    let now = 0;
    for (let round = 0; round < 9; round++) {
      queue.replace([write('a', 'x', { round })], now);
      now = Math.max(now, queue.wakeAt(now)!);
      const [next] = queue.next(now);
      times.push(now);
      queue.settle(next!, DONE, now, 0);
    }
    const waits = times.slice(1).map((time, i) => time - times[i]!);
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });
  test('another content is not held up by that', () => {
    const queue = new WriteQueue(LIMITS);
    queue.replace([write('a', 'x', 1)], 0);
    queue.settle(queue.next(0)[0]!, DONE, 0, 0);
    queue.replace([write('a', 'y', 2)], 1);
    assert.deepEqual(bodies(queue.next(1)), ['y']);
  });
});

describe('failures', () => {
  test('are tried again with growing distance, which ends with the first success', () => {
    const queue = new WriteQueue(LIMITS);
    queue.put(write('a'), 0);
    let now = 0;
    const waits: number[] = [];
    for (let round = 0; round < 9; round++) {
      const [next] = queue.next(now);
      queue.settle(next!, RETRY, now, 0);
      waits.push(queue.wakeAt(now)! - now);
      now = queue.wakeAt(now)!;
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    queue.settle(queue.next(now)[0]!, DONE, now, 0);
    queue.put(write('a', 'y'), now);
    assert.deepEqual(bodies(queue.next(now)), ['y']);
  });
  test('wait as long as the server asks', () => {
    const queue = new WriteQueue(LIMITS);
    queue.put(write('a'), 0);
    queue.settle(queue.next(0)[0]!, { kind: 'retry', afterMs: 5000 }, 0, 0);
    assert.equal(queue.wakeAt(0), 5000);
  });
  test('do not hold up the others', () => {
    const queue = new WriteQueue(LIMITS);
    queue.replace([write('a'), write('b')], 0);
    for (const each of queue.next(0)) queue.settle(each, RETRY, 0, 0);
    queue.put(write('c'), 0);
    assert.deepEqual(keys(queue.next(0)), ['c']);
  });
  test('that only a change of rights or object can mend are tried ever less often', () => {
    const queue = new WriteQueue(LIMITS);
    queue.put(write('a'), 0);
    let now = 0;
    const waits: number[] = [];
    for (let round = 0; round < 6; round++) {
      queue.settle(queue.next(now)[0]!, { kind: 'refused' }, now, 0);
      waits.push(queue.wakeAt(now)! - now);
      now = queue.wakeAt(now)!;
    }
    assert.deepEqual(waits, [60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
  });
  test('of that kind are tried at once when the object has changed, and only then', () => {
    const queue = new WriteQueue(LIMITS);
    queue.put(write('a', 'x', 1), 0);
    queue.settle(queue.next(0)[0]!, { kind: 'refused' }, 0, 0);
    queue.put(write('a', 'x', 1), 1000);
    assert.deepEqual(queue.next(1000), []);
    queue.put(write('a', 'x', 2), 2000);
    assert.deepEqual(bodies(queue.next(2000)), ['x']);
  });
});

test('after the end of a term nothing is left of it, not even what was running', () => {
  const queue = new WriteQueue(LIMITS);
  queue.replace([write('a'), write('b'), write('c')], 0);
  const [running] = queue.next(0);
  queue.clear();
  queue.settle(running!, RETRY, 0, 0);
  assert.deepEqual([queue.next(1000), queue.wakeAt(1000)], [[], null]);
});
