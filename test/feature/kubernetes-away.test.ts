/** The API server is away: while Tidegate runs, and when it starts. */
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ask, startTraffic, untilAnswered } from '../cluster/kit/ask.ts';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { startEchoBackend } from '../kit/echo-backend.ts';
import {
  type FakeCluster,
  metric,
  startFakeCluster,
  startInCluster,
  untilMetric,
} from '../kit/fake-cluster.ts';
import { ingress, service } from '../kit/manifests.ts';
import { shown } from '../kit/tls.ts';
import { eventually, type Scope } from '../kit/waiting.ts';

const rule = [{ path: '/', service: 'web' }];

test('the last good table is served until the API server is back, and what changed meanwhile follows', async (t) => {
  const backend = await startEchoBackend(t, 'web');
  const cluster = await startFakeCluster(t, [
    ingress('web', 'web.test', rule),
    ...service('web', [backend.port]),
  ]);
  const proxy = await startInCluster(t, cluster);
  await untilMetric(proxy, 'tidegate_source_connected', 1);
  assert.equal(await metric(proxy, 'tidegate_source_behind_seconds'), 0);
  const traffic = startTraffic(t, proxy.http, 'web.test', 'web');

  await cluster.api.stop();
  await untilMetric(proxy, 'tidegate_source_connected', 0);
  await eventually(async () => assert.ok((await metric(proxy, 'tidegate_source_behind_seconds')) > 0.5));
  assert.equal((await proxy.get('/readyz')).status, 200);
  cluster.put(ingress('new', 'new.test', rule));
  assert.equal((await ask(proxy.http, 'new.test')).status, 404);

  await cluster.api.start();
  await untilAnswered(proxy.http, 'new.test', 'web');
  await untilMetric(proxy, 'tidegate_source_connected', 1);
  await traffic.stop();
  assert.deepEqual(traffic.failures, []);
  const { text } = await proxy.get('/metrics');
  assert.match(
    text,
    /tidegate_kubernetes_requests_total\{verb="watch",resource="ingresses",code="error"\} \d/,
  );
});

