/** Every bound at its edge: one below, at it, one above. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startEchoBackend } from '../kit/echo-backend.ts';
import { fieldValue, show, statusOf } from '../kit/http-message.ts';
import { assertOwnAnswer, holdAnswers, OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { routeAll } from '../kit/manifests.ts';
import { answer } from '../kit/raw-backend.ts';
import { eventually } from '../kit/waiting.ts';

const fixture = await startHttp1Fixture(
  { after },
  {
    args: [
      ...[
        '--limit-request-line-bytes',
        '1024',
        '--limit-request-head-bytes',
        '2048',
        '--limit-field-count',
        '20',
      ],
      ...[
        '--limit-response-head-bytes',
        '1024',
        '--limit-trailer-bytes',
        '256',
        '--limit-trailer-count',
        '4',
      ],
      ...['--limit-chunk-extension-bytes', '256', '--limit-body-bytes', '1000'],
      ...['--limit-informational-responses', '3', '--limit-requests-per-connection', '5'],
    ],
  },
);

const pad = (count: number) => 'x'.repeat(count);
const head = (fields: string) => `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
const chunked = (body: string) => `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;

/** A request line of exactly `bytes` bytes, its CRLF not counted. */
const line = (bytes: number) => `GET /${pad(bytes - 'GET / HTTP/1.1'.length)} HTTP/1.1\r\nHost: h\r\n\r\n`;
/** A head of exactly `bytes` bytes, the empty line counted. */
const headOf = (bytes: number) => head(`X: ${pad(bytes - head('X: \r\n').length)}\r\n`);
/** A head of exactly `count` field lines. */
const fieldsOf = (count: number) => head('X: y\r\n'.repeat(count - 1));
const bodyOf = (bytes: number) =>
  `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${bytes}\r\n\r\n${pad(bytes)}`;
const chunksOf = (bytes: number) =>
  chunked(`64\r\n${pad(100)}\r\n${(bytes - 100).toString(16)}\r\n${pad(bytes - 100)}\r\n0\r\n\r\n`);
const extensionOf = (bytes: number) => chunked(`2;${pad(bytes - 1)}\r\nab\r\n0\r\n\r\n`);
const trailersOf = (count: number) => chunked(`2\r\nab\r\n0\r\n${'X: y\r\n'.repeat(count)}\r\n`);

describe('a request within the limit is served, one above it refused', () => {
  const limits: readonly [what: string, request: (size: number) => string, limit: number, status: number][] =
    [
      ['bytes of the request line', line, 1024, 414],
      ['bytes of the head', headOf, 2048, 431],
      ['fields', fieldsOf, 20, 431],
    ];
  for (const [what, request, limit, status] of limits) {
    for (const size of [limit - 1, limit]) {
      test(`${size} ${what}: served`, async () => {
        assert.equal(statusOf((await fixture.forward(request(size))).response), 200);
      });
    }
    test(`${limit + 1} ${what}: ${status}`, () => fixture.refuses(request(limit + 1), status));
    test(`far more ${what}: ${status}`, () => fixture.refusesLong(request(limit * 5), status));
  }

  test('a request line without an end is refused before it ends', () =>
    fixture.refusesLong(`GET /${pad(20_000)}`, 414));
  test('a method without an end is refused', () => fixture.refusesLong(pad(20_000), 400, 414, 501));
  test('a field without an end is refused before it ends', () =>
    fixture.refusesLong(`GET / HTTP/1.1\r\nHost: h\r\nX: ${pad(20_000)}`, 431));
});

