/** RFC 9110 section 7.8: a tunnel begins with the backend's 101 and carries bytes as they are. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { fieldValue, fieldValues, statusOf } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { routeAll } from '../kit/manifests.ts';
import { answer, type BackendConnection } from '../kit/raw-backend.ts';
import { within } from '../kit/waiting.ts';

const fixture = await startHttp1Fixture({ after });

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n';
const asking = (fields = 'Connection: Upgrade\r\nUpgrade: foo', version = '1.1') =>
  `GET /tunnel HTTP/${version}\r\nHost: h\r\n${fields}\r\n\r\n`;

/** Opens a tunnel and gives both of its ends; `after101` is sent by the backend right behind its 101. */
async function openTunnel(after101 = '') {
  const { promise, resolve } = Promise.withResolvers<BackendConnection>();
  const done = Promise.withResolvers<void>();
  after(() => done.resolve());
  fixture.backend.behaviour = async (connection) => {
    await connection.request();
    connection.send(SWITCHING + after101);
    resolve(connection);
    await done.promise;
  };
  const client = await fixture.connect();
  client.send(asking());
  const response = await client.response();
  return { client, response, backend: await promise };
}

/** Waits until `count` bytes have arrived at the backend. */
const backendBytes = (backend: BackendConnection, count: number): Promise<Buffer> =>
  backend.inbox.take(`${count} bytes`, (rest) =>
    rest.length < count ? null : { value: rest.subarray(0, count), used: count },
  );

describe('a tunnel', () => {
  test('of any token is asked for and opened with both fields', async () => {
    const { response } = await openTunnel();
    const request = fixture.backend.requests.at(-1)!;
    assert.equal(fieldValue(request, 'upgrade'), 'foo');
    assert.equal(fieldValue(request, 'connection')?.toLowerCase(), 'upgrade');
    assert.equal(statusOf(response), 101);
    assert.equal(fieldValue(response, 'upgrade'), 'foo');
    assert.equal(fieldValue(response, 'connection')?.toLowerCase(), 'upgrade');
    assert.deepEqual(
      [...fieldValues(response, 'content-length'), ...fieldValues(response, 'transfer-encoding')],
      [],
    );
  });

  test('carries bytes both ways, also those right behind the 101', async () => {
    const { client, backend } = await openTunnel('first');
    assert.equal((await client.bytes(5)).toString(), 'first');
    client.send('GET / HTTP/1.1\r\n\r\n\x00\xff');
    assert.equal((await backendBytes(backend, 20)).toString('latin1'), 'GET / HTTP/1.1\r\n\r\n\x00\xff');
    backend.send('HTTP/1.1 400 x\r\n\r\n');
    assert.equal((await client.bytes(18)).toString(), 'HTTP/1.1 400 x\r\n\r\n');
  });

  test('holds early bytes back until the 101 has come', async () => {
    const asked = Promise.withResolvers<BackendConnection>();
    const goOn = Promise.withResolvers<void>();
    fixture.backend.behaviour = async (connection) => {
      await connection.request();
      asked.resolve(connection);
      await goOn.promise;
      assert.equal(connection.inbox.rest.length, 0, 'nothing before the 101');
      connection.send(SWITCHING);
      connection.send(await backendBytes(connection, 5));
    };
    const client = await fixture.connect();
    client.send(`${asking()}early`);
    await asked.promise;
    // A round trip on another connection: the proxy has had its turn to do the wrong thing.
    await fixture.proxy.get('/healthz');
    goOn.resolve();
    assert.equal(statusOf(await client.response()), 101);
    assert.equal((await client.bytes(5)).toString(), 'early');
  });

  test('tells the backend when the client had closed its side before the 101 came', async () => {
    const asked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    fixture.backend.behaviour = async (connection) => {
      await connection.request();
      asked.resolve();
      await goOn.promise;
      connection.send(SWITCHING);
      await connection.ended();
      connection.end('answer');
    };
    const client = await fixture.connect();
    client.send(asking());
    client.halfClose();
    await asked.promise;
    // Round trips on another connection: the proxy has had its turn to see the end.
    for (let round = 0; round < 3; round++) await fixture.proxy.get('/healthz');
    goOn.resolve();
    assert.equal(statusOf(await client.response()), 101);
    assert.equal((await client.bytes(6)).toString(), 'answer');
  });

  test('stays open for answers when the client has closed its side', async () => {
    const { client, backend } = await openTunnel();
    client.send('question');
    client.halfClose();
    assert.equal((await backendBytes(backend, 8)).toString(), 'question');
    assert.equal(await backend.ended(), 'fin');
    backend.end('answer');
    assert.equal((await client.bytes(6)).toString(), 'answer');
    assert.equal(await client.ended(), 'fin');
  });

  test('stays open for the client when the backend has closed its side', async () => {
    const { client, backend } = await openTunnel();
    backend.end('bye');
    assert.equal((await client.bytes(3)).toString(), 'bye');
    assert.equal(await client.ended(), 'fin');
    client.send('still here');
    client.halfClose();
    assert.equal((await backendBytes(backend, 10)).toString(), 'still here');
    assert.equal(await backend.ended(), 'fin');
  });

  test('ends on both sides when the client resets', async () => {
    const { client, backend } = await openTunnel();
    client.reset();
    await backend.ended();
  });

  test('ends on both sides when the backend resets', async () => {
    const { client, backend } = await openTunnel();
    backend.reset();
    await client.ended();
  });

  test('carries megabytes in both directions at once, unchanged', async () => {
    const { client, backend } = await openTunnel();
    const up = randomBytes(4 * 1024 * 1024);
    const down = randomBytes(4 * 1024 * 1024);
    client.send(up);
    backend.send(down);
    const [atBackend, atClient] = await Promise.all([
      backendBytes(backend, up.length),
      client.bytes(down.length),
    ]);
    const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.deepEqual([sha(atBackend), sha(atClient)], [sha(up), sha(down)]);
  });
});

