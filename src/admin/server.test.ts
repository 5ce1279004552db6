import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { eventually } from '../../test/kit/waiting.ts';
import { exactPath, hostname, prefixPath, type UpstreamKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import {
  EMPTY_TABLE,
  type HostTable,
  type Route,
  type RoutingTable,
  type Upstream,
} from '../model/routing-table.ts';
import { Metrics } from '../observe/metrics.ts';
import { type AdminServer, startAdmin } from './server.ts';
import type { AdminView } from './view.ts';

const SHOP = 'shop/web:80' as UpstreamKey;
const BLOG = 'blog/web:http' as UpstreamKey;

function upstream(key: UpstreamKey, namespace: string, port: string): Upstream {
  const endpoints = [{ address: '10.0.0.1', port: 8080, zone: null }];
  return {
    key,
    service: { namespace, name: 'web', port },
    protocol: 'http1',
    tls: null,
    balance: { kind: 'round-robin' },
    endpoints,
  };
}

function route(host: string, path: string, to: UpstreamKey, namespace: string): Route {
  return {
    origin: { kind: 'Ingress', namespace, name: 'front', field: 'spec.rules[0].http.paths[0]' },
    host: hostname(host),
    path,
    action: { kind: 'forward', upstream: to },
    policy: {
      maxBodyBytes: 0,
      connectTimeoutMs: 1,
      responseTimeoutMs: 2,
      sendTimeoutMs: 3,
      retries: 4,
      tlsRedirect: 'never',
      keepTrailingSlash: false,
    },
  };
}

function hostTable(host: string, to: UpstreamKey, namespace: string): HostTable {
  const paths = new Map([
    [prefixPath('/'), route(host, '/', to, namespace)],
    [exactPath('/a'), route(host, '/a', to, namespace)],
  ]);
  return { host: hostname(host), paths, fallback: null };
}

const TABLE: RoutingTable = {
  generation: 7,
  hosts: new Map([
    [hostname('shop.example.com'), hostTable('shop.example.com', SHOP, 'shop')],
    [hostname('*.blog.example.com'), hostTable('*.blog.example.com', BLOG, 'blog')],
  ]),
  upstreams: new Map([
    [SHOP, upstream(SHOP, 'shop', '80')],
    [BLOG, upstream(BLOG, 'blog', 'http')],
  ]),
  tls: EMPTY_TABLE.tls,
};

const PROBLEM: Problem = {
  severity: 'error',
  reason: 'ServiceNotFound',
  object: { kind: 'Ingress', namespace: 'shop', name: 'front' },
  field: 'spec.rules[0].http.paths[0].backend.service.name',
  message: 'There is no Service shop/web.',
  position: null,
};

function viewOf(over: Partial<AdminView> = {}): AdminView {
  return {
    version: '1.2.3',
    metrics: new Metrics({ version: '1.2.3' }),
    readiness: () => ({ ready: true }),
    table: () => TABLE,
    problems: () => [PROBLEM],
    speaker: null,
    refresh: async () => {},
    ...over,
  };
}

async function serve(t: TestContext, view: AdminView, name: string | null = null): Promise<AdminServer> {
  const server = await startAdmin({ address: '127.0.0.1', port: 0, name, waits: false }, view);
  t.after(() => server.close());
  return server;
}

interface Answer {
  readonly code: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

async function ask(
  server: AdminServer,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const sent = request({ host: server.address, port: server.port, path, method, headers, agent: false });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  return { code: answer.statusCode, headers: answer.headers, body: await textOf(answer) };
}

test('health is 200 as long as the program answers', async (t) => {
  const answer = await ask(
    await serve(t, viewOf({ readiness: () => ({ ready: false, reason: 'starting' }) })),
    '/healthz',
  );
  assert.equal(answer.code, 200);
});

test('readiness is 200 when ready and 503 with the reason when not', async (t) => {
  let readiness: ReturnType<AdminView['readiness']> = { ready: false, reason: 'starting' };
  const server = await serve(t, viewOf({ readiness: () => readiness }));
  const starting = await ask(server, '/readyz');
  assert.equal(starting.code, 503);
  assert.deepEqual(JSON.parse(starting.body), { ready: false, reason: 'starting' });
  readiness = { ready: true };
  assert.equal((await ask(server, '/readyz')).code, 200);
  readiness = { ready: false, reason: 'draining' };
  assert.deepEqual(JSON.parse((await ask(server, '/readyz')).body), { ready: false, reason: 'draining' });
});

test('the version is told', async (t) => {
  const { body } = await ask(await serve(t, viewOf()), '/version');
  assert.deepEqual(JSON.parse(body), { version: '1.2.3', node: process.version });
});

describe('metrics', () => {
  test('are asked from the workers before they are shown', async (t) => {
    const metrics = new Metrics({ version: '1' });
    const refresh = async (): Promise<void> => {
      metrics.addReport(0, { series: [], counters: { connections_total: 42 }, gauges: {} });
    };
    const answer = await ask(await serve(t, viewOf({ metrics, refresh })), '/metrics');
    assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/);
    assert.match(answer.body, /^tidegate_connections_total 42$/m);
  });

  test('are shown all the same when a worker does not answer or fails', async (t) => {
    for (const refresh of [() => new Promise<void>(() => {}), () => Promise.reject(new Error('gone'))]) {
      const answer = await ask(await serve(t, viewOf({ refresh })), '/metrics');
      assert.equal(answer.code, 200);
      assert.match(answer.body, /tidegate_build_info/);
    }
  });
});

describe('the configuration', () => {
  test('is the live table as JSON', async (t) => {
    const answer = await ask(await serve(t, viewOf()), '/config');
    assert.equal(answer.headers['content-type'], 'application/json');
    const config = JSON.parse(answer.body);
    assert.equal(config.generation, 7);
    assert.deepEqual(Object.keys(config.hosts), ['*.blog.example.com', 'shop.example.com']);
    const shop = config.hosts['shop.example.com'];
    assert.deepEqual(shop.paths['=/a'], route('shop.example.com', '/a', SHOP, 'shop'));
    assert.equal(shop.fallback, null);
    assert.deepEqual(config.upstreams[SHOP], TABLE.upstreams.get(SHOP));
  });

  test('can be had for one host, with the upstreams that it uses', async (t) => {
    const server = await serve(t, viewOf());
    const config = JSON.parse((await ask(server, '/config?host=*.Blog.example.com')).body);
    assert.deepEqual(Object.keys(config.hosts), ['*.blog.example.com']);
    assert.deepEqual(Object.keys(config.upstreams), [BLOG]);
    const none = JSON.parse((await ask(server, '/config?host=nowhere')).body);
    assert.deepEqual(none, { generation: 7, hosts: {}, upstreams: {}, tlsHosts: {}, certificates: {} });
  });

  test('is valid JSON before the first table', async (t) => {
    const { body } = await ask(await serve(t, viewOf({ table: () => EMPTY_TABLE })), '/config');
    assert.deepEqual(JSON.parse(body), {
      generation: 0,
      hosts: {},
      upstreams: {},
      tlsHosts: {},
      certificates: {},
    });
  });

  test('of many hosts leaves in pieces between which others are served', async (t) => {
    const hosts = new Map(
      Array.from({ length: 20_000 }, (_, index) => {
        const host = `h${index}.example.com`;
        return [hostname(host), hostTable(host, SHOP, 'shop')] as const;
      }),
    );
    const server = await serve(t, viewOf({ table: () => ({ ...TABLE, hosts }) }));
    let done = false;
    const large = ask(server, '/config').then((answer) => {
      done = true;
      return answer;
    });
    assert.equal((await ask(server, '/healthz')).code, 200);
    assert.equal(done, false);
    assert.equal(Object.keys(JSON.parse((await large).body).hosts).length, 20_000);
  });
});

test('problems are told as JSON', async (t) => {
  assert.deepEqual(JSON.parse((await ask(await serve(t, viewOf()), '/problems')).body), [PROBLEM]);
});

describe('the status', () => {
  const metrics = (): Metrics => {
    const all = new Metrics({ version: '1' });
    const buckets = Array.from({ length: 14 }, () => 0);
    const labels = { host: 'shop.example.com', namespace: 'shop', ingress: 'front', service: 'shop/web:80' };
    const counts = {
      requests: [0, 5, 0, 0, 2],
      duration: buckets,
      durationSum: 1.5,
      upstream: buckets,
      upstreamSum: 0,
    };
    const series = [{ ...labels, ...counts, receivedBytes: 0, sentBytes: 0 }];
    all.addReport(0, {
      series,
      counters: {},
      gauges: { connections: 3, worker_event_loop_lag_seconds: 0.001 },
    });
    return all;
  };

  test('joins routes with their traffic, the busiest first', async (t) => {
    const { body } = await ask(await serve(t, viewOf({ metrics: metrics() })), '/status');
    const status = JSON.parse(body);
    assert.equal(status.generation, 7);
    assert.equal(status.routes, 4);
    assert.equal(status.connections, 3);
    assert.equal(status.requests, 7);
    assert.equal(status.errors, 2);
    assert.equal(status.problems.errors, 1);
    assert.deepEqual(status.rows[0], {
      host: 'shop.example.com',
      object: 'Ingress shop/front',
      service: 'shop/web:80',
      paths: ['/', '/a'],
      pathCount: 2,
      endpoints: 1,
      requests: 7,
      errors: 2,
      durationSum: 1.5,
    });
    assert.equal(status.rows[1].host, '*.blog.example.com');
  });

  test('can be filtered by a part of host, object or service', async (t) => {
    const server = await serve(t, viewOf());
    for (const filter of ['BLOG.example', 'blog/front', 'web:http']) {
      const status = JSON.parse((await ask(server, `/status?filter=${encodeURIComponent(filter)}`)).body);
      assert.deepEqual(
        status.rows.map((row: { host: string }) => row.host),
        ['*.blog.example.com'],
      );
      assert.equal(status.rowsFound, 1);
    }
  });
});

test('the dashboard needs nothing from elsewhere and says so', async (t) => {
  const server = await serve(t, viewOf());
  const page = await ask(server, '/');
  assert.equal(page.code, 200);
  assert.match(String(page.headers['content-security-policy']), /^default-src 'none'; script-src 'self'/);
  assert.doesNotMatch(page.body, /https?:|style=|<script>/);
  const linked = [...page.body.matchAll(/(?:src|href)="([^":,]+)"/g)].map((match) => match[1]!);
  assert.ok(linked.includes('dashboard.js') && linked.includes('dashboard.css'));
  for (const path of linked) assert.equal((await ask(server, `/${path}`)).code, 200, path);
});

describe('refused are', () => {
  test('methods that are not for reading', async (t) => {
    const answer = await ask(await serve(t, viewOf()), '/config', { method: 'POST' });
    assert.equal(answer.code, 405);
    assert.equal(answer.headers['allow'], 'GET, HEAD');
  });

  test('unknown paths', async (t) => {
    assert.equal((await ask(await serve(t, viewOf()), '/nothing')).code, 404);
  });

  test('targets that are no path', async (t) => {
    const server = await serve(t, viewOf());
    for (const target of ['//', 'http://[/config', '/\\/']) {
      assert.equal((await ask(server, target)).code, 400, target);
    }
  });

  test('requests under a foreign name or from a foreign origin (DNS rebinding)', async (t) => {
    const server = await serve(t, viewOf(), 'tidegate.internal');
    const asked = async (headers: Record<string, string>): Promise<number | undefined> =>
      (await ask(server, '/config', { headers })).code;
    const own = `127.0.0.1:${server.port}`;
    for (const host of [
      own,
      '[::1]:9090',
      'localhost',
      'LOCALHOST:9090',
      'tidegate.internal:9090',
      '10.42.0.7',
    ]) {
      assert.equal(await asked({ host }), 200, host);
    }
    for (const host of [
      'evil.example',
      'evil.example:9090',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ]) {
      assert.equal(await asked({ host }), 403, host);
    }
    assert.equal(await asked({ host: own, origin: 'http://evil.example' }), 403);
    assert.equal(await asked({ host: own, origin: 'null' }), 403);
    assert.equal(await asked({ host: own, origin: `http://${own}` }), 200);
  });
});

test('HEAD gives the head alone', async (t) => {
  const answer = await ask(await serve(t, viewOf()), '/config', { method: 'HEAD' });
  assert.equal(answer.code, 200);
  assert.equal(answer.body, '');
});

test('an address that is taken is a message for the user', async (t) => {
  const { address, port } = await serve(t, viewOf());
  await assert.rejects(startAdmin({ address, port, name: null, waits: false }, viewOf()), {
    message: new RegExp(`^The admin address ${address} port ${port} cannot be bound: .*EADDRINUSE`),
  });
});

test('an address that is about to be free is waited for, and closing ends the waiting', async (t) => {
  const first = await serve(t, viewOf());
  const { address, port } = first;
  const options = { address, port, name: null, waits: true };
  const givesUp = await startAdmin(options, viewOf());
  const second = await startAdmin(options, viewOf({ version: '2' }));
  t.after(() => second.close());
  assert.equal(second.port, port);
  await givesUp.close();
  await first.close();
  await eventually(async () => {
    assert.match((await ask(second, '/version')).body, /"version":"2"/);
  });
});

test('closing does not wait for connections that are open', async () => {
  const options = { address: '127.0.0.1', port: 0, name: null, waits: false };
  const server = await startAdmin(options, viewOf());
  const socket = connect(server.port, server.address);
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.on('error', () => {}).resume();
  await server.close();
  await closed;
});
