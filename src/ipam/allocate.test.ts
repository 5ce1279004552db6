import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DUAL, loadBalancer, namespaceOf, pool, snapshotWith } from '../../test/kit/load-balancer-objects.ts';
import { type ObjectKey, objectKey } from '../model/keys.ts';
import type { IpAddressPool } from '../model/metallb.ts';
import type { Namespace, Service, Snapshot } from '../model/snapshot.ts';
import { type Allocations, allocate, type Previous } from './allocate.ts';
import { readPools } from './pools.ts';

interface World {
  readonly pools: readonly IpAddressPool[];
  readonly services: readonly Service[];
  /** `name: address address`. */
  readonly had?: Readonly<Record<string, string>>;
  readonly reserved?: Readonly<Record<string, string>>;
  readonly namespaces?: readonly Namespace[];
  readonly snapshot?: Partial<Snapshot>;
  readonly shareAcrossNamespaces?: boolean;
}

function run({
  pools,
  services,
  had = {},
  reserved = {},
  namespaces = [],
  snapshot = {},
  shareAcrossNamespaces = true,
}: World): Allocations {
  const previous = Object.entries(had).map(([name, addresses]): [ObjectKey, Previous] => [
    objectKey('ns', name),
    { addresses: addresses.split(' '), claim: null },
  ]);
  return allocate({
    pools: readPools(snapshotWith(pools, snapshot), null),
    services,
    namespaces: new Map(namespaces.map((each) => [each.meta.key, each])),
    reserved: new Map(Object.entries(reserved)),
    previous: new Map(previous),
    shareAcrossNamespaces,
  });
}

/** `name: addresses` of all, for comparison. */
function addresses(result: Allocations): Record<string, string> {
  const entries = [...result.byService.values()].map((each): [string, string] => [
    each.service.slice(each.service.indexOf('/') + 1),
    each.addresses.join(' '),
  ]);
  return Object.fromEntries(entries);
}

const messages = (result: Allocations) =>
  result.problems.map(({ object, severity, field, message }) =>
    [object?.name, severity, field, message].join('|'),
  );

const ask = (text: string) => ({ annotations: { 'metallb.io/loadBalancerIPs': text } });
const share = (key: string) => ({ annotations: { 'metallb.io/allow-shared-ip': key } });