describe('a start without the API server', () => {
  const certificate = issue({ names: ['web.test'] });

  /** A cluster that was served once by a Tidegate with a cache, which has ended. */
  async function servedOnce(
    scope: Scope,
    args: readonly string[] = [],
  ): Promise<{ cluster: FakeCluster; cache: string }> {
    const backend = await startEchoBackend(scope, 'web');
    const cluster = await startFakeCluster(scope, [
      withTls(ingress('web', 'web.test', rule), [{ hosts: ['web.test'], secretName: 'cert' }]),
      tlsSecret('cert', certificate),
      ingress('goes', 'goes.test', rule),
      ...service('web', [backend.port]),
    ]);
    const cache = join(cluster.folder, 'snapshot');
    const proxy = await startInCluster(scope, cluster, ['--snapshot-cache', cache, ...args]);
    proxy.signal('SIGTERM');
    await proxy.exit();
    return { cluster, cache };
  }
  const flags = (cache: string) => ['--snapshot-cache', cache, '--ssl-redirect', 'off'];

  test('serves what was known last, and then what is', async (t) => {
    const { cluster, cache } = await servedOnce(t);
    await cluster.api.stop();
    const proxy = await startInCluster(t, cluster, flags(cache));
    await untilAnswered(proxy.http, 'web.test', 'web', '/', 1);
    assert.ok(proxy.log.some(({ event }) => event === 'source-from-cache'));
    assert.equal((await proxy.get('/readyz')).status, 200);
    assert.equal(await metric(proxy, 'tidegate_source_connected'), 0);

    const traffic = startTraffic(t, proxy.http, 'web.test', 'web');
    cluster.api.store.remove('Ingress', 'default/goes');
    cluster.put(ingress('new', 'new.test', rule));
    await cluster.api.start();
    await untilAnswered(proxy.http, 'new.test', 'web');
    await untilAnswered(proxy.http, 'goes.test', 404);
    await eventually(async () =>
      assert.equal(await shown(t, proxy.https, { servername: 'web.test' }), certificate.fingerprint),
    );
    await traffic.stop();
    assert.deepEqual(traffic.failures, []);
  });

  test('keeps no Secret on disk, and the file to itself', async (t) => {
    const { cluster, cache } = await servedOnce(t);
    const text = await readFile(cache, 'utf8');
    assert.ok(text.includes('web.test'));
    assert.ok(!text.includes(Buffer.from(certificate.key).toString('base64').slice(100, 160)));
    assert.ok(!text.includes('"Secret"'));
    assert.equal((await stat(cache)).mode & 0o777, 0o600);
    await cluster.api.stop();
    const proxy = await startInCluster(t, cluster, flags(cache));
    assert.notEqual(await shown(t, proxy.https, { servername: 'web.test' }), certificate.fingerprint);
  });

  test('has the certificates too when it was told to keep them', async (t) => {
    const { cluster, cache } = await servedOnce(t, ['--cache-secrets', 'on']);
    await cluster.api.stop();
    const proxy = await startInCluster(t, cluster, flags(cache));
    assert.equal(await shown(t, proxy.https, { servername: 'web.test' }), certificate.fingerprint);
  });

  test('keeps the last good version of an object that is not valid any more when the server is back', async (t) => {
    const { cluster, cache } = await servedOnce(t);
    await cluster.api.stop();
    const proxy = await startInCluster(t, cluster, flags(cache));
    cluster.put({ ...ingress('goes', 'goes.test', rule), spec: { ingressClassName: 'tidegate' } });
    cluster.put(ingress('new', 'new.test', rule));
    await cluster.api.start();
    await untilAnswered(proxy.http, 'new.test', 'web');
    await proxy.logged('the problem', ({ event, reason }) => event === 'problem' && reason === 'Invalid');
    assert.equal((await ask(proxy.http, 'goes.test')).status, 200);
  });

  test('writes nothing to the cluster that follows from what was on disk', async (t) => {
    const { cluster, cache } = await servedOnce(t);
    const metadata = { name: 'tidegate', namespace: 'default' };
    cluster.put({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: {} });
    await cluster.api.stop();
    const publish = ['--publish-status-address', '192.0.2.1'];
    const proxy = await startInCluster(t, cluster, [...flags(cache), ...publish]);
    const goes = ingress('goes', 'goes.test', rule);
    cluster.put({ ...goes, spec: { ...(goes['spec'] as object), ingressClassName: 'other' } });
    const overloaded = { kind: 'status', status: 503, reason: 'ServiceUnavailable' } as const;
    cluster.api.fault = ({ verb, resource }) =>
      verb === 'list' && resource.plural === 'services' ? overloaded : null;
    await cluster.api.start();
    await proxy.logged('the election', ({ event }) => event === 'leading');
    const before = cluster.count('list services');
    await eventually(() => assert.ok(cluster.count('list services') > before + 1));
    const writes = () => cluster.api.requests.filter(({ subresource }) => subresource === 'status');
    assert.deepEqual(
      writes().map(({ name }) => name),
      [],
    );

    cluster.api.fault = () => null;
    await eventually(() =>
      assert.deepEqual(
        writes().map(({ name }) => name),
        ['web'],
      ),
    );
  });

  const damages: [string, (text: string) => string][] = [
    ['is cut off', (text) => text.slice(0, text.length / 2)],
    ['is damaged', (text) => text.replaceAll('"kind"', '"kind')],
    ['is of another version', (text) => text.replace('"version":"', '"version":"0')],
    ['is of another cluster', (text) => text.replace('"server":"http:', '"server":"https:')],
    ['is empty', () => ''],
  ];
  for (const [what, damage] of damages) {
    test(`waits for the server when the cache ${what}`, async (t) => {
      const { cluster, cache } = await servedOnce(t);
      await writeFile(cache, damage(await readFile(cache, 'utf8')));
      let left = 2;
      cluster.api.fault = ({ verb }) => (verb === 'list' && left-- > 0 ? { kind: 'cut' } : null);
      const proxy = await startInCluster(t, cluster, flags(cache));
      await untilAnswered(proxy.http, 'web.test', 'web', '/', 1);
      const events = proxy.log.map(({ event }) => event);
      assert.ok(events.includes('source-cache-unusable'));
      assert.ok(!events.includes('source-from-cache'));
    });
  }
});
