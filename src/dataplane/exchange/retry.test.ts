import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOffMs, numbered } from './retry.ts';

test('the wait doubles from 25 ms to 250 ms, and is spread evenly from nothing on', () => {
  const longest = [1, 2, 3, 4, 5, 15].map((attempts) => backOffMs(attempts, 1));
  assert.deepEqual(longest, [25, 50, 100, 200, 250, 250]);
  assert.equal(backOffMs(3, 0), 0);
  assert.equal(backOffMs(3, 0.5), 50);
});

test('the number of the attempt is the last line of the head, once', () => {
  const head = 'PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n';
  const body = '\r\n\r\n\r\n';
  const second = numbered(head + body, 2);
  assert.equal(second, `${head}X-Tidegate-Attempt: 2\r\n${body}`);
  assert.equal(numbered(second, 3), `${head}X-Tidegate-Attempt: 3\r\n${body}`);
});
