/** What Tidegate writes back to the cluster: the status of Ingresses and Events, by one replica at a time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeObject } from '../kit/fake-api-server.ts';
import { type FakeCluster, startFakeCluster, startInCluster, untilMetric } from '../kit/fake-cluster.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';

/** An empty Lease, as it is installed with the program: nobody has to wait for one that may still lead. */
const lease: KubeObject = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'tidegate', namespace: 'default' },
  spec: {},
};
const PUBLISH = ['--publish-status-address', '192.0.2.2,lb.example,192.0.2.1'];
const PUBLISHED = [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }, { hostname: 'lb.example' }];
const QUICK = ['--lease-duration', '3s'];

const web = () => ingress('web', 'web.test', [{ path: '/', service: 'web' }]);

function addressesOf({ api }: FakeCluster, id: string): unknown {
  const status = api.store.get('Ingress', id)?.['status'] as FakeObject | undefined;
  return (status?.['loadBalancer'] as FakeObject | undefined)?.['ingress'];
}

async function untilStatus(cluster: FakeCluster, id: string, wanted: unknown): Promise<void> {
  await eventually(() => assert.deepEqual(addressesOf(cluster, id), wanted));
}

const eventsOf = ({ api }: FakeCluster) => api.store.all().filter(({ kind }) => kind === 'Event');
const statusWrites = ({ api }: FakeCluster, name?: string) =>
  api.requests.filter(({ subresource, name: of }) => subresource === 'status' && (name ?? of) === of);

/** Changes an object as another client would: what others have written stays. */
function change({ api }: FakeCluster, id: string, edit: (object: FakeObject) => KubeObject): void {
  api.store.put(edit(api.store.get('Ingress', id)!) as FakeObject);
}

describe('the status of Ingresses', () => {
  test('gets the addresses, once, for new ones too, and by server-side apply in our name', async (t) => {
    const cluster = await startFakeCluster(t, [lease, ...service('web', []), web()]);
    await startInCluster(t, cluster, PUBLISH);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    cluster.put(ingress('more', 'more.test', [{ path: '/', service: 'web' }]));
    await untilStatus(cluster, 'default/more', PUBLISHED);
    const [write, ...again] = statusWrites(cluster, 'web');
    assert.deepEqual(again, []);
    assert.equal(write?.contentType, 'application/apply-patch+yaml');
    assert.deepEqual(Object.fromEntries(write.query), { fieldManager: 'tidegate', force: 'true' });
  });
  test('of other classes is not touched', async (t) => {
    const foreign = { ...web(), spec: { ...(web()['spec'] as object), ingressClassName: 'other' } };
    const metadata = { name: 'foreign', namespace: 'default' };
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } };
    const cluster = await startFakeCluster(t, [lease, web(), { ...foreign, metadata, status }]);
    await startInCluster(t, cluster, PUBLISH);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    assert.deepEqual(statusWrites(cluster, 'foreign'), []);
  });
  test('is taken back when the Ingress goes to another class, and comes again with ours', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    await startInCluster(t, cluster, PUBLISH);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    const inClass = (ingressClassName: string) => (object: FakeObject) => ({
      ...object,
      spec: { ...(object['spec'] as object), ingressClassName },
    });
    change(cluster, 'default/web', inClass('other'));
    await untilStatus(cluster, 'default/web', undefined);
    change(cluster, 'default/web', inClass('tidegate'));
    await untilStatus(cluster, 'default/web', PUBLISHED);
  });
  test('is put right again when somebody else changes it', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    await startInCluster(t, cluster, PUBLISH);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } };
    change(cluster, 'default/web', (object) => ({ ...object, status }));
    await untilStatus(cluster, 'default/web', PUBLISHED);
  });
  test('follows the publishing Service, and stays while that is not there', async (t) => {
    const balancer = (ip: string): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'front', namespace: 'default' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip }] } },
    });
    const cluster = await startFakeCluster(t, [lease, web(), balancer('192.0.2.7')]);
    const proxy = await startInCluster(t, cluster, ['--publish-service', 'default/front']);
    await untilStatus(cluster, 'default/web', [{ ip: '192.0.2.7' }]);
    cluster.put(balancer('192.0.2.8'));
    await untilStatus(cluster, 'default/web', [{ ip: '192.0.2.8' }]);
    cluster.api.store.remove('Service', 'default/front');
    await proxy.logged('no address', ({ event }) => event === 'addresses-unknown');
    assert.deepEqual(addressesOf(cluster, 'default/web'), [{ ip: '192.0.2.8' }]);
  });
  test('is written although the API server is overloaded, conflicts and cuts connections at first', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    const faults = [
      { kind: 'status', status: 429, reason: 'TooManyRequests', retryAfter: 1 },
      { kind: 'status', status: 409, reason: 'Conflict' },
      { kind: 'cut' },
      { kind: 'status', status: 500, reason: 'InternalError' },
    ] as const;
    let next = 0;
    cluster.api.fault = ({ subresource }) => (subresource === 'status' ? (faults[next++] ?? null) : null);
    await startInCluster(t, cluster, PUBLISH);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    assert.equal(next, faults.length + 1);
  });
  test('of an Ingress that was deleted meanwhile is no trouble', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    let deleted = false;
    cluster.api.fault = ({ subresource }) => {
      if (subresource === 'status' && !deleted) {
        deleted = true;
        cluster.api.store.remove('Ingress', 'default/web');
      }
      return null;
    };
    const proxy = await startInCluster(t, cluster, PUBLISH);
    await untilMetric(proxy, 'tidegate_cluster_writes_total{what="status",result="gone"}', 1);
    assert.ok(!proxy.log.some(({ event }) => event === 'cluster-write-failed'));
  });
  test('that may not be written is said once, and traffic goes on', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    cluster.api.denied.add('patch ingresses');
    const proxy = await startInCluster(t, cluster, PUBLISH);
    const line = await proxy.logged('the refusal', ({ event }) => event === 'cluster-write-failed');
    assert.match(String(line['msg']), /Ingress default\/web: Forbidden/);
    assert.equal((await proxy.get('/readyz')).status, 200);
  });
});