describe('addresses are given', () => {
  const cases: readonly (World & { readonly name: string; readonly gives: Record<string, string> })[] = [
    {
      name: 'lowest first, to the oldest Service first, then by name',
      pools: [pool('p', '192.0.2.8/30')],
      services: [
        loadBalancer('c', { created: 1 }),
        loadBalancer('b', { created: 2 }),
        loadBalancer('a', { created: 2 }),
      ],
      gives: { c: '192.0.2.8', a: '192.0.2.9', b: '192.0.2.10' },
    },
    {
      name: 'from the ranges of a pool in their order, then from the next pool by name',
      pools: [pool('q', '203.0.113.1/32'), pool('p', '192.0.2.9-192.0.2.9 192.0.2.1/32')],
      services: [loadBalancer('a'), loadBalancer('b'), loadBalancer('c')],
      gives: { a: '192.0.2.9', b: '192.0.2.1', c: '203.0.113.1' },
    },
    {
      name: 'except those that end in .0 and .255 where a pool says so',
      pools: [pool('p', '192.0.1.255-192.0.2.1', { avoidBuggyIps: true })],
      services: [loadBalancer('a')],
      gives: { a: '192.0.2.1' },
    },
    {
      name: 'except those that belong to something else',
      pools: [pool('p', '192.0.2.0/30')],
      services: [loadBalancer('a')],
      reserved: { '192.0.2.0': 'Node n', '192.0.2.1': 'Service other/x' },
      gives: { a: '192.0.2.2' },
    },
    {
      name: 'not from a pool without autoAssign, unless it is asked for',
      pools: [pool('p', '192.0.2.0/30', { autoAssign: false }), pool('q', '203.0.113.0/30')],
      services: [
        loadBalancer('a'),
        loadBalancer('b', { annotations: { 'metallb.universe.tf/address-pool': 'p' } }),
      ],
      gives: { a: '203.0.113.0', b: '192.0.2.0' },
    },
    {
      name: 'from pools for the Service first, those with a priority before those without',
      pools: [
        pool('general', '192.0.2.0/30'),
        pool('late', '198.51.100.0/32', { serviceAllocation: { namespaces: ['ns'] } }),
        pool('early', '203.0.113.0/32', { serviceAllocation: { priority: 5, namespaces: ['ns'] } }),
      ],
      services: [loadBalancer('a'), loadBalancer('b'), loadBalancer('c')],
      gives: { a: '203.0.113.0', b: '198.51.100.0', c: '192.0.2.0' },
    },
    {
      name: 'from pools for namespaces by name or label, and by the labels of the Service as well',
      pools: [
        pool('p', '192.0.2.0/30', {
          serviceAllocation: {
            namespaces: ['x'],
            namespaceSelectors: [[{ key: 'team', operator: 'In', values: ['a'] }]],
            serviceSelectors: [[{ key: 'public', operator: 'Exists' }]],
          },
        }),
      ],
      namespaces: [namespaceOf('y', { team: 'a' }), namespaceOf('z', { team: 'b' })],
      services: [
        loadBalancer('in-x', { namespace: 'x', labels: { public: '' } }),
        loadBalancer('in-y', { namespace: 'y', labels: { public: '' } }),
        loadBalancer('in-z', { namespace: 'z', labels: { public: '' } }),
        loadBalancer('no-label', { namespace: 'x' }),
      ],
      gives: { 'in-x': '192.0.2.0', 'in-y': '192.0.2.1', 'in-z': '', 'no-label': '' },
    },
    {
      name: 'as they are asked for by value, before those who take any',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a'),
        loadBalancer('z', ask('192.0.2.0')),
        loadBalancer('y', { loadBalancerIp: '192.0.2.1' }),
      ],
      gives: { a: '192.0.2.2', z: '192.0.2.0', y: '192.0.2.1' },
    },
    {
      name: 'by our own annotation before that of MetalLB',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', {
          annotations: {
            'tidegate.io/loadBalancerIPs': '192.0.2.1',
            'metallb.io/loadBalancerIPs': '192.0.2.2',
          },
        }),
      ],
      gives: { a: '192.0.2.1' },
    },
    {
      name: 'of the family of the cluster IP',
      pools: [pool('p', '192.0.2.0/30 2001:db8::/64')],
      services: [loadBalancer('six', { clusterIps: ['fd00::1'] }), loadBalancer('four')],
      gives: { six: '2001:db8::', four: '192.0.2.0' },
    },
    {
      name: 'by the families of the spec where there are no cluster IPs',
      pools: [pool('p', '192.0.2.0/30 2001:db8::/64')],
      services: [
        loadBalancer('six', { clusterIps: [], ipFamilies: ['IPv6'] }),
        loadBalancer('both', { clusterIps: [], ipFamilyPolicy: 'RequireDualStack' }),
        loadBalancer('four', { clusterIps: [] }),
      ],
      gives: { six: '2001:db8::1', both: '192.0.2.0 2001:db8::', four: '192.0.2.1' },
    },
    {
      name: 'of both families from the one pool that has both',
      pools: [
        pool('four', '192.0.2.0/30'),
        pool('six', '2001:db8::/64'),
        pool('y', '203.0.113.0/31 2001:db8:1::/64'),
      ],
      services: [loadBalancer('a', DUAL)],
      gives: { a: '203.0.113.0 2001:db8:1::' },
    },
    {
      name: 'of the preferred family when no pool has both and both are only preferred',
      pools: [pool('four', '192.0.2.0/30'), pool('six', '2001:db8::/64')],
      services: [
        loadBalancer('a', DUAL),
        loadBalancer('b', { ...DUAL, ipFamilies: ['IPv6', 'IPv4'] }),
        loadBalancer('c', { ...DUAL, ipFamilyPolicy: 'RequireDualStack' }),
      ],
      gives: { a: '192.0.2.0', b: '2001:db8::', c: '' },
    },
    {
      name: 'together to Services with one sharing key and different ports',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', { ports: 'TCP/53' }),
        loadBalancer('b', { ...share('dns'), ports: 'TCP/53' }),
        loadBalancer('c', { ...share('dns'), ports: 'UDP/53' }),
        loadBalancer('d', { ...share('dns'), ports: 'TCP/53' }),
        loadBalancer('e', { ...share('web'), ports: 'TCP/80' }),
      ],
      gives: { a: '192.0.2.0', b: '192.0.2.1', c: '192.0.2.1', d: '192.0.2.2', e: '192.0.2.3' },
    },
    {
      name: 'together under Local only with the same selector',
      pools: [pool('p', '192.0.2.0/29')],
      services: [
        loadBalancer('a', { ...share('k'), ports: 'TCP/1' }),
        loadBalancer('b', {
          ...share('k'),
          ports: 'TCP/2',
          externalTrafficPolicy: 'Local',
          selector: 'app=x',
        }),
        loadBalancer('c', {
          ...share('k'),
          ports: 'TCP/3',
          externalTrafficPolicy: 'Local',
          selector: 'app=x',
        }),
        loadBalancer('d', {
          ...share('k'),
          ports: 'TCP/4',
          externalTrafficPolicy: 'Local',
          selector: 'app=y',
        }),
      ],
      gives: { a: '192.0.2.0', b: '192.0.2.1', c: '192.0.2.1', d: '192.0.2.2' },
    },
  ];
  for (const { name, gives, ...world } of cases) {
    test(name, () => assert.deepEqual(addresses(run(world)), gives));
  }
});

