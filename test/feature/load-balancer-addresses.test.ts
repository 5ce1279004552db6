/** Services of type LoadBalancer get addresses: from manifests, in a cluster, and as `check` sees it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { FakeObject } from '../kit/fake-api-server.ts';
import { type FakeCluster, startFakeCluster, startInCluster } from '../kit/fake-cluster.ts';
import { type KubeObject, makeManifestFolder } from '../kit/manifests.ts';
import { runTidegate } from '../kit/run-tidegate.ts';
import { startTidegate, type Tidegate } from '../kit/tidegate.ts';
import { eventually } from '../kit/waiting.ts';

const CLASS = 'tidegate.io/load-balancer';

function pool(name: string, ...addresses: readonly string[]): KubeObject {
  const metadata = { name, namespace: 'metallb-system' };
  return { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata, spec: { addresses } };
}

function balancer(name: string, spec: object = {}, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { type: 'LoadBalancer', clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }], ...spec },
  };
}

/** An empty Lease: nobody has to wait for one that may still lead. */
const lease: KubeObject = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'tidegate', namespace: 'default' },
  spec: {},
};

async function ended(program: Tidegate): Promise<void> {
  program.signal('SIGTERM');
  assert.equal((await program.exit()).code, 0);
}

describe('with manifests', () => {
  test('addresses are given, kept over a restart by the state file, and given back', async (t) => {
    const { path } = await makeManifestFolder(t);
    const state = join(path, '../addresses.json');
    const args = ['--address-state', state];
    const remembered = async () => {
      const file = JSON.parse(await readFile(state, 'utf8'));
      return Object.fromEntries(
        Object.entries<{ addresses: string[] }>(file.services).map(([key, entry]) => [key, entry.addresses]),
      );
    };
    const manifests = [pool('p', '192.0.2.0/29'), balancer('b')];
    const first = await startTidegate(t, { manifests, args });
    const line = await first.logged('an address', ({ event }) => event === 'addresses-changed');
    assert.deepEqual(line['addresses'], ['192.0.2.0']);
    await eventually(async () => assert.deepEqual(await remembered(), { 'default/b': ['192.0.2.0'] }));
    const { text } = await first.get('/metrics');
    assert.match(text, /^metallb_allocator_addresses_total\{pool="p"\} 8$/m);
    assert.match(text, /^metallb_allocator_ipv4_addresses_in_use_total\{pool="p"\} 1$/m);
    await ended(first);

    // `a` comes before `b`, but is new.
    const second = await startTidegate(t, { manifests: [...manifests, balancer('a')], args });
    const both = { 'default/a': ['192.0.2.1'], 'default/b': ['192.0.2.0'] };
    await eventually(async () => assert.deepEqual(await remembered(), both));
    await ended(second);

    const third = await startTidegate(t, { manifests: [pool('p', '192.0.2.0/29'), balancer('a')], args });
    await eventually(async () => assert.deepEqual(await remembered(), { 'default/a': ['192.0.2.1'] }));
    await ended(third);
  });

  test('a state file that nobody can read stops the start, before addresses move', async (t) => {
    const { path } = await makeManifestFolder(t);
    await writeFile(join(path, '../state.json'), '{');
    const { code, stderr, stdout } = await runTidegate([
      ...['run', '--manifests', path, '--http', '127.0.0.1:0', '--https', 'off', '--admin', 'off'],
      ...['--address-state', join(path, '../state.json')],
    ]);
    assert.equal(code, 1);
    assert.match(stderr + stdout, /is not a file that Tidegate wrote; correct it, or remove it/);
  });
});

const statusOf = ({ api }: FakeCluster, kind: string, id: string) =>
  (api.store.get(kind, id)?.['status'] ?? {}) as FakeObject & {
    loadBalancer?: { ingress?: { ip: string }[] };
    conditions?: { type: string; status: string; reason: string; message: string }[];
  };
const addressesOf = (cluster: FakeCluster, name: string) =>
  statusOf(cluster, 'Service', `default/${name}`).loadBalancer?.ingress?.map(({ ip }) => ip) ?? [];
const untilAddresses = (cluster: FakeCluster, name: string, wanted: readonly string[]) =>
  eventually(() => assert.deepEqual(addressesOf(cluster, name), wanted));
const conditionOf = (cluster: FakeCluster, name: string) => {
  const [condition] = statusOf(cluster, 'Service', `default/${name}`).conditions ?? [];
  return condition && `${condition.type} ${condition.status} ${condition.reason}: ${condition.message}`;
};
const writesTo = ({ api }: FakeCluster, name: string) =>
  api.requests.filter((request) => request.name === name && request.verb === 'patch');

async function clusterWith(t: Parameters<typeof startFakeCluster>[0], objects: readonly KubeObject[]) {
  const cluster = await startFakeCluster(t, [lease]);
  cluster.api.store.installMetalLb();
  cluster.put(...objects);
  return cluster;
}

