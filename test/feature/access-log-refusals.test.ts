/** Whoever is refused finds its request id and the reason in the access log, once, and the limit in the metrics. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, statusOf } from '../kit/http-message.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer } from '../kit/raw-backend.ts';
import { eventually } from '../kit/waiting.ts';

const fixture = await startHttp1Fixture(
  { after },
  {
    args: [
      ...['--access-log', 'json', '--limit-request-line-bytes', '1024', '--limit-request-head-bytes', '2048'],
      ...['--limit-body-bytes', '1000', '--limit-chunk-extension-bytes', '256', '--limit-trailer-count', '4'],
      ...['--limit-informational-responses', '3'],
      ...['--timeout-request-head', '500ms', '--timeout-body-idle', '500ms'],
    ],
  },
);

const pad = (count: number) => 'x'.repeat(count);
const get = (target: string, fields = '') => `GET ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
const chunked = (body: string) => `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;

interface Refusal {
  readonly what: string;
  readonly request: string;
  readonly status: number;
  readonly reason: string;
  /** What `limit_hits_total` counts it as. */
  readonly limit?: string;
  /** What the log tells of the request; nothing where there was none. */
  readonly path?: string;
}

const refusals: readonly Refusal[] = [
  { what: 'no head', request: 'GET\r\n\r\n', status: 400, reason: 'bad-request' },
  { what: 'no Host', request: 'GET / HTTP/1.1\r\n\r\n', status: 400, reason: 'bad-request' },
  {
    what: 'a path with NUL',
    request: get('/a%00?secret'),
    status: 400,
    reason: 'bad-request',
    path: '/a%00',
  },
  { what: 'CONNECT', request: 'CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n', status: 405, reason: 'bad-request' },
  {
    what: 'TRACE',
    request: 'TRACE / HTTP/1.1\r\nHost: h\r\n\r\n',
    status: 405,
    reason: 'not-served',
    path: '/',
  },
  { what: 'an unknown expectation', request: get('/', 'Expect: x\r\n'), status: 417, reason: 'bad-request' },
  {
    what: 'an unknown coding',
    request: get('/', 'Transfer-Encoding: gzip\r\n'),
    status: 501,
    reason: 'bad-request',
  },
  { what: 'HTTP/2.0', request: 'GET / HTTP/2.0\r\nHost: h\r\n\r\n', status: 505, reason: 'bad-request' },
  {
    what: 'a long request line',
    request: get(`/${pad(2000)}`),
    status: 414,
    reason: 'head-limit',
    limit: 'request_line',
  },
  {
    what: 'a long head',
    request: get('/', `X: ${pad(3000)}\r\n`),
    status: 431,
    reason: 'head-limit',
    limit: 'request_head',
  },
  {
    what: 'many fields',
    request: get('/', 'X: y\r\n'.repeat(101)),
    status: 431,
    reason: 'head-limit',
    limit: 'request_head',
  },
  {
    what: 'a head that stops',
    request: 'GET / HTTP/1.1\r\nHo',
    status: 408,
    reason: 'request-timeout',
    limit: 'request_head_timeout',
  },
  {
    what: 'a body that stops',
    request: 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello',
    status: 408,
    reason: 'request-timeout',
    limit: 'request_body_timeout',
    path: '/',
  },
  {
    what: 'a long body',
    request: 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n',
    status: 413,
    reason: 'body-limit',
    limit: 'request_body',
    path: '/',
  },
  {
    what: 'a long body in chunks',
    request: chunked(`3e9\r\n${pad(1001)}\r\n0\r\n\r\n`),
    status: 413,
    reason: 'body-limit',
    limit: 'request_body',
    path: '/',
  },
  {
    what: 'broken chunks',
    request: chunked('x\r\n'),
    status: 400,
    reason: 'bad-chunks',
    path: '/',
  },
  {
    what: 'a long chunk extension',
    request: chunked(`1;${pad(300)}\r\na\r\n0\r\n\r\n`),
    status: 413,
    reason: 'bad-chunks',
    limit: 'chunk_overhead',
    path: '/',
  },
  {
    what: 'many trailers',
    request: chunked(`0\r\n${'X: y\r\n'.repeat(5)}\r\n`),
    status: 413,
    reason: 'bad-chunks',
    limit: 'chunk_overhead',
    path: '/',
  },
  {
    what: 'a loop',
    request: get('/', `Via: ${Array(8).fill('1.1 tidegate').join(', ')}\r\n`),
    status: 508,
    reason: 'not-served',
    path: '/',
  },
  {
    what: 'an unknown host',
    request: 'GET /x?secret HTTP/1.1\r\nHost: other\r\n\r\n',
    status: 404,
    reason: 'no-route',
    path: '/x',
  },
];

async function hits(limit: string): Promise<number> {
  const { text } = await fixture.proxy.get('/metrics');
  const line = text.split('\n').find((one) => one.startsWith(`tidegate_limit_hits_total{limit="${limit}"} `));
  assert.ok(line !== undefined, `no limit is called ${limit}`);
  return Number(line.split(' ')[1]);
}

describe('a refusal is logged under the id that its client was told', { concurrency: true }, () => {
  for (const { what, request, status, reason, limit, path } of refusals) {
    test(`${status} for ${what}: ${reason}`, async () => {
      fixture.backend.behaviour = OK;
      const before = limit === undefined ? 0 : await hits(limit);
      const client = await fixture.connect();
      client.send(request);
      const response = await client.response(request.split(' ', 1)[0]);
      assert.equal(statusOf(response), status);
      const id = fieldValue(response, 'x-request-id');
      assert.match(id ?? '', /^[\w-]{16,}$/);
      const line = await fixture.proxy.logged('its line', (one) => one['id'] === id);
      assert.deepEqual(
        [line['status'], line['reason'], line['path'], line['client']],
        [status, reason, path ?? '', '127.0.0.1'],
      );
      assert.equal(fixture.proxy.log.filter((one) => one['id'] === id).length, 1);
      if (limit !== undefined) await eventually(async () => assert.ok((await hits(limit)) > before));
    });
  }
});

test('a refusal of a backend, too: 502 for too many informational responses: too-many-informational', async () => {
  const before = await hits('informational_responses');
  const response = await fixture.get(answer('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(4)));
  assert.equal(statusOf(response), 502);
  const id = fieldValue(response, 'x-request-id');
  const line = await fixture.proxy.logged('its line', (one) => one['id'] === id);
  assert.equal(line['reason'], 'too-many-informational');
  await eventually(async () => assert.equal(await hits('informational_responses'), before + 1));
});