describe('Events', () => {
  test('tell the problems of an Ingress, once each, with the object they are about', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    await startInCluster(t, cluster);
    const [event] = await eventually(() => {
      assert.equal(eventsOf(cluster).length, 1);
      return eventsOf(cluster);
    });
    const uid = cluster.api.store.get('Ingress', 'default/web')?.metadata.uid;
    assert.deepEqual(
      [event?.['reason'], event?.['type'], (event!['regarding'] as FakeObject)['uid']],
      ['ServiceNotFound', 'Warning', uid],
    );
    cluster.put(ingress('more', 'more.test', [{ path: '/', service: 'web' }]));
    await eventually(() => assert.equal(eventsOf(cluster).length, 2));
    assert.equal(cluster.count('create events'), 2);
  });
  test('are continued after a restart, not doubled', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    const first = await startInCluster(t, cluster);
    await eventually(() => assert.equal(eventsOf(cluster).length, 1));
    first.signal('SIGTERM');
    await first.exit();
    await startInCluster(t, cluster);
    await eventually(() => assert.ok(eventsOf(cluster)[0]?.['series']));
    assert.equal(eventsOf(cluster).length, 1);
  });
  test('can be switched off', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    await startInCluster(t, cluster, ['--events', 'off', ...PUBLISH]);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    assert.equal(cluster.count('create events'), 0);
  });
});

