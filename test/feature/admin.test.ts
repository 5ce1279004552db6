/** The admin listener and the access log of the running program; their details are tested beside src/admin. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
import { startEchoBackend } from '../kit/echo-backend.ts';
import { ingress, routeAll, service } from '../kit/manifests.ts';
import { startTidegate } from '../kit/tidegate.ts';
import { eventually } from '../kit/waiting.ts';

const PAGE = new URL('../../docs/reference/access-log.md', import.meta.url);

/** GET through the proxy; gives the status. */
async function get(port: number, host: string, path: string): Promise<number | undefined> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path,
    headers: { host, 'user-agent': 'test/1' },
    agent: false,
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  await text(response);
  return response.statusCode;
}

/** The value of a sample in Prometheus' text; null when it is not there. */
function sample(metrics: string, name: string): number | null {
  const line = metrics.split('\n').find((line) => line.startsWith(`${name} `));
  return line === undefined ? null : Number(line.slice(name.length + 1));
}

test('requests are counted by host, ingress, service and status class, over all workers', async (t) => {
  const backend = await startEchoBackend(t, 'shop');
  const tidegate = await startTidegate(t, {
    manifests: routeAll('shop.example.com', backend.port),
    workers: 2,
  });
  for (let i = 0; i < 5; i++) assert.equal(await get(tidegate.http, 'shop.example.com', '/a?b=c'), 200);
  assert.equal(await get(tidegate.http, 'nowhere.example.com', '/'), 404);
  const labels =
    'host="shop.example.com",namespace="default",ingress="shop-example-com",service="default/shop-example-com:80"';
  // A request is counted when its response has left, which may be just after the client has it.
  await eventually(async () => {
    const { text: metrics } = await tidegate.get('/metrics');
    assert.equal(sample(metrics, `tidegate_requests_total{${labels},code="2xx"}`), 5);
    assert.equal(sample(metrics, `tidegate_request_duration_seconds_count{${labels}}`), 5);
    assert.equal(sample(metrics, `tidegate_upstream_duration_seconds_count{${labels}}`), 5);
    assert.equal(sample(metrics, 'tidegate_connections_total'), 6);
  });
  const { text: metrics } = await tidegate.get('/metrics');
  assert.equal(sample(metrics, 'tidegate_config_generation'), await tidegate.generation());
  assert.equal(sample(metrics, 'tidegate_config_objects{kind="Ingress"}'), 1);
  for (const worker of [0, 1]) {
    assert.notEqual(sample(metrics, `tidegate_worker_event_loop_lag_seconds{worker="${worker}"}`), null);
  }
});

test('how long a tunnel lives is no latency: its request is measured until the protocols are switched', async (t) => {
  const backend = await startEchoBackend(t, 'chat');
  backend.server.on('upgrade', (_request, socket) => {
    socket.on('end', () => socket.end());
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n');
  });
  const manifests = routeAll('chat.example.com', backend.port);
  const tidegate = await startTidegate(t, { manifests, args: ['--access-log', 'json'] });
  const askedAt = performance.now();
  const headers = { host: 'chat.example.com', connection: 'Upgrade', upgrade: 'chat' };
  const asked = request({ host: '127.0.0.1', port: tidegate.http, headers, agent: false });
  asked.end();
  const [, socket] = (await once(asked, 'upgrade')) as [unknown, Socket];
  const openedInMs = performance.now() - askedAt;
  await passed(openedInMs + 50);
  socket.end();
  const line = await tidegate.logged('the access log', ({ status }) => status === 101);
  const labels =
    'host="chat.example.com",namespace="default",ingress="chat-example-com",service="default/chat-example-com:80"';
  const { text: metrics } = await tidegate.get('/metrics');
  for (const name of ['request', 'upstream']) {
    assert.equal(sample(metrics, `tidegate_${name}_duration_seconds_count{${labels}}`), 1);
    const sum = sample(metrics, `tidegate_${name}_duration_seconds_sum{${labels}}`);
    assert.ok(sum !== null && sum * 1000 <= openedInMs, `${name}: ${sum} s, opened in ${openedInMs} ms`);
  }
  assert.ok(Number(line['duration_ms']) > openedInMs, 'the access log tells its whole life');
});

