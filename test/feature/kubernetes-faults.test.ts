/** What Tidegate makes of an API server that fails, in every way there is. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startTraffic, untilAnswered } from '../cluster/kit/ask.ts';
import { startEchoBackend } from '../kit/echo-backend.ts';
import type { FakeRequest, Fault } from '../kit/fake-api-server.ts';
import { type FakeCluster, startFakeCluster, startInCluster, untilMetric } from '../kit/fake-cluster.ts';
import { ingress, routeAll, service } from '../kit/manifests.ts';
import type { HttpsTidegate } from '../kit/tls.ts';
import { eventually, type Scope } from '../kit/waiting.ts';

const rule = [{ path: '/', service: 'web' }];

/** A cluster with `web.test` on backend `web`, and Tidegate in it. */
async function started(
  scope: Scope,
  args: readonly string[] = [],
): Promise<{ cluster: FakeCluster; proxy: HttpsTidegate }> {
  const backend = await startEchoBackend(scope, 'web');
  const objects = [ingress('web', 'web.test', rule), ...service('web', [backend.port])];
  const cluster = await startFakeCluster(scope, objects);
  const proxy = await startInCluster(scope, cluster, args);
  return { cluster, proxy };
}

/** The fault for requests of this kind, as often as told. */
function faulty(wanted: string, fault: Fault, times = Number.POSITIVE_INFINITY) {
  let left = times;
  return ({ verb, resource }: FakeRequest): Fault | null =>
    `${verb} ${resource.plural}` === wanted && left-- > 0 ? fault : null;
}