describe('a body above the limit gets 413, and no whole request reaches the backend', () => {
  const refused: readonly [what: string, request: string][] = [
    ['by one byte, with a length', bodyOf(1001)],
    ['by far, with a length', bodyOf(60_000)],
    ['by its length alone, before it comes', bodyOf(1001).slice(0, -1001)],
    ['by one byte, in chunks', chunksOf(1001)],
    ['by far, in chunks', chunksOf(60_000)],
  ];
  for (const [what, request] of refused) {
    test(what, async () => {
      const before = fixture.backend.requests.length;
      const mark = fixture.backend.mark();
      const client = await fixture.connect();
      client.send(request);
      const response = await client.response();
      assertOwnAnswer(response, [413]);
      for (const { connection } of fixture.backend.since(mark)) await connection.ended();
      assert.equal(fixture.backend.requests.length, before);
    });
  }
  test('and the connection is closed, or read to the end of the body and usable', async () => {
    fixture.backend.behaviour = OK;
    const client = await fixture.connect();
    client.send(bodyOf(1001) + head(''));
    assert.equal(statusOf(await client.response()), 413);
    const next = await Promise.race([client.response().catch(() => null), client.ended()]);
    if (next !== null && typeof next === 'object') assert.equal(statusOf(next), 200);
  });
  for (const size of [999, 1000]) {
    test(`but not at ${size} bytes`, async () => {
      assert.equal(statusOf((await fixture.forward(bodyOf(size))).response), 200);
      assert.equal(statusOf((await fixture.forward(chunksOf(size))).response), 200);
    });
  }
});

describe('a chunked message within the limit is served, one above it broken off', () => {
  const limits: readonly [
    what: string,
    request: (size: number) => string,
    limit: number,
    statuses: number[],
  ][] = [
    ['bytes of extensions', extensionOf, 256, [400, 413]],
    ['trailer fields', trailersOf, 4, [400, 413, 431]],
  ];
  for (const [what, request, limit, statuses] of limits) {
    for (const size of [limit - 1, limit]) {
      test(`${size} ${what}: served`, async () => {
        assert.equal(statusOf((await fixture.forward(request(size))).response), 200);
      });
    }
    test(`${limit + 1} ${what}: refused`, () => fixture.breaksOff(request(limit + 1), ...statuses));
  }

  test('many small extensions count together', () =>
    fixture.breaksOff(chunked(`${`1;${pad(60)}\r\na\r\n`.repeat(5)}0\r\n\r\n`), 400, 413));
  test('an extension without an end is refused before it ends', () =>
    fixture.breaksOff(chunked(`1;${pad(2000)}`), 400, 413));
  test('a chunk size without an end is refused before it ends', () =>
    fixture.breaksOff(chunked('0'.repeat(2000)), 400));
  test('trailers of too many bytes are refused', () =>
    fixture.breaksOff(chunked(`0\r\nX: ${pad(300)}\r\n\r\n`), 400, 413, 431));
  test('a trailer without an end is refused before it ends', () =>
    fixture.breaksOff(chunked(`0\r\nX: ${pad(2000)}`), 400, 413, 431));
});

