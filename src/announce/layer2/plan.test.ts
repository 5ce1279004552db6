import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { byKey, node as nodeObject, meta as objectMeta } from '../../../test/kit/objects.ts';
import { objectKey } from '../../model/keys.ts';
import type { IpAddressPool, L2Advertisement } from '../../model/metallb.ts';
import type { ExposedService } from '../../model/service-address.ts';
import type { EndpointSlice, Node, ObjectMeta, Service } from '../../model/snapshot.ts';
import { EXCLUDE_LABEL } from '../pool-choice.ts';
import { type Layer2PlanInput, planLayer2 } from './plan.ts';
import { elect, type Member } from './wanted.ts';

const meta = (name: string, labels: Record<string, string> = {}, namespace = 'lb'): ObjectMeta =>
  objectMeta(name, { namespace, labels: new Map(Object.entries(labels)) });
const advertisement = (name: string, more: Partial<L2Advertisement> = {}): L2Advertisement => ({
  kind: 'L2Advertisement',
  meta: meta(name),
  ipAddressPools: [],
  ipAddressPoolSelectors: [],
  nodeSelectors: [],
  interfaces: [],
  serviceSelectors: [],
  preferredNodeSelectors: [],
  ...more,
});
const pool = (name: string): IpAddressPool => ({
  kind: 'IPAddressPool',
  meta: meta(name),
  addresses: [],
  autoAssign: true,
  avoidBuggyIps: false,
  serviceAllocation: null,
  usage: null,
});
const node = (name: string, more: Partial<Node> = {}, labels: Record<string, string> = {}): Node =>
  nodeObject(name, { meta: meta(name, { name, ...labels }, ''), ...more });
const service = (
  name: string,
  address: string,
  more: Partial<Service> = {},
  labels: Record<string, string> = {},
): ExposedService => ({
  service: {
    kind: 'Service',
    meta: meta(name, labels),
    externalTrafficPolicy: 'Cluster',
    ...more,
  } as Service,
  addresses: [{ address, family: address.includes(':') ? 6 : 4, origin: 'load-balancer', pool: 'main' }],
  nodePorts: false,
});
const slice = (name: string, nodes: readonly string[], serving = true): EndpointSlice => ({
  kind: 'EndpointSlice',
  meta: meta(`${name}-1`),
  service: objectKey('lb', name),
  fromEndpoints: false,
  addressType: 'IPv4',
  ports: [],
  endpoints: nodes.map((nodeName) => ({
    addresses: ['10.0.0.1'],
    ready: serving,
    serving,
    terminating: false,
    nodeName,
    zone: null,
    targetUid: null,
  })),
});
const is = (key: string, ...values: string[]) => [{ key, operator: 'In' as const, values }];

interface World {
  advertisements?: readonly L2Advertisement[];
  nodes?: readonly Node[];
  services?: readonly ExposedService[];
  slices?: readonly EndpointSlice[];
  pools?: readonly IpAddressPool[];
  ignoreExcludeLabel?: boolean;
}
const VIP = '192.0.2.100';
const three = ['node-a', 'node-b', 'node-c'].map((name) => node(name));
function plan(world: World) {
  const input: Layer2PlanInput = {
    sources: {
      l2Advertisements: byKey(world.advertisements ?? [advertisement('all')]),
      ipAddressPools: byKey(world.pools ?? [pool('main')]),
      endpointSlices: byKey(world.slices ?? [slice('web', ['node-a'])]),
      nodes: byKey(world.nodes ?? three),
    },
    services: world.services ?? [service('web', VIP)],
    namespace: 'lb',
    ignoreExcludeLabel: world.ignoreExcludeLabel ?? false,
  };
  return planLayer2(input);
}
const order = (world: World, address = VIP) =>
  plan(world)
    .addresses.find((entry) => entry.address === address)
    ?.candidates.map(({ node }) => node)
    .join();
const verdict = (world: World, name = 'web') => plan(world).services.get(objectKey('lb', name))?.verdict;