describe('a watch', () => {
  test('that is cut goes on where it was: changes made meanwhile arrive, nothing is listed again', async (t) => {
    const { cluster, proxy } = await started(t);
    await eventually(() => assert.equal(cluster.api.watches('ingresses').length, 1));
    const traffic = startTraffic(t, proxy.http, 'web.test', 'web');
    for (let round = 0; round < 3; round++) {
      cluster.api.cutAll();
      cluster.put(ingress('new', `new${round}.test`, rule));
      await untilAnswered(proxy.http, `new${round}.test`, 'web');
    }
    cluster.api.cutAll();
    cluster.api.store.remove('Ingress', 'default/new');
    await untilAnswered(proxy.http, 'new2.test', 404);
    await traffic.stop();
    assert.deepEqual(traffic.failures, []);
    assert.equal(cluster.count('list ingresses'), 1);
  });

  test('that is silent, even without bookmarks, is opened anew', async (t) => {
    const { cluster, proxy } = await started(t, ['--watch-idle', '300ms']);
    const [watch] = await eventually(() => {
      const watches = cluster.api.watches('ingresses');
      assert.equal(watches.length, 1);
      return watches;
    });
    watch!.mute();
    cluster.put(ingress('new', 'new.test', rule));
    await untilAnswered(proxy.http, 'new.test', 'web');
  });

  for (const [name, expire] of [
    ['as a status', ({ api }: FakeCluster) => api.cutAll()],
    [
      'as an event',
      ({ api }: FakeCluster) => {
        const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
        for (const watch of api.watches('ingresses'))
          watch.write(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      },
    ],
  ] as const) {
    test(`is told 410 ${name}: what changed and what vanished is found by a list, and nothing flaps`, async (t) => {
      const { cluster, proxy } = await started(t);
      cluster.put(ingress('goes', 'goes.test', rule));
      await untilAnswered(proxy.http, 'goes.test', 'web');
      const traffic = startTraffic(t, proxy.http, 'web.test', 'web');
      for (const watch of cluster.api.watches('ingresses')) watch.mute();
      cluster.api.store.remove('Ingress', 'default/goes');
      cluster.put(ingress('new', 'new.test', rule));
      cluster.api.store.compact();
      const muted = cluster.api.watches('ingresses');
      if (name === 'as an event') for (const watch of muted) watch.unmute();
      expire(cluster);
      await untilAnswered(proxy.http, 'new.test', 'web');
      await untilAnswered(proxy.http, 'goes.test', 404);
      await traffic.stop();
      assert.deepEqual(traffic.failures, []);
      assert.equal(cluster.count('list ingresses'), 2);
    });
  }

  const lines: [string, string][] = [
    ['a line that is not JSON', 'nonsense\n'],
    ['half a line, and then the end', '{"type":"ADDED","object":{"meta'],
    ['a line of nine megabytes', `{"type":"ADDED","object":"${'x'.repeat(9 * 1024 * 1024)}"}\n`],
    ['an event of an unknown type', '{"type":"PERHAPS","object":{"metadata":{"name":"a"}}}\n'],
    ['an event without an object', '{"type":"ADDED"}\n'],
    ['null', 'null\n'],
  ];
  for (const [name, text] of lines) {
    test(`that gives ${name} loses nothing`, async (t) => {
      const { cluster, proxy } = await started(t);
      const [watch] = await eventually(() => {
        const watches = cluster.api.watches('ingresses');
        assert.equal(watches.length, 1);
        return watches;
      });
      watch!.write(text);
      if (!text.endsWith('\n')) watch!.end();
      watch!.mute();
      cluster.put(ingress('new', 'new.test', rule));
      await untilAnswered(proxy.http, 'new.test', 'web');
      await untilAnswered(proxy.http, 'web.test', 'web');
    });
  }

  test('of a server whose data was set back is followed by a list', async (t) => {
    const { cluster, proxy } = await started(t);
    await eventually(() => assert.equal(cluster.api.watches('ingresses').length, 1));
    await cluster.api.stop();
    cluster.api.store.setBack(5);
    cluster.api.store.remove('Ingress', 'default/web');
    cluster.put(ingress('new', 'new.test', rule));
    await cluster.api.start();
    await untilMetric(proxy, 'tidegate_source_connected', 1);
    cluster.api.bookmark();
    await untilAnswered(proxy.http, 'new.test', 'web');
    await untilAnswered(proxy.http, 'web.test', 404);
  });
});

describe('at the start', () => {
  const faults: [string, Fault][] = [
    ['refusals with Retry-After', { kind: 'status', status: 429, reason: 'TooManyRequests', retryAfter: 1 }],
    ['errors of the server', { kind: 'status', status: 500, reason: 'InternalError' }],
    ['cut connections', { kind: 'cut' }],
    ['truncated JSON', { kind: 'body', text: '{"metadata":{"resourceVersion":"1"},"items":[', cut: true }],
    ['malformed JSON', { kind: 'body', text: '{"metadata":' }],
    ['JSON that is no list', { kind: 'body', text: '{"kind":"Status"}' }],
  ];
  for (const [name, fault] of faults) {
    test(`${name} are overcome`, async (t) => {
      const backend = await startEchoBackend(t, 'web');
      const cluster = await startFakeCluster(t, routeAll('web.test', backend.port));
      cluster.api.fault = faulty('list services', fault, 2);
      const proxy = await startInCluster(t, cluster);
      await untilAnswered(proxy.http, 'web.test', 'web');
      assert.equal(cluster.count('list services'), 3);
    });
  }

  test('a list in pages is complete, also when its rest expires', async (t) => {
    const backend = await startEchoBackend(t, 'web');
    const cluster = await startFakeCluster(t, service('web', [backend.port]));
    for (let n = 0; n < 1200; n++) cluster.put(ingress(`i${n}`, `h${n}.test`, rule));
    const expired: Fault = { kind: 'status', status: 410, reason: 'Expired' };
    let left = 1;
    cluster.api.fault = ({ resource, query }) =>
      resource.plural === 'ingresses' && query.has('continue') && left-- > 0 ? expired : null;
    const proxy = await startInCluster(t, cluster);
    for (const n of [0, 499, 500, 1199]) await untilAnswered(proxy.http, `h${n}.test`, 'web');
    await untilMetric(proxy, 'tidegate_config_objects{kind="Ingress"}', 1200);
  });

  test('nothing is served before every kind is known: no 404 for what is only late', async (t) => {
    const backend = await startEchoBackend(t, 'web');
    const cluster = await startFakeCluster(t, routeAll('web.test', backend.port));
    const error: Fault = { kind: 'status', status: 500, reason: 'InternalError' };
    cluster.api.fault = faulty('list endpointslices', error, 3);
    const proxy = await startInCluster(t, cluster);
    await untilAnswered(proxy.http, 'web.test', 'web', '/', 1);
    assert.equal(await proxy.generation(), 1);
  });
});

describe('credentials', () => {
  test('a token that expires is read anew from its file', async (t) => {
    const backend = await startEchoBackend(t, 'web');
    const cluster = await startFakeCluster(t, service('web', [backend.port]), { tokenFile: 'token' });
    const tokenFile = join(cluster.folder, 'token');
    await writeFile(tokenFile, 's3cr3t-1');
    cluster.api.tokens = new Set(['s3cr3t-1']);
    const proxy = await startInCluster(t, cluster);
    cluster.api.tokens = new Set(['s3cr3t-2']);
    cluster.api.cutAll();
    await eventually(() => assert.ok(cluster.api.requests.some(({ token }) => token === 's3cr3t-1')));
    await writeFile(tokenFile, 's3cr3t-2');
    cluster.put(ingress('new', 'new.test', rule));
    await untilAnswered(proxy.http, 'new.test', 'web');
    assert.ok(!JSON.stringify(proxy.log).includes('s3cr3t'));
  });
});

describe('what we may not read', () => {
  test('Secrets: a problem says which role is missing, all else works', async (t) => {
    const backend = await startEchoBackend(t, 'web');
    const cluster = await startFakeCluster(t, routeAll('web.test', backend.port));
    cluster.api.denied.add('list secrets').add('watch secrets').add('get secrets');
    const proxy = await startInCluster(t, cluster);
    await untilAnswered(proxy.http, 'web.test', 'web');
    const problem = await proxy.logged('the problem', ({ reason }) => reason === 'Forbidden');
    assert.match(String(problem['msg']), /secrets cannot be read in the whole cluster.*"secrets"/);
    cluster.api.denied.clear();
    await proxy.logged('its end', ({ event }) => event === 'problem-solved');
  });

  test('Ingresses: not ready until the role is mended', async (t) => {
    const backend = await startEchoBackend(t, 'web');
    const cluster = await startFakeCluster(t, routeAll('web.test', backend.port));
    cluster.api.denied.add('list ingresses');
    const starting = startInCluster(t, cluster);
    await eventually(() => assert.ok(cluster.count('list ingresses') >= 2));
    cluster.api.denied.clear();
    const proxy = await starting;
    await untilAnswered(proxy.http, 'web.test', 'web');
    const said = proxy.log.find(({ event }) => event === 'source-forbidden');
    assert.match(
      String(said?.['msg']),
      /ingresses.networking.k8s.io.*a ClusterRole with the verbs list and watch/,
    );
  });
});

test('kinds that come with a CustomResourceDefinition are noticed when it is applied', async (t) => {
  const { cluster, proxy } = await started(t);
  await untilMetric(proxy, 'tidegate_config_objects{kind="IPAddressPool"}', 0);
  await eventually(() => assert.equal(cluster.api.watches('customresourcedefinitions').length, 1));
  cluster.api.store.installMetalLb();
  cluster.put({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'pool', namespace: 'metallb-system' },
    spec: { addresses: ['192.0.2.0/24'] },
  });
  await untilMetric(proxy, 'tidegate_config_objects{kind="IPAddressPool"}', 1);
});

test('only the chosen namespaces are read', async (t) => {
  const backend = await startEchoBackend(t, 'web');
  const cluster = await startFakeCluster(t, service('web', [backend.port]));
  const inB = { ...ingress('b', 'b.test', rule), metadata: { name: 'b', namespace: 'b' } };
  cluster.put(ingress('a', 'a.test', rule), inB);
  const proxy = await startInCluster(t, cluster, ['--namespaces', 'default,c']);
  await untilAnswered(proxy.http, 'a.test', 'web');
  await untilAnswered(proxy.http, 'b.test', 404);
  const asked = cluster.api.requests.filter(({ resource }) => resource.plural === 'ingresses');
  assert.deepEqual(new Set(asked.map(({ namespace }) => namespace)), new Set(['default', 'c']));
});