describe('in a cluster', () => {
  test('the leader writes status, condition and the pool that the address is from; Services of others stay as they are', async (t) => {
    const status = { loadBalancer: { ingress: [{ ip: '192.0.2.0' }] } };
    const cluster = await clusterWith(t, [
      pool('p', '192.0.2.0/30'),
      balancer('ours', { loadBalancerClass: CLASS }),
      { ...balancer('theirs', {}), status },
    ]);
    await startInCluster(t, cluster);
    // .0 is taken by the other load balancer.
    await untilAddresses(cluster, 'ours', ['192.0.2.1']);
    await eventually(() =>
      assert.equal(
        conditionOf(cluster, 'ours'),
        'tidegate.io/AddressAllocated True Allocated: from the pool p',
      ),
    );
    await eventually(() => {
      const { annotations } = cluster.api.store.get('Service', 'default/ours')!.metadata;
      assert.deepEqual(annotations, { 'metallb.io/ip-allocated-from-pool': 'p' });
    });
    assert.deepEqual(writesTo(cluster, 'theirs'), []);
    assert.deepEqual(writesTo(cluster, 'p'), []); // its status is MetalLB's, as long as that may be there
  });

  test('pools are read where they are, also when only some namespaces are', async (t) => {
    const cluster = await clusterWith(t, [
      pool('p', '192.0.2.0/30'),
      balancer('a', { loadBalancerClass: CLASS }),
    ]);
    await startInCluster(t, cluster, ['--namespaces', 'default']);
    await untilAddresses(cluster, 'a', ['192.0.2.0']);
  });

  test('an address survives a restart, and a new Service does not take it', async (t) => {
    const cluster = await clusterWith(t, [
      pool('p', '192.0.2.0/30'),
      balancer('b', { loadBalancerClass: CLASS }),
    ]);
    const first = await startInCluster(t, cluster);
    await untilAddresses(cluster, 'b', ['192.0.2.0']);
    await ended(first);
    cluster.put(balancer('a', { loadBalancerClass: CLASS }));
    await startInCluster(t, cluster);
    await untilAddresses(cluster, 'a', ['192.0.2.1']);
    assert.deepEqual(addressesOf(cluster, 'b'), ['192.0.2.0']);
  });

  test('all of it with the switch for Services without a class, and pools say how full they are', async (t) => {
    const cluster = await clusterWith(t, [
      pool('p', '192.0.2.0/31'),
      balancer('a'),
      balancer('b'),
      balancer('c'),
    ]);
    await startInCluster(t, cluster, ['--watch-services-without-class']);
    await untilAddresses(cluster, 'b', ['192.0.2.1']);
    await eventually(() =>
      assert.deepEqual(statusOf(cluster, 'IPAddressPool', 'metallb-system/p'), {
        assignedIPv4: 2,
        assignedIPv6: 0,
        availableIPv4: 0,
        availableIPv6: 0,
      }),
    );
    await eventually(() =>
      assert.equal(
        conditionOf(cluster, 'c'),
        'tidegate.io/AddressAllocated False PoolExhausted: the pool "p" has no free address (IPv4): add addresses to a pool, or delete a Service that needs none; until then it has no address',
      ),
    );
    const about = (object: FakeObject) => (object['regarding'] as { name?: string } | undefined)?.name;
    await eventually(() =>
      assert.ok(cluster.api.store.all().some((object) => object.kind === 'Event' && about(object) === 'c')),
    );
    // Who waits gets what is given back.
    cluster.api.store.remove('Service', 'default/a');
    await untilAddresses(cluster, 'c', ['192.0.2.0']);
  });

  test('a Service that no longer wants an address loses what was written', async (t) => {
    const cluster = await clusterWith(t, [
      pool('p', '192.0.2.0/30'),
      balancer('a', { loadBalancerClass: CLASS }),
    ]);
    await startInCluster(t, cluster);
    await untilAddresses(cluster, 'a', ['192.0.2.0']);
    const object = cluster.api.store.get('Service', 'default/a')!;
    cluster.api.store.put({ ...object, spec: { ...(object['spec'] as object), type: 'ClusterIP' } });
    await untilAddresses(cluster, 'a', []);
    await eventually(() => assert.equal(conditionOf(cluster, 'a'), undefined));
  });
});

describe('check', () => {
  test('tells what is wrong with pools and requests, and of Services without a pool nothing', async (t) => {
    const { path } = await makeManifestFolder(t);
    const write = (name: string, objects: readonly KubeObject[]) =>
      writeFile(join(path, name), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await write('services.json', [balancer('a'), balancer('b')]);
    const before = await runTidegate(['check', path]);
    assert.equal(before.code, 0, before.stdout);
    assert.doesNotMatch(before.stdout, /pool/);

    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n' },
      status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
    };
    await write('pools.json', [pool('p', '192.0.2.0/31'), pool('bad', '192.0.2.9'), node]);
    const { code, stdout } = await runTidegate(['check', path]);
    assert.equal(code, 1);
    assert.match(stdout, /IPAddressPool metallb-system\/bad: .*for this one address write "192.0.2.9\/32"/);
    assert.match(
      stdout,
      /warning: IPAddressPool metallb-system\/p: .*has 192.0.2.1, which belongs to Node n/,
    );
    assert.match(stdout, /error: Service default\/b: the pool "p" has no free address/);
  });
});