describe('several replicas', () => {
  const holderOf = ({ api }: FakeCluster) =>
    (api.store.get('Lease', 'default/tidegate')?.['spec'] as FakeObject | undefined)?.['holderIdentity'];

  test('one writes; when it stops another one follows at once', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    const first = await startInCluster(t, cluster, PUBLISH);
    await untilMetric(first, 'tidegate_leader', 1);
    const second = await startInCluster(t, cluster, PUBLISH);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    await untilMetric(second, 'tidegate_leader', 0);
    // It learns of the Lease by a watch: to look at it now and then would be a request every few seconds.
    await eventually(() => assert.equal(cluster.api.watches('leases').length, 1));
    const holder = holderOf(cluster);
    first.signal('SIGTERM');
    await untilMetric(second, 'tidegate_leader', 1);
    assert.notEqual(holderOf(cluster), holder);
    cluster.put(ingress('more', 'more.test', [{ path: '/', service: 'web' }]));
    await untilStatus(cluster, 'default/more', PUBLISHED);
  });
  test('when the one that writes is killed another one follows after the duration of the Lease', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    const first = await startInCluster(t, cluster, [...PUBLISH, ...QUICK]);
    await untilMetric(first, 'tidegate_leader', 1);
    const second = await startInCluster(t, cluster, [...PUBLISH, ...QUICK]);
    first.signal('SIGKILL');
    await first.exit();
    await untilMetric(second, 'tidegate_leader', 1);
  });
  test('who cannot renew stops writing, and goes on serving', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    const proxy = await startInCluster(t, cluster, [...PUBLISH, ...QUICK]);
    await untilMetric(proxy, 'tidegate_leader', 1);
    cluster.api.fault = ({ resource }) => (resource.plural === 'leases' ? { kind: 'hang' } : null);
    await proxy.logged('the end of the term', ({ event }) => event === 'not-leading');
    cluster.put(ingress('more', 'more.test', [{ path: '/', service: 'web' }]));
    await untilMetric(proxy, 'tidegate_config_objects{kind="Ingress"}', 2);
    assert.equal(addressesOf(cluster, 'default/more'), undefined);
    cluster.api.fault = () => null;
    await untilStatus(cluster, 'default/more', PUBLISHED);
  });
  test('without the right to watch the Lease, a replica looks at it', async (t) => {
    const cluster = await startFakeCluster(t, [lease, web()]);
    cluster.api.denied.add('watch leases');
    const first = await startInCluster(t, cluster, [...PUBLISH, ...QUICK]);
    await untilMetric(first, 'tidegate_leader', 1);
    const second = await startInCluster(t, cluster, [...PUBLISH, ...QUICK]);
    first.signal('SIGTERM');
    await untilMetric(second, 'tidegate_leader', 1);
  });
  test('without a Lease one is made, and who made it waits a duration before it writes', async (t) => {
    const cluster = await startFakeCluster(t, [web()]);
    const proxy = await startInCluster(t, cluster, [...PUBLISH, ...QUICK]);
    await eventually(() => assert.ok(holderOf(cluster)));
    await untilMetric(proxy, 'tidegate_leader', 1);
    const acquired = cluster.api.requests.filter(
      ({ resource, verb }) => resource.plural === 'leases' && verb === 'update',
    );
    assert.ok(acquired.length >= 5, `${acquired.length} renewals before it wrote`);
  });
  test('who is alone may do without an election', async (t) => {
    const cluster = await startFakeCluster(t, [web()]);
    await startInCluster(t, cluster, [...PUBLISH, '--leader-election', 'off']);
    await untilStatus(cluster, 'default/web', PUBLISHED);
    assert.equal(cluster.api.requests.filter(({ resource }) => resource.plural === 'leases').length, 0);
  });
});

describe('at the end', () => {
  const front = (ips: readonly string[]): KubeObject => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'front-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'front' } },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
  });
  const args = [...PUBLISH, '--publish-service', 'default/front', '--update-status-on-shutdown'];
  for (const [what, ips, expected] of [
    ['the last replica takes the addresses back when told so', ['10.0.0.1'], undefined],
    ['a replica that others outlive does not', ['10.0.0.1', '10.0.0.2'], PUBLISHED],
  ] as const) {
    test(what, async (t) => {
      const cluster = await startFakeCluster(t, [lease, web(), front(ips)]);
      const proxy = await startInCluster(t, cluster, args, { POD_IP: '10.0.0.1' });
      await untilStatus(cluster, 'default/web', PUBLISHED);
      // What was written before comes back before that, and only what came back can be taken back.
      cluster.put(ingress('more', 'more.test', [{ path: '/', service: 'web' }]));
      await untilStatus(cluster, 'default/more', PUBLISHED);
      proxy.signal('SIGTERM');
      await proxy.exit();
      assert.deepEqual(addressesOf(cluster, 'default/web'), expected);
    });
  }
});
