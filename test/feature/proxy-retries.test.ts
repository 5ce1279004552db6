/** When a request may go to another endpoint, and when it must not. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { after, describe, type TestContext, test } from 'node:test';
import { fieldValues, type HttpMessage, statusOf } from '../kit/http-message.ts';
import { OK } from '../kit/http1-fixture.ts';
import { ingress, service } from '../kit/manifests.ts';
import {
  type BackendConnection,
  type Behaviour,
  type RawBackend,
  startRawBackend,
} from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { startTidegate } from '../kit/tidegate.ts';

async function startProxy(t: TestContext, ports: readonly number[], args: readonly string[] = []) {
  const manifests = [ingress('h', 'h', [{ path: '/', service: 'web' }]), ...service('web', ports)];
  const proxy = await startTidegate(t, { manifests, args });
  const send = async (bytes: string): Promise<HttpMessage> => {
    const client = await connect({ after }, proxy.http);
    client.send(bytes);
    const response = await client.response();
    client.close();
    return response;
  };
  return { proxy, send };
}

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
const withBody = (method: string, target: string, body: string) =>
  `${method} ${target} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** How often each target arrived, over all backends. */
function arrivals(...backends: RawBackend[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { startLine } of backends.flatMap((backend) => backend.requests)) {
    const target = startLine.split(' ')[1]!;
    counts.set(target, (counts.get(target) ?? 0) + 1);
  }
  return counts;
}

describe('a request goes to another endpoint', () => {
  test('when the first refuses the connection, whatever the method', async (t) => {
    const backend = await startRawBackend(t);
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const { send } = await startProxy(t, [port, backend.port]);
    for (let round = 0; round < 10; round++) {
      assert.equal(statusOf(await send(get(`/get-${round}`))), 200);
      assert.equal(statusOf(await send(withBody('POST', `/post-${round}`, 'hello'))), 200);
    }
    assert.deepEqual([...arrivals(backend).values()], Array(20).fill(1));
    assert.ok(
      backend.requests
        .filter(({ startLine }) => startLine.startsWith('POST'))
        .every(({ body }) => `${body}` === 'hello'),
    );
  });

  test('when the first hangs up without a byte, if the method is idempotent', async (t) => {
    const [good, bad] = [await startRawBackend(t), await startRawBackend(t)];
    bad.behaviour = hangUp;
    const { send } = await startProxy(t, [good.port, bad.port]);
    for (let round = 0; round < 6; round++) {
      assert.equal(statusOf(await send(get(`/${round}`))), 200);
      assert.equal(statusOf(await send(withBody('PUT', `/put-${round}`, 'hello'))), 200);
    }
    assert.ok(bad.requests.length > 0, 'the bad endpoint was tried');
    assert.ok(
      good.requests.every(({ startLine, body }) => startLine.startsWith('GET') || `${body}` === 'hello'),
    );
  });

  test('but a POST that was sent does not, and none arrives twice', async (t) => {
    const [good, bad] = [await startRawBackend(t), await startRawBackend(t)];
    bad.behaviour = hangUp;
    const { send } = await startProxy(t, [good.port, bad.port]);
    const statuses = new Set<number>();
    for (let round = 0; round < 6; round++)
      statuses.add(statusOf(await send(withBody('POST', `/${round}`, 'hello'))));
    assert.deepEqual([...statuses].sort(), [200, 502]);
    assert.deepEqual([...arrivals(good, bad).values()], Array(6).fill(1));
  });

  test('but not once a byte of the response has come', async (t) => {
    const [good, bad] = [await startRawBackend(t), await startRawBackend(t)];
    bad.behaviour = async (connection) => {
      await connection.request();
      connection.end('HTTP/1.1 200 OK\r\nConte');
    };
    const { send } = await startProxy(t, [good.port, bad.port]);
    const statuses = new Set<number>();
    for (let round = 0; round < 6; round++) statuses.add(statusOf(await send(get(`/${round}`))));
    assert.deepEqual([...statuses].sort(), [200, 502]);
    assert.deepEqual([...arrivals(good, bad).values()], Array(6).fill(1));
  });
});

