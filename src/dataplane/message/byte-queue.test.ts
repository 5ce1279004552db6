import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

const textOf = (queue: ByteQueue): string => {
  let text = '';
  for (let i = 0; i < queue.count; i++) text += queue.chunk(i).latin1Slice(queue.start(i), queue.end(i));
  return text;
};

test('what was pushed is there in its order, less what was dropped at the front', () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 9000 }) }),
    fc.record({ drop: fc.integer({ min: 1, max: 9000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new ByteQueue();
      let expected = '';
      let next = 0;
      for (const one of steps) {
        if ('push' in one) {
          const bytes = Buffer.from(Array.from({ length: one.push + 2 }, () => next++ % 251));
          queue.push(bytes, 1, one.push + 1);
          expected += bytes.latin1Slice(1, one.push + 1);
          bytes.fill(0xff);
        } else if (queue.count > 0) {
          const size = Math.min(one.drop, queue.end(0) - queue.start(0));
          queue.drop(size);
          expected = expected.slice(size);
        }
        assert.equal(queue.size, expected.length);
        assert.equal(queue.count === 0, expected === '');
      }
      assert.equal(textOf(queue), expected);
    }),
  );
});

test('single bytes share chunks, and a chunk that was handed out stays as it is', () => {
  const queue = new ByteQueue();
  const byte = Buffer.from('x');
  for (let i = 0; i < 10_000; i++) queue.push(byte, 0, 1);
  assert.equal(queue.count, 4);
  queue.drop(1);
  const sent = queue.chunk(0).subarray(queue.start(0), queue.end(0));
  const before = sent.toString('latin1');
  queue.push(Buffer.from('y'), 0, 1);
  assert.equal(sent.toString('latin1'), before);
});