describe('an address is kept', () => {
  const cases: readonly (World & { readonly name: string; readonly gives: Record<string, string> })[] = [
    {
      name: 'although a lower one is free',
      pools: [pool('p', '192.0.2.0/29')],
      services: [loadBalancer('a'), loadBalancer('b')],
      had: { b: '192.0.2.5' },
      gives: { a: '192.0.2.0', b: '192.0.2.5' },
    },
    {
      name: 'against those who ask for it by value',
      pools: [pool('p', '192.0.2.0/30')],
      services: [loadBalancer('a', ask('192.0.2.1')), loadBalancer('b')],
      had: { b: '192.0.2.1' },
      gives: { a: '', b: '192.0.2.1' },
    },
    {
      name: 'while the one that is asked for is not to be had',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', ask('198.51.100.1')),
        loadBalancer('b', { annotations: { 'metallb.io/address-pool': 'x' } }),
      ],
      had: { a: '192.0.2.2', b: '192.0.2.3' },
      gives: { a: '192.0.2.2', b: '192.0.2.3' },
    },
    {
      name: 'when its pool no longer gives addresses by itself',
      pools: [pool('p', '192.0.2.0/30', { autoAssign: false }), pool('q', '203.0.113.0/30')],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.2' },
      gives: { a: '192.0.2.2' },
    },
    {
      name: 'when its pool has another name',
      pools: [pool('renamed', '192.0.2.0/30')],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.2' },
      gives: { a: '192.0.2.2' },
    },
    {
      name: 'and the second family is added from its pool',
      pools: [pool('p', '192.0.2.0/30 2001:db8::/64')],
      services: [loadBalancer('a', DUAL)],
      had: { a: '192.0.2.2' },
      gives: { a: '192.0.2.2 2001:db8::' },
    },
    {
      name: 'alone when both families are preferred and its pool has one',
      pools: [pool('p', '192.0.2.0/30'), pool('q', '203.0.113.0/30 2001:db8::/64')],
      services: [loadBalancer('a', DUAL)],
      had: { a: '192.0.2.2' },
      gives: { a: '192.0.2.2' },
    },
    {
      name: 'when the other family is no longer wanted',
      pools: [pool('p', '192.0.2.0/30 2001:db8::/64')],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.2 2001:db8::5' },
      gives: { a: '192.0.2.2' },
    },
    {
      name: 'together with those it shares it with',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', { ...share('k'), ports: 'TCP/1' }),
        loadBalancer('b', { ...share('k'), ports: 'TCP/2' }),
      ],
      had: { a: '192.0.2.2', b: '192.0.2.2' },
      gives: { a: '192.0.2.2', b: '192.0.2.2' },
    },
    {
      name: 'while the labels of its namespace are not known, on which its pool depends',
      pools: [
        pool('p', '192.0.2.0/30', {
          serviceAllocation: { namespaceSelectors: [[{ key: 'team', operator: 'In', values: ['a'] }]] },
        }),
      ],
      services: [loadBalancer('a'), loadBalancer('b')],
      had: { a: '192.0.2.2' },
      gives: { a: '192.0.2.2', b: '' },
    },
    {
      name: 'while no pool is there',
      pools: [],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.2' },
      gives: { a: '192.0.2.2' },
    },
    {
      name: 'while a pool that it may belong to cannot be read',
      pools: [pool('q', '203.0.113.0/30')],
      services: [loadBalancer('a'), loadBalancer('b', { annotations: { 'metallb.io/address-pool': 'p' } })],
      had: { a: '192.0.2.2', b: '192.0.2.3' },
      snapshot: {
        problems: [
          {
            severity: 'error',
            reason: 'Invalid',
            object: { kind: 'IPAddressPool', namespace: 'metallb-system', name: 'p' },
            field: 'spec.addresses[0]',
            message: '',
            position: null,
          },
        ],
      },
      gives: { a: '192.0.2.2', b: '192.0.2.3' },
    },
  ];
  for (const { name, gives, ...world } of cases) {
    test(name, () => assert.deepEqual(addresses(run(world)), gives));
  }
});