describe('a pooled connection that the backend closes under a request', () => {
  /** Answers the first request of each connection; hangs up when the second has arrived. */
  const onePerConnection = (): Behaviour => {
    const used = new Set<BackendConnection>();
    return async (connection) => {
      if (used.has(connection)) return await hangUp(connection);
      used.add(connection);
      await OK(connection);
    };
  };

  for (const [method, body] of [
    ['GET', ''],
    ['PUT', 'hello'],
    ['DELETE', ''],
    ['OPTIONS', ''],
  ] as const) {
    test(`costs ${method} a second try`, async (t) => {
      const backend = await startRawBackend(t);
      backend.behaviour = onePerConnection();
      const { send } = await startProxy(t, [backend.port]);
      assert.equal(statusOf(await send(get('/first'))), 200);
      assert.equal(statusOf(await send(withBody(method, '/again', body))), 200);
      assert.equal(arrivals(backend).get('/again'), 2);
      assert.equal(backend.requests.at(-1)?.body.toString(), body);
    });
  }

  test('costs a chunked PUT a second try, with the same body and trailers', async (t) => {
    const backend = await startRawBackend(t);
    backend.behaviour = onePerConnection();
    const { send } = await startProxy(t, [backend.port]);
    assert.equal(statusOf(await send(get('/first'))), 200);
    const chunks = '5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n';
    const put = `PUT /again HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`;
    assert.equal(statusOf(await send(put)), 200);
    assert.equal(arrivals(backend).get('/again'), 2);
    assert.equal(backend.requests.at(-1)?.body.toString(), 'hello world');
    assert.deepEqual(backend.requests.at(-1)?.trailers, [['X-Sum', '1']]);
  });

  test('costs an upgrade a second try, and the tunnel works', async (t) => {
    const backend = await startRawBackend(t);
    const first = onePerConnection();
    backend.behaviour = async (connection) => {
      if (!(await connection.head()).startLine.includes('/tunnel') || backend.connections[0] === connection) {
        return await first(connection);
      }
      await connection.request();
      connection.send('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nhello');
      await connection.ended();
    };
    const { proxy, send } = await startProxy(t, [backend.port]);
    assert.equal(statusOf(await send(get('/first'))), 200);
    const client = await connect(t, proxy.http);
    client.send('GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n');
    assert.equal(statusOf(await client.response()), 101);
    assert.equal((await client.bytes(5)).toString(), 'hello');
  });

  test('costs POST a 502, as it may have been carried out', async (t) => {
    const backend = await startRawBackend(t);
    backend.behaviour = onePerConnection();
    const { send } = await startProxy(t, [backend.port]);
    assert.equal(statusOf(await send(get('/first'))), 200);
    assert.equal(statusOf(await send(withBody('POST', '/once', 'hello'))), 502);
    assert.equal(arrivals(backend).get('/once'), 1);
  });

  for (const [size, status] of [
    [999, 200],
    [1000, 200],
    [1001, 502],
    [300_000, 502],
  ] as const) {
    test(`costs a PUT of ${size} bytes, of which 1000 are kept, ${status === 200 ? 'a second try' : 'a 502'}`, async (t) => {
      const backend = await startRawBackend(t);
      backend.behaviour = onePerConnection();
      const { send } = await startProxy(t, [backend.port], ['--limit-replay-bytes', '1000']);
      assert.equal(statusOf(await send(get('/first'))), 200);
      assert.equal(statusOf(await send(withBody('PUT', '/put', 'x'.repeat(size)))), status);
      assert.equal(arrivals(backend).get('/put'), status === 200 ? 2 : 1);
    });
  }
});

describe('in a total outage', () => {
  /** Backends that take every request and hang up, and what was asked of them. */
  async function outage(t: TestContext) {
    const backends = [await startRawBackend(t), await startRawBackend(t), await startRawBackend(t)];
    for (const backend of backends) backend.behaviour = hangUp;
    const ports = backends.map(({ port }) => port);
    const { proxy } = await startProxy(t, ports);
    return { backends, proxy, asked: () => backends.reduce((sum, { requests }) => sum + requests.length, 0) };
  }

  test('the backends see little more than the requests: a fifth of those in flight are retried', async (t) => {
    const { proxy, asked } = await outage(t);
    const [clients, each] = [30, 20];
    await Promise.all(
      Array.from({ length: clients }, async () => {
        const client = await connect(t, proxy.http);
        for (let i = 0; i < each; i++) {
          client.send(get('/'));
          assert.equal(statusOf(await client.response()), 502);
        }
      }),
    );
    assert.ok(asked() > clients * each, 'some are retried');
    assert.ok(asked() <= clients * each * 1.5, `${clients * each} requests became ${asked()}`);
  });

  test('what is retried says so, and nobody else can say it', async (t) => {
    const { backends, proxy } = await outage(t);
    const client = await connect(t, proxy.http);
    client.send('GET / HTTP/1.1\r\nHost: h\r\nX-Tidegate-Attempt: 7\r\n\r\n');
    assert.equal(statusOf(await client.response()), 502);
    const said = backends.flatMap(({ requests }) =>
      requests.map((request) => fieldValues(request, 'x-tidegate-attempt').join()),
    );
    assert.deepEqual(said.sort(), ['', '2', '3'].slice(0, said.length));
    assert.ok(said.length > 1);
  });
});

async function hangUp(connection: BackendConnection): Promise<void> {
  await connection.request();
  connection.socket.destroy();
}
