import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReport } from './h2load.ts';

const report = (requests: string, statuses: string): string =>
  `finished in 2.00s, 500.00 req/s, 8.99MB/s\nrequests: ${requests}\nstatus codes: ${statuses}\n`;

test('requests that were cut off by the end of the run are neither counted nor errors', () => {
  const text = report(
    '1000 total, 1256 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout',
    '1193 2xx, 0 3xx, 0 4xx, 0 5xx',
  );
  assert.deepEqual(parseReport(text), { completed: 1000, seconds: 2, errors: 0 });
});

test('failed requests and redirects are errors', () => {
  const text = report(
    '1000 total, 1256 started, 1000 done, 990 succeeded, 10 failed, 10 errored, 0 timeout',
    '985 2xx, 5 3xx, 10 4xx, 0 5xx',
  );
  assert.equal(parseReport(text).errors, 15);
});

test('a report without figures is refused', () => {
  assert.throws(() => parseReport('h2load: could not connect'), /h2load: nothing like/);
});
