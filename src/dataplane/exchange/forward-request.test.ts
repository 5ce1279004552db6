import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LIMITS } from '../config.ts';
import { parseRequestHead } from '../http1/parse-request.ts';
import { RequestHead } from '../message/request-head.ts';
import { isLoop } from './forward-request.ts';

function head(fields: string): RequestHead {
  const out = new RequestHead();
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: h.test\r\n${fields}\r\n`, 'latin1');
  assert.ok(parseRequestHead(bytes, 0, bytes.length, DEFAULT_LIMITS, out) > 0);
  return out;
}

test('a request that came through ourselves eight times goes round in circles', () => {
  const own = (times: number) => Array(times).fill('1.1 tidegate').join(', ');
  const table: [fields: string, loop: boolean][] = [
    ['', false],
    ['Via: \r\n', false],
    [`Via: ${own(7)}\r\n`, false],
    [`Via: ${own(8)}\r\n`, true],
    [`Via: ${own(4)}\r\nVia: ${own(4)}\r\n`, true],
    [`Via: 1.1 other (tidegate2), ${own(8)},\t1.0 x\r\n`, true],
    [`Via: ${own(8).replaceAll('tidegate', 'tidegates')}\r\n`, false],
    [`Via: ${own(8).replaceAll('tidegate', 'my-tidegate')}\r\n`, false],
  ];
  for (const [fields, loop] of table) assert.equal(isLoop(head(fields)), loop, fields);
});
