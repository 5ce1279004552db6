/** The kit against node:http, so that a failing feature test speaks about the program and not about the kit. */
import assert from 'node:assert/strict';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type Echo, startEchoBackend } from './echo-backend.ts';
import { fieldValues, readRequest, readResponse } from './http-message.ts';
import { answerAndClose, startRawBackend } from './raw-backend.ts';
import { connect } from './raw-client.ts';
import { eventually, within } from './waiting.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

describe('the message reader', () => {
  test('finds where each framing ends', () => {
    const cases: readonly [bytes: string, framing: string, body: string, left: number][] = [
      ['GET / HTTP/1.1\r\nHost: h\r\n\r\nGET', 'none', '', 3],
      ['POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabX', 'length', 'ab', 1],
      [
        'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\nX',
        'chunked',
        'abc',
        1,
      ],
      ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\nX', 'chunked', '', 1],
    ];
    for (const [bytes, framing, body, left] of cases) {
      const message = readRequest(latin1(bytes));
      assert.ok(message);
      assert.deepEqual(
        [message.framing, message.body.toString(), bytes.length - message.raw.length],
        [framing, body, left],
      );
      for (let cut = 0; cut < message.raw.length; cut++)
        assert.equal(readRequest(latin1(bytes.slice(0, cut))), null);
    }
  });

  test('knows which responses have no body, and reads others until the close', () => {
    const plain = latin1('HTTP/1.1 200 OK\r\n\r\nabc');
    assert.equal(readResponse(plain, false, 'GET'), null);
    assert.equal(readResponse(plain, true, 'GET')?.body.toString(), 'abc');
    assert.equal(readResponse(plain, false, 'HEAD')?.body.length, 0);
    for (const status of [100, 103, 204, 304]) {
      const bodiless = latin1(`HTTP/1.1 ${status} X\r\nContent-Length: 3\r\n\r\nabc`);
      assert.equal(readResponse(bodiless, false, 'GET')?.framing, 'none');
    }
  });

  test('refuses chunk lines that are more than a size', () => {
    const chunked = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n';
    assert.throws(() => readRequest(latin1(`${chunked}2;a=b\r\nab\r\n0\r\n\r\n`)), /chunk line/);
    assert.throws(() => readRequest(latin1(`${chunked}2\r\nabc\r\n0\r\n\r\n`)), /no CRLF/);
  });
});

async function serveHello(t: TestContext): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url === '/early') response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(`hello ${request.method}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.closeAllConnections());
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('the raw client', () => {
  test('reads pipelined answers one by one and sees the close', async (t) => {
    const client = await connect(t, await serveHello(t));
    await client.dribble(
      'GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    const first = await client.response();
    assert.equal(first.body.toString(), 'hello GET');
    assert.deepEqual(fieldValues(first, 'set-cookie'), ['a=1', 'b=2']);
    assert.equal((await client.response('HEAD')).body.length, 0);
    assert.equal(await client.ended(), 'fin');
  });

  test('gives 1xx answers to who asks for them, and skips them for who does not', async (t) => {
    const port = await serveHello(t);
    const client = await connect(t, port);
    client.send('GET /early HTTP/1.1\r\nHost: x\r\n\r\nGET /early HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match((await client.informational()).startLine, /^HTTP\/1.1 103 /);
    assert.equal((await client.response()).body.toString(), 'hello GET');
    assert.equal((await client.response()).body.toString(), 'hello GET');
  });

  test('says what it waited for and what it got when nothing comes', async (t) => {
    const backend = await startRawBackend(t);
    backend.behaviour = answerAndClose('HTTP/1.1 200 OK\r\nContent-Le');
    const client = await connect(t, backend.port);
    client.send('GET / HTTP/1.1\r\n\r\n');
    await assert.rejects(
      client.response(),
      /ended \(fin\) before a response to GET; received "HTTP\/1.1 200 OK/,
    );
    await assert.rejects(within(new Promise(() => {}), 'never', 1), /waited 1 ms for never/);
  });
});

describe('the raw backend', () => {
  test('records the exact bytes and serves several requests on a connection', async (t) => {
    const backend = await startRawBackend(t);
    const client = await connect(t, backend.port);
    const first = 'POST /a HTTP/1.1\r\nhost:  x \r\nContent-Length: 2\r\n\r\nab';
    client.send(first);
    assert.equal((await client.response()).body.toString(), 'ok');
    const mark = backend.mark();
    client.send('GET /b HTTP/1.1\r\n\r\n');
    await client.response();
    assert.equal(backend.requests[0]?.raw.toString(), first);
    assert.deepEqual(
      backend.since(mark).map(({ bytes }) => bytes.toString()),
      ['GET /b HTTP/1.1\r\n\r\n'],
    );
  });

  test('sees when the other side hangs up in the middle', async (t) => {
    const backend = await startRawBackend(t);
    const client = await connect(t, backend.port);
    client.send('POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nab');
    const connection = await eventually(() => {
      const [first] = backend.connections;
      assert.ok(first);
      assert.ok(first.inbox.all.includes('ab'));
      return first;
    });
    client.reset();
    assert.equal(await connection.ended(), 'reset');
    assert.equal(backend.requests.length, 0);
  });
});

test('the echo backend says what it saw', async (t) => {
  const backend = await startEchoBackend(t, 'blue');
  const text = await new Promise<string>((resolve, reject) => {
    const request = httpRequest(
      { port: backend.port, method: 'PUT', path: '/x', agent: false },
      (response) => {
        response.setEncoding('utf8');
        let body = '';
        response.on('data', (part: string) => {
          body += part;
        });
        response.on('end', () => resolve(body));
      },
    );
    request.on('error', reject);
    request.end('hello');
  });
  const echo = JSON.parse(text) as Echo;
  assert.deepEqual([echo.backend, echo.method, echo.url, echo.bodyBytes], ['blue', 'PUT', '/x', 5]);
  assert.match(echo.bodySha256, /^2cf24dba5fb0a30e/);
});