test('health, readiness, version, configuration, status and dashboard are there', async (t) => {
  const tidegate = await startTidegate(t, { manifests: routeAll('shop.example.com', 1) });
  for (const path of ['/healthz', '/readyz', '/version', '/config', '/problems', '/status', '/']) {
    assert.equal((await tidegate.get(path)).status, 200, path);
  }
  const config = JSON.parse((await tidegate.get('/config?host=shop.example.com')).text);
  const route = config.hosts['shop.example.com'].paths['^'];
  assert.equal(route.origin.name, 'shop-example-com');
  assert.deepEqual(config.upstreams[route.action.upstream].endpoints, [
    { address: '127.0.0.1', port: 1, zone: null },
  ]);
});

test('problems appear with their file and line, and go when they are solved', async (t) => {
  const broken = ingress('web', 'shop.example.com', [{ path: '/', service: 'web' }]);
  const tidegate = await startTidegate(t, { manifests: [broken] });
  const [problem] = JSON.parse((await tidegate.get('/problems')).text);
  assert.equal(problem.reason, 'ServiceNotFound');
  assert.deepEqual(problem.position, { file: `${tidegate.folder.path}/all.yaml`, document: 1, line: 1 });
  await tidegate.change('service.yaml', service('web', [1]));
  assert.deepEqual(JSON.parse((await tidegate.get('/problems')).text), []);
  const { text: metrics } = await tidegate.get('/metrics');
  assert.equal(sample(metrics, 'tidegate_config_problems{severity="error"}'), 0);
});

test('the access log has exactly the documented fields', async (t) => {
  const backend = await startEchoBackend(t, 'shop');
  const manifests = routeAll('shop.example.com', backend.port);
  const tidegate = await startTidegate(t, { manifests, args: ['--access-log', 'json'] });
  await get(tidegate.http, 'shop.example.com', '/a/b?secret=1');
  await get(tidegate.http, 'nowhere.example.com', '/');
  const line = (path: string) =>
    tidegate.logged(`the access log of ${path}`, (line) => line['path'] === path);
  const served = await line('/a/b');
  const refused = await line('/');

  assert.match((await tidegate.get('/metrics')).text, /^tidegate_access_log_lines_total 2$/m);
  const [fields = ''] = readFileSync(PAGE, 'utf8').split('## Reasons');
  const documented = [...fields.matchAll(/^\| `(\w+)` +\|/gm)].map((match) => match[1]);
  assert.deepEqual(Object.keys(served), documented);
  assert.deepEqual(Object.keys(refused), documented);

  const { time, id, duration_ms, upstream_ms, bytes_out, ...rest } = served;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(String(id), /^[\w-]{16,}$/);
  for (const number of [duration_ms, upstream_ms, bytes_out]) assert.equal(typeof number, 'number');
  assert.deepEqual(rest, {
    client: '127.0.0.1',
    method: 'GET',
    host: 'shop.example.com',
    path: '/a/b',
    protocol: 'HTTP/1.1',
    status: 200,
    bytes_in: 0,
    upstream: `127.0.0.1:${backend.port}`,
    attempts: 1,
    namespace: 'default',
    ingress: 'shop-example-com',
    service: 'default/shop-example-com:80',
    user_agent: 'test/1',
    reason: null,
  });
  const { status, upstream, ingress: object, reason } = refused;
  assert.deepEqual(
    { status, upstream, object, reason },
    { status: 404, upstream: null, object: null, reason: 'no-route' },
  );
});

test('every line of the program log has a time, a level and an event', async (t) => {
  const tidegate = await startTidegate(t, { manifests: routeAll('shop.example.com', 1) });
  assert.ok(tidegate.log.length > 0);
  for (const line of tidegate.log) {
    for (const field of ['time', 'level', 'event', 'msg'])
      assert.equal(typeof line[field], 'string', JSON.stringify(line));
  }
});
