import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadBalancer, pool, snapshotWith } from '../../test/kit/load-balancer-objects.ts';
import { meta } from '../../test/kit/objects.ts';
import { objectKey } from '../model/keys.ts';
import type { IpAddressPool } from '../model/metallb.ts';
import type { Node, Service, Snapshot } from '../model/snapshot.ts';
import { type AddressOptions, AddressPlanner } from './address-planner.ts';

const OPTIONS: AddressOptions = {
  ownership: { loadBalancerClass: 'tidegate.io/load-balancer', withoutClass: true },
  poolNamespace: 'metallb-system',
  shareAcrossNamespaces: true,
};

function world(
  pools: readonly IpAddressPool[],
  services: readonly Service[],
  more: Partial<Snapshot> = {},
): Snapshot {
  return snapshotWith(pools, { services: new Map(services.map((each) => [each.meta.key, each])), ...more });
}

function node(name: string, address: string, podCidrs: readonly string[] = []): Node {
  return {
    kind: 'Node',
    meta: meta(name, { namespace: '' }),
    addresses: [{ type: 'InternalIP', address }],
    ready: true,
    networkUnavailable: false,
    unschedulable: false,
    taints: [],
    podCidrs,
  };
}

const nodes = (...list: Node[]) => new Map(list.map((each) => [each.meta.key, each]));
const status = (...ips: string[]) => ({
  loadBalancer: ips.map((ip) => ({ ip, hostname: '', ipMode: null })),
});
const addressesOf = (planner: AddressPlanner, snapshot: Snapshot, role: 'decides' | 'follows' = 'decides') =>
  Object.fromEntries(
    [...planner.plan(snapshot, role).allocations].map(([key, { addresses }]) => [key, addresses.join(' ')]),
  );
const messages = (planner: AddressPlanner, snapshot: Snapshot) =>
  planner.plan(snapshot, 'decides').problems.map(({ object, message }) => `${object?.name}: ${message}`);

describe('whose Services get addresses', () => {
  const services = [
    loadBalancer('ours', { loadBalancerClass: 'tidegate.io/load-balancer' }),
    loadBalancer('unset'),
    loadBalancer('theirs', { loadBalancerClass: 'metallb' }),
    loadBalancer('inside', { type: 'ClusterIP' }),
  ];
  for (const { withoutClass, expected } of [
    { withoutClass: true, expected: ['ns/ours', 'ns/unset'] },
    { withoutClass: false, expected: ['ns/ours'] },
  ]) {
    test(`without a class ${withoutClass ? 'too' : 'not'}`, () => {
      const ownership = { ...OPTIONS.ownership, withoutClass };
      const plan = new AddressPlanner({ ...OPTIONS, ownership }).plan(
        world([pool('p', '192.0.2.0/24')], services),
        'decides',
      );
      assert.deepEqual([...plan.allocations.keys()], expected);
    });
  }
});

describe('from one snapshot to the next', () => {
  const pools = [pool('p', '192.0.2.0/24')];

  test('the plan is the same object when nothing it depends on changed', () => {
    const planner = new AddressPlanner(OPTIONS);
    const snapshot = world(pools, [loadBalancer('a')]);
    const first = planner.plan(snapshot, 'decides');
    assert.equal(planner.plan({ ...snapshot, endpointSlices: new Map() }, 'decides'), first);
  });

  test('who decides goes by what it decided, although no status says so yet', () => {
    const planner = new AddressPlanner(OPTIONS);
    planner.plan(world(pools, [loadBalancer('b')]), 'decides');
    assert.deepEqual(addressesOf(planner, world(pools, [loadBalancer('a'), loadBalancer('b')])), {
      'ns/a': '192.0.2.1',
      'ns/b': '192.0.2.0',
    });
  });

  test('who follows goes by the status, and so does who has just begun', () => {
    const planner = new AddressPlanner(OPTIONS);
    planner.plan(world(pools, [loadBalancer('a')]), 'follows');
    const written = world(pools, [loadBalancer('a', status('192.0.2.7'))]);
    assert.deepEqual(addressesOf(planner, written, 'follows'), { 'ns/a': '192.0.2.7' });
    assert.deepEqual(addressesOf(planner, written, 'decides'), { 'ns/a': '192.0.2.7' });
    assert.deepEqual(addressesOf(new AddressPlanner(OPTIONS), written), { 'ns/a': '192.0.2.7' });
  });

  test('an address that is remembered from before a restart is kept', () => {
    const remembered = new Map([[objectKey('ns', 'a'), { addresses: ['192.0.2.9'], claim: null }]]);
    const planner = new AddressPlanner(OPTIONS, remembered);
    assert.deepEqual(addressesOf(planner, world(pools, [loadBalancer('a')])), { 'ns/a': '192.0.2.9' });
  });

  test('an address that was given back goes to who waits', () => {
    const one = [pool('p', '192.0.2.7/32')];
    const planner = new AddressPlanner(OPTIONS);
    assert.deepEqual(addressesOf(planner, world(one, [loadBalancer('a'), loadBalancer('b')])), {
      'ns/a': '192.0.2.7',
      'ns/b': '',
    });
    const changed = loadBalancer('a', { type: 'ClusterIP' });
    assert.deepEqual(addressesOf(planner, world(one, [changed, loadBalancer('b')])), { 'ns/b': '192.0.2.7' });
  });
});

