/** Which endpoints a Service's requests go to. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { statusOf } from '../kit/http-message.ts';
import { OK } from '../kit/http1-fixture.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import { type RawBackend, startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { startTidegate, type Tidegate } from '../kit/tidegate.ts';
import { eventually, type Scope } from '../kit/waiting.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

async function get(scope: Scope, proxy: Tidegate): Promise<number> {
  const client = await connect(scope, proxy.http);
  client.send(GET);
  const status = statusOf(await client.response());
  client.close();
  return status;
}

function start(
  scope: Scope,
  services: readonly KubeObject[],
  args: readonly string[] = [],
): Promise<Tidegate> {
  return startTidegate(scope, {
    manifests: [ingress('h', 'h', [{ path: '/', service: 'web' }]), ...services],
    args,
  });
}

async function startBackends(scope: Scope, count: number): Promise<RawBackend[]> {
  return await Promise.all(Array.from({ length: count }, () => startRawBackend(scope)));
}

const portsOf = (backends: readonly RawBackend[]) => backends.map(({ port }) => port);
const countsOf = (backends: readonly RawBackend[]) => backends.map(({ requests }) => requests.length);

test('requests go round all endpoints in equal shares', async (t) => {
  const backends = await startBackends(t, 3);
  const proxy = await start(t, service('web', portsOf(backends)), ['--balance', 'round-robin']);
  for (let round = 0; round < 30; round++) assert.equal(await get(t, proxy), 200);
  assert.deepEqual(countsOf(backends), [10, 10, 10]);
});

test('least-request keeps away from an endpoint that is busy', async (t) => {
  const backends = await startBackends(t, 2);
  const [busy, free] = backends as [RawBackend, RawBackend];
  // It answers nothing: each request it gets stays with it and makes it less attractive.
  busy.behaviour = async (connection) => {
    await connection.request();
    await connection.ended();
  };
  const proxy = await start(t, service('web', portsOf(backends)), ['--balance', 'least-request']);
  for (let sent = 1; sent <= 20; sent++) {
    const client = await connect(t, proxy.http);
    client.send(GET);
    await eventually(() => assert.equal(busy.requests.length + free.requests.length, sent));
  }
  assert.ok(busy.requests.length <= 3, `the busy one got ${busy.requests.length} of 20`);
});

test('an endpoint that fails again and again is left out for a while', async (t) => {
  const backends = await startBackends(t, 2);
  const [bad, good] = backends as [RawBackend, RawBackend];
  bad.behaviour = async (connection) => {
    await connection.request();
    connection.socket.destroy();
  };
  const proxy = await start(t, service('web', portsOf(backends)));
  for (let round = 0; round < 60; round++)
    assert.equal(await get(t, proxy), 200, 'GET is retried on the other');
  assert.ok(bad.requests.length < 20, `the bad one was asked ${bad.requests.length} times`);
  assert.ok(good.requests.length === 60);
  const { text } = await proxy.get('/metrics');
  assert.match(text, /^tidegate_upstream_ejections_total 1$/m);
  assert.match(text, /^tidegate_upstream_ejected_endpoints 1$/m);
});

test('the last endpoint is never left out, however often it fails', async (t) => {
  const [backend] = (await startBackends(t, 1)) as [RawBackend];
  backend.behaviour = async (connection) => {
    await connection.request();
    connection.socket.destroy();
  };
  const proxy = await start(t, service('web', [backend.port]));
  for (let round = 0; round < 20; round++) assert.equal(await get(t, proxy), 502);
  backend.behaviour = OK;
  assert.equal(await get(t, proxy), 200);
});

test('connections to an endpoint are kept and used again', async (t) => {
  const [backend] = (await startBackends(t, 1)) as [RawBackend];
  const proxy = await start(t, service('web', [backend.port]));
  for (let round = 0; round < 20; round++) assert.equal(await get(t, proxy), 200);
  assert.equal(backend.connections.length, 1);
});

describe('IPv6', () => {
  test('endpoints are reached', async (t) => {
    if (!(await hasIPv6())) return t.skip('this machine has no ::1');
    const backend = await startRawBackend(t, '::1');
    const proxy = await start(t, service('web', [backend.port], '::1'));
    assert.equal(await get(t, proxy), 200);
  });
});

function hasIPv6(): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, '::1', () => server.close(() => resolve(true)));
  });
}