describe('no tunnel', () => {
  const ignored: readonly [what: string, request: string][] = [
    ['without Connection: upgrade', asking('Upgrade: foo')],
    ['when Connection names something else', asking('Connection: close-ish\r\nUpgrade: foo')],
    ['without Upgrade', asking('Connection: Upgrade')],
    ['in HTTP/1.0', asking(undefined, '1.0')],
    [
      'to h2c',
      asking('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'),
    ],
  ];
  for (const [what, request] of ignored) {
    test(`${what}: the request is an ordinary one`, async () => {
      const { request: seen, response } = await fixture.forward(request);
      assert.deepEqual([...fieldValues(seen, 'upgrade'), ...fieldValues(seen, 'http2-settings')], []);
      assert.ok(!fieldValues(seen, 'connection').join().toLowerCase().includes('upgrade'));
      assert.equal(response.body.toString(), 'ok');
    });
  }

  test('for a request with a body: refused, or an ordinary request', async () => {
    const client = await fixture.connect();
    const before = fixture.backend.requests.length;
    fixture.backend.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    client.send(
      'POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 5\r\n\r\nhello',
    );
    const response = await client.response();
    if (statusOf(response) === 400) return assert.equal(fixture.backend.requests.length, before);
    assert.deepEqual(fieldValues(fixture.backend.requests.at(-1)!, 'upgrade'), []);
    assert.equal(fixture.backend.requests.at(-1)!.body.toString(), 'hello');
  });

  test('when the backend answers otherwise: the connection goes on as HTTP', async () => {
    fixture.backend.behaviour = answer('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
    const client = await fixture.connect();
    client.send(asking() + asking('X: y'));
    assert.equal(statusOf(await client.response()), 426);
    assert.equal((await client.response()).body.toString(), 'no');
  });

  const wrong: readonly [what: string, head: string][] = [
    ['switches to another protocol', 'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: bar\r\n\r\n'],
    ['names no protocol', 'HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n'],
  ];
  for (const [what, head] of wrong) {
    test(`when the 101 ${what}: 502`, async () => {
      const mark = fixture.backend.mark();
      const response = await fixture.get(answer(`${head}poison`), asking());
      assert.equal(statusOf(response), 502);
      assert.doesNotMatch(response.raw.toString(), /poison/);
      await fixture.backend.since(mark)[0]!.connection.ended();
    });
  }

  test('for tokens that are not allowed', async (t) => {
    const strict = await startHttp1Fixture(t, { args: ['--upgrades', 'websocket'] });
    const { request } = await strict.forward(asking());
    assert.deepEqual(fieldValues(request, 'upgrade'), []);
    assert.deepEqual(
      fieldValues(
        (await strict.forward(asking('Connection: upgrade\r\nUpgrade: WebSocket'))).request,
        'upgrade',
      ),
      ['WebSocket'],
    );
  });
});

test('WebSockets work: text, binary, ping, large messages, close codes', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new WebSocketServer({ server, maxPayload: 64 * 1024 * 1024 });
  t.after(() => server.close());
  t.after(() => sockets.close());
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', (code, reason) => sockets.emit('closed', code, reason.toString()));
  });
  const file = `ws.yaml`;
  await fixture.proxy.change(file, routeAll('ws.test', (server.address() as AddressInfo).port));

  const socket = new WebSocket(`ws://127.0.0.1:${fixture.proxy.http}/chat`, { headers: { host: 'ws.test' } });
  await within(once(socket, 'open'), 'the WebSocket to open');
  for (const data of [
    'hello',
    '',
    Buffer.alloc(0),
    randomBytes(125),
    randomBytes(126),
    randomBytes(5_000_000),
  ]) {
    socket.send(data);
    const [echo, isBinary] = (await within(once(socket, 'message'), 'the echo')) as [Buffer, boolean];
    assert.equal(isBinary, Buffer.isBuffer(data));
    assert.ok(echo.equals(Buffer.from(data)));
  }
  socket.ping('are you there');
  const [pong] = (await within(once(socket, 'pong'), 'a pong')) as [Buffer];
  assert.equal(pong.toString(), 'are you there');
  const closed = once(sockets, 'closed');
  socket.close(4001, 'enough');
  assert.deepEqual(await within(closed, 'the close'), [4001, 'enough']);
});