describe('what belongs to others', () => {
  test('is not given out: Nodes, cluster IPs and Services of another class', () => {
    const planner = new AddressPlanner(OPTIONS);
    const theirs = loadBalancer('theirs', { loadBalancerClass: 'metallb', ...status('192.0.2.1') });
    const inside = loadBalancer('inside', { type: 'ClusterIP', clusterIps: ['192.0.2.2'] });
    const snapshot = world([pool('p', '192.0.2.0/29')], [theirs, inside, loadBalancer('a')], {
      nodes: nodes(node('n', '192.0.2.0')),
    });
    assert.deepEqual(addressesOf(planner, snapshot), { 'ns/a': '192.0.2.3' });
    assert.deepEqual(planner.plan(snapshot, 'decides').usage.get('p'), {
      assignedIPv4: 1,
      assignedIPv6: 0,
      availableIPv4: 4,
      availableIPv6: 0,
    });
  });

  test('is told when it lies in a pool', () => {
    const snapshot = world(
      [pool('p', '192.0.2.0/29'), pool('q', '10.42.0.0/16'), pool('r', '203.0.113.0/24')],
      [],
      { nodes: nodes(node('n', '192.0.2.1', ['10.42.1.0/24']), node('o', '192.0.2.2')) },
    );
    assert.deepEqual(messages(new AddressPlanner(OPTIONS), snapshot), [
      'p: has 192.0.2.1, which belongs to Node n, and 1 more like it: take it out of the pool; it is not given to a Service',
      'q: overlaps the pod network "10.42.1.0/24" of Node n: addresses of both lead to one of them only; take other addresses for the pool',
    ]);
  });

  test('pools of another namespace are not used, and that is told', () => {
    const snapshot = world([pool('p', '192.0.2.0/29', { namespace: 'tenant' })], [loadBalancer('a')]);
    assert.deepEqual(addressesOf(new AddressPlanner(OPTIONS), snapshot), { 'ns/a': '' });
    assert.deepEqual(messages(new AddressPlanner(OPTIONS), snapshot), [
      'p: only pools in namespace "metallb-system" are used (--metallb-namespace); this one is not',
    ]);
  });
});

describe('how full a pool is', () => {
  const usage = (ranges: string, more = {}) =>
    new AddressPlanner(OPTIONS)
      .plan(world([pool('p', ranges, more)], [loadBalancer('a')]), 'decides')
      .usage.get('p');
  const cases: readonly [ranges: string, more: object, availableIPv4: number, availableIPv6: number][] = [
    ['192.0.2.0/24', {}, 255, 0],
    ['192.0.2.0/24', { avoidBuggyIps: true }, 253, 0],
    ['192.0.1.128-192.0.3.127', { avoidBuggyIps: true }, 507, 0],
    ['192.0.2.4/30 2001:db8::/126', {}, 3, 4],
    ['192.0.2.4/30 2001:db8::/64', {}, 3, Number.MAX_SAFE_INTEGER],
  ];
  for (const [ranges, more, availableIPv4, availableIPv6] of cases) {
    test(`${ranges} ${JSON.stringify(more)}`, () => {
      assert.deepEqual(usage(ranges, more), {
        assignedIPv4: 1,
        assignedIPv6: 0,
        availableIPv4,
        availableIPv6,
      });
    });
  }
});