describe('the order of candidates', () => {
  // Worked values of MetalLB's election.
  for (const [address, expected] of [
    ['192.0.2.100', 'node-b,node-a,node-c'],
    ['192.0.2.101', 'node-c,node-a,node-b'],
    ['192.0.2.102', 'node-c,node-b,node-a'],
  ])
    test(`is MetalLB's for ${address}`, () => {
      assert.equal(order({ services: [service('web', address!)] }, address), expected);
    });

  test('does not depend on the order of the objects', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(three, { minLength: 3 }), (nodes) => {
        assert.equal(order({ nodes }), 'node-b,node-a,node-c');
      }),
    );
  });

  test('without a node is the same without it: only its addresses move', () => {
    const nodes = three.filter(({ meta }) => meta.name !== 'node-b');
    assert.equal(order({ nodes }), 'node-a,node-c');
  });

  const orders: readonly (readonly [string, World, string])[] = [
    [
      'a node that is not ready comes last',
      { nodes: [node('node-a'), node('node-b', { ready: false })] },
      'node-a,node-b',
    ],
    [
      'a cordoned node comes last',
      { nodes: [node('node-a'), node('node-b', { unschedulable: true })] },
      'node-a,node-b',
    ],
    [
      'that none is ready changes nothing',
      { nodes: three.map(({ meta }) => node(meta.name, { ready: false })) },
      'node-b,node-a,node-c',
    ],
    [
      'preferences add up',
      {
        advertisements: [
          advertisement('a', {
            preferredNodeSelectors: [{ weight: 10, preference: is('name', 'node-c', 'node-a') }],
          }),
          advertisement('b', { preferredNodeSelectors: [{ weight: 1, preference: is('name', 'node-c') }] }),
        ],
      },
      'node-c,node-a,node-b',
    ],
    [
      'nodes that an advertisement selects',
      { advertisements: [advertisement('a', { nodeSelectors: [is('name', 'node-c')] })] },
      'node-c',
    ],
    [
      'nodes of all advertisements together',
      {
        advertisements: [
          advertisement('a', { nodeSelectors: [is('name', 'node-c')] }),
          advertisement('b', { nodeSelectors: [is('name', 'node-b')] }),
        ],
      },
      'node-b,node-c',
    ],
    [
      'nodes with an endpoint, under externalTrafficPolicy Local',
      {
        services: [service('web', VIP, { externalTrafficPolicy: 'Local' })],
        slices: [slice('web', ['node-c', 'node-a'])],
      },
      'node-a,node-c',
    ],
    [
      'not a node without network',
      { nodes: [node('node-a'), node('node-b', { networkUnavailable: true })] },
      'node-a',
    ],
    [
      'not an excluded node',
      { nodes: [node('node-a'), node('node-b', {}, { [EXCLUDE_LABEL]: '' })] },
      'node-a',
    ],
    [
      'an excluded node, when labels are to be ignored',
      { nodes: [node('node-a'), node('node-b', {}, { [EXCLUDE_LABEL]: '' })], ignoreExcludeLabel: true },
      'node-b,node-a',
    ],
    [
      'nodes that serve all Services of a shared address',
      {
        services: ['web', 'dns'].map((name) => service(name, VIP, { externalTrafficPolicy: 'Local' })),
        slices: [slice('web', ['node-a', 'node-b']), slice('dns', ['node-a', 'node-c'])],
      },
      'node-a',
    ],
  ];
  for (const [what, world, expected] of orders) test(what, () => assert.equal(order(world), expected));
});

describe('where and why', () => {
  const candidates = (advertisements: readonly L2Advertisement[]) =>
    plan({ advertisements, nodes: [node('node-a')] }).addresses[0]?.candidates;

  test('interfaces of several advertisements are united; one without any means all', () => {
    const [eth0, eth1] = ['eth0', 'eth1'].map((name) => advertisement(name, { interfaces: [name] }));
    assert.deepEqual(candidates([eth1!, eth0!]), [{ node: 'node-a', interfaces: ['eth0', 'eth1'] }]);
    assert.deepEqual(candidates([eth1!, advertisement('all')]), [{ node: 'node-a', interfaces: null }]);
  });

  const verdicts: readonly (readonly [string, World, string | undefined])[] = [
    ['announced', {}, 'announced'],
    ['no advertisement', { advertisements: [] }, 'noMatchingAdvertisement'],
    [
      'one for another pool',
      { advertisements: [advertisement('a', { ipAddressPools: ['other'] })] },
      'noMatchingAdvertisement',
    ],
    [
      'one for other Services',
      { advertisements: [advertisement('a', { serviceSelectors: [is('app', 'x')] })] },
      'noMatchingAdvertisement',
    ],
    [
      'one in another namespace',
      { advertisements: [{ ...advertisement('a'), meta: meta('a', {}, 'elsewhere') }] },
      'noMatchingAdvertisement',
    ],
    ['no endpoint', { slices: [] }, 'noEndpoints'],
    ['none that serves', { slices: [slice('web', ['node-a'], false)] }, 'noEndpoints'],
    [
      'none on a node that may',
      {
        services: [service('web', VIP, { externalTrafficPolicy: 'Local' })],
        advertisements: [advertisement('a', { nodeSelectors: [is('name', 'node-b')] })],
      },
      'noLocalEndpoints',
    ],
    [
      'no node is selected',
      { advertisements: [advertisement('a', { nodeSelectors: [is('name', 'x')] })] },
      'noEligibleNode',
    ],
    ['the pool is gone', { pools: [] }, undefined],
  ];
  for (const [what, world, expected] of verdicts)
    test(`${what}: ${expected ?? 'not ours'}`, () => {
      assert.equal(verdict(world), expected);
      assert.equal(plan(world).addresses.length, expected === 'announced' ? 1 : 0);
    });
});

describe('who is elected', () => {
  const wanted = {
    address: VIP,
    candidates: [
      { node: 'a', interfaces: ['eth1'] },
      { node: 'b', interfaces: null },
      { node: 'c', interfaces: null },
    ],
  };
  const members = (...list: (Partial<Member> & { name: string })[]) =>
    new Map(
      list.map((member) => [
        member.name,
        { interfaces: ['eth0'], claims: new Map<string, boolean>(), leaving: false, ...member },
      ]),
    );
  test('the first that lives and has an interface for it', () => {
    assert.equal(elect(wanted, members({ name: 'a' }, { name: 'b' }, { name: 'c' })), 'b');
    assert.equal(elect(wanted, members({ name: 'a', interfaces: ['eth0', 'eth1'] }, { name: 'b' })), 'a');
    assert.equal(elect(wanted, members({ name: 'c' }, { name: 'd' })), 'c');
  });
  test('not one that leaves, nor one without an interface', () => {
    assert.equal(elect(wanted, members({ name: 'b', leaving: true }, { name: 'c' })), 'c');
    assert.equal(elect(wanted, members({ name: 'b', interfaces: [] })), null);
  });
});