describe('a response', () => {
  const response = (fields: string) => `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${fields}\r\n`;
  const ofBytes = (bytes: number) => response(`X: ${pad(bytes - response('X: \r\n').length)}\r\n`);
  const ofFields = (count: number) => response('X: y\r\n'.repeat(count - 1));
  const limits: readonly [what: string, response: (size: number) => string, limit: number][] = [
    ['bytes of head', ofBytes, 1024],
    ['fields', ofFields, 20],
  ];
  for (const [what, make, limit] of limits) {
    for (const size of [limit - 1, limit]) {
      test(`of ${size} ${what} is passed on`, async () => {
        assert.equal(statusOf(await fixture.get(answer(make(size)))), 200);
      });
    }
    test(`of ${limit + 1} ${what} becomes 502`, async () => {
      assert.equal(statusOf(await fixture.get(answer(make(limit + 1)))), 502);
    });
  }
  test('without an end of its head becomes 502', async () => {
    assert.equal(statusOf(await fixture.get(answer(`HTTP/1.1 200 OK\r\nX: ${pad(100_000)}`))), 502);
  });
  test('that is announced by too many 1xx is not passed on, or without them', async () => {
    fixture.backend.behaviour = answer('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(4) + response(''));
    const client = await fixture.connect();
    client.send(head(''));
    assert.ok([200, 502].includes(statusOf(await client.response())));
    assert.ok(client.inbox.all.toString().split(' 103 ').length - 1 <= 3, show(client.inbox.all));
  });
});

describe('connections and requests', () => {
  test('a connection is closed politely after its last request', async () => {
    fixture.backend.behaviour = OK;
    const client = await fixture.connect();
    for (let round = 1; round <= 5; round++) {
      client.send(head(''));
      const response = await client.response();
      assert.equal(statusOf(response), 200);
      assert.equal(fieldValue(response, 'connection'), round === 5 ? 'close' : null);
    }
    assert.equal(await client.ended(), 'fin');
  });

  test('connections above the limit are closed, and come back when others go', async (t) => {
    const small = await startHttp1Fixture(t, { args: ['--limit-connections', '3'] });
    const clients = [await small.connect(), await small.connect(), await small.connect()];
    for (const client of clients) {
      client.send(head(''));
      assert.equal(statusOf(await client.response()), 200);
    }
    const extra = await small.connect();
    await extra.ended();
    assert.doesNotMatch(extra.inbox.all.toString(), / 200 /);
    clients[0]!.close();
    await clients[0]!.ended();
    // Until the proxy has noticed the close, a new connection may still meet the limit.
    for (;;) {
      const next = await small.connect();
      next.send(head(''));
      const status = await next.response().then(statusOf, () => null);
      if (status === 200) break;
    }
  });

  test('requests in flight above the limit get 503 with Retry-After', async (t) => {
    const small = await startHttp1Fixture(t, { args: ['--limit-requests', '2'] });
    const { goOn } = holdAnswers(small);
    const running = [await small.connect(), await small.connect()];
    for (const client of running) client.send(head(''));
    await small.backend.received(2);
    const third = await small.connect();
    third.send(head(''));
    const refused = await third.response();
    assert.equal(statusOf(refused), 503);
    assert.match(fieldValue(refused, 'retry-after') ?? '', /^\d+$/);
    goOn();
    for (const client of running) assert.equal(statusOf(await client.response()), 200);
  });

  test('requests that wait for an endpoint above the limit get 503 at once', async (t) => {
    const args = [
      '--limit-endpoint-connections',
      '1',
      '--limit-pending-requests',
      '1',
      '--timeout-pending',
      '600s',
    ];
    const small = await startHttp1Fixture(t, { args });
    const { goOn } = holdAnswers(small);
    const clients = [await small.connect(), await small.connect(), await small.connect()];
    for (const client of clients) client.send(head(''));
    // One runs, one waits; which of them, is decided by the order in which they are read.
    const refused = await Promise.race(
      clients.map(async (client) => ({ client, response: await client.response() })),
    );
    assert.equal(statusOf(refused.response), 503);
    goOn();
    for (const client of clients)
      if (client !== refused.client) assert.equal(statusOf(await client.response()), 200);
    assert.equal(small.backend.requests.length, 2);
    assert.equal(small.backend.connections.length, 1);
  });

  test('idle connections to an endpoint above the limit are closed', async (t) => {
    const small = await startHttp1Fixture(t, { args: ['--limit-endpoint-idle-connections', '1'] });
    const { goOn } = holdAnswers(small);
    const clients = [await small.connect(), await small.connect(), await small.connect()];
    for (const client of clients) client.send(head(''));
    await small.backend.received(3);
    goOn();
    for (const client of clients) assert.equal(statusOf(await client.response()), 200);
    await eventually(() => {
      const open = small.backend.connections.filter(({ inbox }) => inbox.ending === null);
      assert.equal(open.length, 1);
    });
  });

  test('a request that waits for an endpoint that leaves goes to the one that comes', async (t) => {
    const small = await startHttp1Fixture(t, {
      args: ['--limit-endpoint-connections', '1', '--timeout-pending', '60s'],
    });
    const { goOn } = holdAnswers(small);
    const [first, second] = [await small.connect(), await small.connect()];
    first.send(head(''));
    await small.backend.received(1);
    second.send(head(''));
    await eventually(async () =>
      assert.match((await small.proxy.get('/metrics')).text, /^tidegate_requests 2$/m),
    );
    const other = await startEchoBackend(t, 'other');
    await small.proxy.change('all.yaml', routeAll('h', other.port));
    assert.equal(JSON.parse((await second.response()).body.toString()).backend, 'other');
    goOn();
    assert.equal(statusOf(await first.response()), 200);
    assert.equal(small.backend.requests.length, 1);
  });
});
