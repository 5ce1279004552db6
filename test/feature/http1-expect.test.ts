/** RFC 9110 section 10.1.1 and early answers: bodies that wait for permission, and bodies nobody wants any more. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, statusOf } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { eventually } from '../kit/waiting.ts';

const fixture = await startHttp1Fixture({ after });

const HIDDEN = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
const expecting = (length: number, version = '1.1') =>
  `POST / HTTP/${version}\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;

describe('Expect: 100-continue', () => {
  test('asks the backend: its 100 comes back, then the body goes there', async () => {
    const head = Promise.withResolvers<string | null>();
    const goOn = Promise.withResolvers<void>();
    fixture.backend.behaviour = async (connection) => {
      head.resolve(fieldValue(await connection.head(), 'expect'));
      await goOn.promise;
      connection.send('HTTP/1.1 100 Continue\r\n\r\n');
      await connection.request();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    const client = await fixture.connect();
    client.send(expecting(5));
    assert.equal(await head.promise, '100-continue');
    assert.equal(client.inbox.all.length, 0, 'no 100 before the backend sent one');
    goOn.resolve();
    assert.equal(statusOf(await client.informational()), 100);
    client.send('hello');
    assert.equal((await client.response()).body.toString(), 'ok');
    assert.equal(fixture.backend.requests.at(-1)?.body.toString(), 'hello');
  });

  test('does not hold back a body that comes all the same', async () => {
    const { request, response } = await fixture.forward(`${expecting(5)}hello`);
    assert.equal(request.body.toString(), 'hello');
    assert.equal(statusOf(response), 200);
  });

  test('is answered at once when the backend refuses', async () => {
    const mark = fixture.backend.mark();
    fixture.backend.behaviour = async (connection) => {
      await connection.head();
      connection.send('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig');
      await connection.ended();
    };
    const client = await fixture.connect();
    client.send(expecting(1_000_000));
    const response = await client.response();
    assert.equal(statusOf(response), 413);
    assert.equal(response.body.toString(), 'big');
    assert.equal(fieldValue(response, 'connection'), 'close', 'the client knows, and sends no request here');
    client.send(HIDDEN);
    assert.equal(
      await client.ended(),
      'fin',
      'a body may or may not follow, so the connection is of no more use',
    );
    for (const { connection, bytes } of fixture.backend.since(mark)) {
      assert.doesNotMatch(bytes.toString(), /smuggled/);
      await connection.ended();
    }
  });

  test('is answered at once, for the last time, when there is no route', async () => {
    const client = await fixture.connect();
    client.send(expecting(5).replace('Host: h', 'Host: unknown'));
    const response = await client.response();
    assert.equal(statusOf(response), 404);
    assert.equal(fieldValue(response, 'connection'), 'close');
    client.send(HIDDEN);
    assert.equal(await client.ended(), 'fin');
    assert.equal(client.inbox.rest.length, 0);
  });

  test('means nothing in HTTP/1.0', async () => {
    const { response } = await fixture.forward(`${expecting(5, '1.0')}hello`);
    assert.equal(statusOf(response), 200);
  });

  for (const value of ['200-ok', 'foo', '100-continue, foo']) {
    test(`of another kind (${value}) is answered with 417`, async () => {
      const client = await fixture.connect();
      client.send(`POST / HTTP/1.1\r\nHost: h\r\nExpect: ${value}\r\nContent-Length: 5\r\n\r\nhello`);
      assert.equal(statusOf(await client.response()), 417);
    });
  }
});

describe('an answer that comes before the body is complete', () => {
  const early = async (fields: string, first: string, late: string) => {
    const mark = fixture.backend.mark();
    fixture.backend.behaviour = async (connection) => {
      await connection.head();
      connection.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
      await connection.ended();
    };
    const client = await fixture.connect();
    client.send(`POST /early HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n${first}`);
    const response = await client.response();
    assert.equal(statusOf(response), 403);
    assert.equal(response.body.toString(), 'no');
    client.send(late);
    const upstream = fixture.backend.since(mark)[0]!.connection;
    await upstream.ended();
    return { client, mark };
  };

  test('goes out at once, the upstream connection is closed, and late bytes are no request', async () => {
    const { client, mark } = await early(`Content-Length: ${5 + HIDDEN.length}`, 'hello', HIDDEN);
    await eventually(async () => {
      if (client.inbox.ending !== null) return;
      const { response } = await fixture.forward('GET /other HTTP/1.1\r\nHost: h\r\n\r\n');
      assert.equal(statusOf(response), 200);
    });
    for (const { bytes } of fixture.backend.since(mark))
      assert.doesNotMatch(bytes.toString(), /^GET \/smuggled/);
  });

  test('leaves a connection that goes on, or closes, but never answers a body', async () => {
    const { client } = await early(
      'Transfer-Encoding: chunked',
      '5\r\nhello\r\n',
      `24\r\n${HIDDEN}\r\n0\r\n\r\n`,
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    fixture.backend.behaviour = async (connection) => {
      const { startLine } = await connection.request();
      assert.equal(startLine, 'GET /next HTTP/1.1');
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext');
      resolve();
    };
    client.send('GET /next HTTP/1.1\r\nHost: h\r\n\r\n');
    await Promise.race([promise, client.ended()]);
    if (client.inbox.ending === null) assert.equal((await client.response()).body.toString(), 'next');
    assert.ok(!client.inbox.all.includes(' 400 '));
  });

  test('reaches the client also when the backend closes behind it while the body still comes', async () => {
    fixture.backend.behaviour = async (connection) => {
      await connection.head();
      connection.socket.pause();
      connection.socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig', () =>
        connection.reset(),
      );
    };
    for (let round = 0; round < 20; round++) {
      const client = await fixture.connect();
      client.send('POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n');
      client.send(Buffer.alloc(8_000_000, 'x'));
      assert.equal(statusOf(await client.response()), 413);
      client.close();
    }
  });

  test('to a body too large to wait for, closes without waiting for the rest', async () => {
    const { client } = await early('Content-Length: 1000000000000', 'x'.repeat(1000), 'y');
    assert.ok(['fin', 'reset'].includes(await client.ended()));
  });
});