describe('what tenants cannot do to each other, and administrators not by accident', () => {
  test('under policy Local an equal selector in another namespace leads elsewhere, so it shares nothing', () => {
    const words = { externalTrafficPolicy: 'Local', selector: 'app=web', ...share('k') } as const;
    const result = run({
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', words),
        loadBalancer('b', { ...words, namespace: 'other', ports: 'TCP/81' }),
        loadBalancer('c', { ...words, ports: 'TCP/82' }),
      ],
    });
    assert.deepEqual(addresses(result), { a: '192.0.2.0', b: '192.0.2.1', c: '192.0.2.0' });
  });

  test('a sharing key that another namespace uses shares nothing when that is not allowed', () => {
    const stranger = loadBalancer('b', { ...share('k'), namespace: 'other', ports: 'TCP/81' });
    const asking = { 'metallb.io/allow-shared-ip': 'k', 'metallb.io/loadBalancerIPs': '192.0.2.0' };
    const services = [
      loadBalancer('a', share('k')),
      stranger,
      loadBalancer('c', { annotations: asking, namespace: 'third', ports: 'TCP/82' }),
      loadBalancer('d', { ...share('k'), ports: 'TCP/83' }),
    ];
    const world = { pools: [pool('p', '192.0.2.0/30')], services, had: { a: '192.0.2.0' } };
    assert.deepEqual(addresses(run({ ...world, shareAcrossNamespaces: true })), {
      a: '192.0.2.0',
      b: '192.0.2.0',
      c: '192.0.2.0',
      d: '192.0.2.0',
    });
    assert.deepEqual(addresses(run({ ...world, shareAcrossNamespaces: false })), {
      a: '192.0.2.0',
      b: '192.0.2.1',
      c: '',
      d: '192.0.2.0',
    });
  });

  test('an older pool that grows into a newer one moves nobody', () => {
    const newer = pool('newer', '192.0.2.0/28', { created: 2 });
    const services = [
      loadBalancer('a'),
      loadBalancer('b', { created: 1 }),
      loadBalancer('c', { created: 2 }),
    ];
    const world = { services, had: { a: '192.0.2.3', b: '192.0.2.14' } };
    const before = run({ ...world, pools: [pool('old', '198.51.100.0/30'), newer] });
    const after = run({ ...world, pools: [pool('old', '192.0.2.2-192.0.2.4'), newer] });
    assert.deepEqual(addresses(before), { a: '192.0.2.3', b: '192.0.2.14', c: '192.0.2.0' });
    assert.deepEqual(addresses(after), { a: '192.0.2.3', b: '192.0.2.14', c: '192.0.2.0' });
    const pools = [...after.byService.values()].map((each) => each.pool);
    assert.deepEqual(pools, ['old', 'newer', 'newer']);
  });

  test('loopback, multicast and unspecified addresses are of no pool, however large it is', () => {
    const result = run({
      pools: [pool('p', '126.255.255.255-128.0.0.0 223.255.255.255-255.255.255.255')],
      services: ['a', 'b', 'c', 'd']
        .map((name, created) => loadBalancer(name, { created }))
        .concat(loadBalancer('e', { ...ask('127.0.0.1'), created: 9 })),
    });
    assert.deepEqual(addresses(result), {
      a: '126.255.255.255',
      b: '128.0.0.0',
      c: '223.255.255.255',
      d: '240.0.0.0',
      e: '',
    });
    assert.match(
      messages(result)[0] ?? '',
      /^p\|warning\|spec\.addresses\[0\]\|.*no Service can have 127\.0\.0\.0/,
    );
  });

  test('a pool that is split by family leaves Services with both the addresses they have', () => {
    const dual = { ...DUAL, ipFamilyPolicy: 'RequireDualStack' } as const;
    const result = run({
      pools: [pool('four', '192.0.2.0/28'), pool('six', '2001:db8::/64')],
      services: [loadBalancer('a', dual), loadBalancer('b', { ...dual, ...ask('192.0.2.6,2001:db8::6') })],
      had: { a: '192.0.2.5 2001:db8::5', b: '192.0.2.6 2001:db8::6' },
    });
    assert.deepEqual(addresses(result), { a: '192.0.2.5 2001:db8::5', b: '192.0.2.6 2001:db8::6' });
    assert.deepEqual(result.problems, []);
  });

  test('of ranges by the thousand and pools as large as a whole family the newer one has the gaps', () => {
    const tenThousand = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/25`).join(' ');
    const result = run({
      pools: [pool('a', tenThousand), pool('b', '10.0.0.0/8 ::/0', { created: 1 })],
      services: [loadBalancer('x', { ...DUAL, annotations: { 'metallb.io/address-pool': 'b' } })],
    });
    assert.deepEqual(addresses(result), { x: '10.0.0.128 ::2' });
  });
});

describe('an address is given up', () => {
  const cases: readonly (World & { readonly name: string; readonly gives: Record<string, string> })[] = [
    {
      name: 'for the one that is asked for',
      pools: [pool('p', '192.0.2.0/30')],
      services: [loadBalancer('a', ask('192.0.2.3'))],
      had: { a: '192.0.2.0' },
      gives: { a: '192.0.2.3' },
    },
    {
      name: 'for one of the pool that is asked for, and goes to who waits for it',
      pools: [pool('p', '192.0.2.0/32'), pool('q', '203.0.113.0/32', { autoAssign: false })],
      services: [loadBalancer('a', { annotations: { 'metallb.io/address-pool': 'q' } }), loadBalancer('b')],
      had: { a: '192.0.2.0' },
      gives: { a: '203.0.113.0', b: '192.0.2.0' },
    },
    {
      name: 'when no pool has it any more',
      pools: [pool('p', '203.0.113.0/30')],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.0' },
      gives: { a: '203.0.113.0' },
    },
    {
      name: 'when its pool is for others now',
      pools: [
        pool('p', '192.0.2.0/30', { serviceAllocation: { namespaces: ['x'] } }),
        pool('q', '203.0.113.0/30'),
      ],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.0' },
      gives: { a: '203.0.113.0' },
    },
    {
      name: 'when it ends in .0 and its pool leaves those out now',
      pools: [pool('p', '192.0.2.0/30', { avoidBuggyIps: true })],
      services: [loadBalancer('a')],
      had: { a: '192.0.2.0' },
      gives: { a: '192.0.2.1' },
    },
    {
      name: 'by the newer one of two that may not share it',
      pools: [pool('p', '192.0.2.0/30')],
      services: [loadBalancer('a', { created: 2 }), loadBalancer('b', { created: 1 })],
      had: { a: '192.0.2.2', b: '192.0.2.2' },
      gives: { b: '192.0.2.2', a: '192.0.2.0' },
    },
    {
      name: 'when both families are required and another pool has both',
      pools: [pool('p', '192.0.2.0/30'), pool('q', '203.0.113.0/30 2001:db8::/64')],
      services: [loadBalancer('a', { ...DUAL, ipFamilyPolicy: 'RequireDualStack' })],
      had: { a: '192.0.2.2' },
      gives: { a: '203.0.113.0 2001:db8::' },
    },
  ];
  for (const { name, gives, ...world } of cases) {
    test(name, () => assert.deepEqual(addresses(run(world)), gives));
  }

  test('by the one that changed its sharing key, not by those it shared with', () => {
    const pools = readPools(snapshotWith([pool('p', '192.0.2.0/30')]), null);
    const before = ['a', 'b', 'c'].map((name, index) =>
      loadBalancer(name, { ...share('k'), ports: `TCP/${index + 1}` }),
    );
    const common = { pools, namespaces: new Map(), reserved: new Map(), shareAcrossNamespaces: true };
    const first = allocate({ ...common, services: before, previous: new Map() });
    const after = [loadBalancer('a', { ...share('other'), ports: 'TCP/1' }), ...before.slice(1)];
    const second = allocate({ ...common, services: after, previous: first.byService });
    assert.deepEqual(addresses(first), { a: '192.0.2.0', b: '192.0.2.0', c: '192.0.2.0' });
    assert.deepEqual(addresses(second), { a: '192.0.2.1', b: '192.0.2.0', c: '192.0.2.0' });
  });
});

describe('what cannot be granted is said with what to do', () => {
  const cases: readonly (World & { readonly name: string; readonly says: readonly string[] })[] = [
    {
      name: 'no pool for a Service of our class',
      pools: [],
      services: [loadBalancer('a', { loadBalancerClass: 'tidegate.io/load-balancer' }), loadBalancer('b')],
      says: ['a|error||there is no address pool: make an IPAddressPool; until then it has no address'],
    },
    {
      name: 'no pool gives addresses by itself',
      pools: [pool('p', '192.0.2.0/30', { autoAssign: false })],
      services: [loadBalancer('a')],
      says: [
        'a|error||no pool gives addresses to this Service: make an IPAddressPool that does (see its autoAssign and serviceAllocation); until then it has no address',
      ],
    },
    {
      name: 'exhaustion',
      pools: [pool('p', '192.0.2.0/32')],
      services: [loadBalancer('a'), loadBalancer('b')],
      says: [
        'b|error||the pool "p" has no free address (IPv4): add addresses to a pool, or delete a Service that needs none; until then it has no address',
      ],
    },
    {
      name: 'an address of another Service',
      pools: [pool('p', '192.0.2.0/30')],
      services: [loadBalancer('a'), loadBalancer('b', ask('192.0.2.0'))],
      had: { a: '192.0.2.0', b: '192.0.2.1' },
      says: [
        'b|warning|metadata.annotations[metallb.io/loadBalancerIPs]|192.0.2.0 is in use by Service ns/a: give both the same metallb.io/allow-shared-ip, or ask for another address; until then it keeps 192.0.2.1',
      ],
    },
    {
      name: 'a port that is taken on the shared address',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', { annotations: { 'metallb.io/allow-shared-ip': 'k' } }),
        loadBalancer('b', {
          annotations: { 'metallb.io/allow-shared-ip': 'k', 'metallb.io/loadBalancerIPs': '192.0.2.0' },
        }),
      ],
      had: { a: '192.0.2.0' },
      says: [
        'b|error|metadata.annotations[metallb.io/loadBalancerIPs]|192.0.2.0 is in use by Service ns/a, which has the same port TCP/80: change the port or ask for another address; until then it has no address',
      ],
    },
    {
      name: 'an address of no pool, one of a Node, and one of another pool than the one asked for',
      pools: [pool('p', '192.0.2.0/30'), pool('q', '203.0.113.0/30')],
      services: [
        loadBalancer('a', ask('198.51.100.7')),
        loadBalancer('b', ask('192.0.2.0')),
        loadBalancer('c', {
          annotations: { 'metallb.io/address-pool': 'q', 'metallb.io/loadBalancerIPs': '192.0.2.1' },
        }),
      ],
      reserved: { '192.0.2.0': 'Node n' },
      says: [
        'a|error|metadata.annotations[metallb.io/loadBalancerIPs]|198.51.100.7 is in no pool: add it to an IPAddressPool, or ask for another address; until then it has no address',
        'b|error|metadata.annotations[metallb.io/loadBalancerIPs]|192.0.2.0 belongs to Node n: ask for another address; until then it has no address',
        'c|error|metadata.annotations[metallb.io/loadBalancerIPs]|192.0.2.1 belongs to the pool "p", but the pool "q" is asked for as well: remove one of the two; until then it has no address',
      ],
    },
    {
      name: 'requests that are no addresses, or of the wrong families, or twice',
      pools: [pool('p', '192.0.2.0/30')],
      services: [
        loadBalancer('a', ask('web')),
        loadBalancer('b', ask('2001:db8::1')),
        loadBalancer('c', { ...ask('192.0.2.1'), loadBalancerIp: '192.0.2.2' }),
        loadBalancer('d', { ...DUAL, ...ask('192.0.2.1') }),
        loadBalancer('e', { ipFamilyPolicy: 'RequireDualStack' }),
      ],
      says: [
        'a|error|metadata.annotations[metallb.io/loadBalancerIPs]|"web" must be an IP address, or an IPv4 and an IPv6 address with a comma between; until then it has no address',
        `b|error|metadata.annotations[metallb.io/loadBalancerIPs]|"2001:db8::1" must be one IPv4 address, as the Service's own families are; until then it has no address`,
        'c|error|metadata.annotations[metallb.io/loadBalancerIPs]|"192.0.2.1" and spec.loadBalancerIP "192.0.2.2" both ask for addresses: remove one of them; until then it has no address',
        `d|error|metadata.annotations[metallb.io/loadBalancerIPs]|"192.0.2.1" must be one IPv4 and one IPv6 address, as the Service's own families are; until then it has no address`,
        'e|error|spec.ipFamilyPolicy|is RequireDualStack, but the Service has cluster IPs of one family only: the cluster must have both; until then it has no address',
      ],
    },
    {
      name: 'a pool that does not exist',
      pools: [pool('p', '192.0.2.0/30')],
      services: [loadBalancer('a', { annotations: { 'metallb.io/address-pool': 'x' } })],
      says: [
        'a|error|metadata.annotations[metallb.io/address-pool]|there is no pool "x": make an IPAddressPool of this name, or ask for another one; until then it has no address',
      ],
    },
    {
      name: 'pools that overlap or have one name: the older has the addresses',
      pools: [
        pool('p', '192.0.2.0/30 192.0.2.8/30', { created: 2 }),
        pool('q', '192.0.2.2-192.0.2.4', { created: 1 }),
        pool('q', '203.0.113.0/30', { created: 3, namespace: 'x' }),
      ],
      services: [],
      says: [
        'p|error|spec.addresses[0]|"192.0.2.0/30" overlaps "192.0.2.2-192.0.2.4" of the older pool "q": give each address to one pool; those in both are of the older one until then',
        'q|error|metadata.name|there is a pool of this name in namespace metallb-system; this one is not used',
      ],
    },
  ];
  for (const { name, says, ...world } of cases) {
    test(name, () => assert.deepEqual(messages(run(world)), says));
  }
});
