/** The kinds of metallb.io, and what Services and Nodes say about load balancing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bgpPeer } from '../../../test/kit/objects.ts';
import type { Kind, KindMaps } from '../../model/snapshot.ts';
import { decodeObject } from './all.ts';

type Json = Record<string, unknown>;

const VERSIONS: Record<string, string> = { Service: 'v1', Node: 'v1', BGPPeer: 'metallb.io/v1beta2' };

function object(kind: string, spec: Json, more: Json = {}): Json {
  const apiVersion = VERSIONS[kind] ?? 'metallb.io/v1beta1';
  return { apiVersion, kind, metadata: { name: 'x', namespace: 'metallb-system' }, spec, ...more };
}

function decodeOne<K extends Kind>(kind: K, spec: Json, more: Json = {}): KindMaps[K] {
  const decoded = decodeObject(object(kind, spec, more), null);
  if (decoded.kind !== 'decoded') assert.fail(JSON.stringify(decoded));
  const [record] = decoded.records;
  assert.equal(record?.kind, kind);
  return record as KindMaps[K];
}

function issues(value: unknown): string[] {
  const decoded = decodeObject(value, null);
  return decoded.kind === 'invalid' ? decoded.issues.map(({ field, message }) => `${field} ${message}`) : [];
}

const { meta: _, ...pool } = decodeOne('IPAddressPool', { addresses: ['192.0.2.77/24'] });
const peer = { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.254' };

describe('what is accepted', () => {
  test('a pool, with the defaults of MetalLB; host bits of a prefix do not count', () => {
    assert.deepEqual(pool, {
      kind: 'IPAddressPool',
      addresses: [{ family: 4, first: 0xc0000200n, last: 0xc00002ffn, text: '192.0.2.77/24' }],
      autoAssign: true,
      avoidBuggyIps: false,
      serviceAllocation: null,
      usage: null,
    });
  });

  test('a pool, whole', () => {
    const { addresses, serviceAllocation, usage } = decodeOne(
      'IPAddressPool',
      {
        addresses: ['192.0.2.1 - 192.0.2.9', '2001:db8::/64'],
        serviceAllocation: {
          priority: 10,
          namespaces: ['a'],
          namespaceSelectors: [{ matchLabels: { team: 'a' } }],
          serviceSelectors: [{ matchExpressions: [{ key: 'public', operator: 'Exists' }] }, {}],
        },
      },
      {
        status: {
          assignedIPv4: 1,
          assignedIPv6: 0,
          availableIPv4: 8,
          availableIPv6: 2 ** 63,
        },
      },
    );
    assert.deepEqual(
      addresses.map(({ first, last }) => last - first + 1n),
      [9n, 1n << 64n],
    );
    assert.deepEqual(serviceAllocation, {
      priority: 10,
      namespaces: ['a'],
      namespaceSelectors: [[{ key: 'team', operator: 'In', values: ['a'] }]],
      serviceSelectors: [[{ key: 'public', operator: 'Exists' }], []],
    });
    assert.equal(usage?.availableIPv6, Number.MAX_SAFE_INTEGER);
  });

  test('advertisements without a specification are about everything', () => {
    const { meta: _l2, ...l2 } = decodeOne('L2Advertisement', {});
    const all = { ipAddressPools: [], ipAddressPoolSelectors: [], nodeSelectors: [], serviceSelectors: [] };
    assert.deepEqual(l2, { kind: 'L2Advertisement', ...all, interfaces: [], preferredNodeSelectors: [] });
    const { meta: _bgp, ...bgp } = decodeOne('BGPAdvertisement', {});
    assert.deepEqual(bgp, {
      kind: 'BGPAdvertisement',
      ...all,
      aggregationLength: 32,
      aggregationLengthV6: 128,
      localPref: null,
      communities: [],
      peers: [],
    });
  });

  test('a BGP peer, with its defaults and in both versions', () => {
    const decoded = decodeOne('BGPPeer', peer);
    assert.deepEqual(decoded, bgpPeer('peer', { meta: decoded.meta }));
    const old = decodeOne(
      'BGPPeer',
      { ...peer, holdTime: '0s', keepaliveTime: '0s' },
      { apiVersion: 'metallb.io/v1beta1' },
    );
    assert.deepEqual([old.holdTimeSeconds, old.keepaliveSeconds], [null, null]);
  });

  const times: readonly [spec: Json, hold: number | null, keepalive: number | null][] = [
    [{ holdTime: '90s' }, 90, 30],
    [{ keepaliveTime: '1m' }, 180, 60],
    [{ holdTime: '3.9s', keepaliveTime: '1s' }, 3, 1],
    [{ holdTime: '0s' }, 0, 0],
    [{ holdTime: '1m30s', keepaliveTime: '10000ms' }, 90, 10],
  ];
  for (const [spec, hold, keepalive] of times) {
    test(`times of a BGP peer: ${JSON.stringify(spec)}`, () => {
      const decoded = decodeOne('BGPPeer', { ...peer, ...spec });
      assert.deepEqual([decoded.holdTimeSeconds, decoded.keepaliveSeconds], [hold, keepalive]);
    });
  }

  test('a password is never printed', () => {
    const { password } = decodeOne('BGPPeer', { ...peer, password: 'hunter2' });
    assert.equal(JSON.stringify({ password }), '{"password":"[redacted]"}');
    assert.equal(Buffer.from(password!.reveal()).toString(), 'hunter2');
  });

  test('communities and BFD profiles', () => {
    const { communities } = decodeOne('Community', {
      communities: [
        { name: 'no-export', value: '65535:65281' },
        { name: 'big', value: 'large:4294967295:1:2' },
      ],
    });
    assert.deepEqual(communities, [
      { name: 'no-export', value: { kind: 'standard', value: 0xffff_ff01 } },
      { name: 'big', value: { kind: 'large', global: 4_294_967_295, local1: 1, local2: 2 } },
    ]);
    const { receiveIntervalMs, detectMultiplier, minimumTtl } = decodeOne('BFDProfile', {
      receiveInterval: 100,
    });
    assert.deepEqual([receiveIntervalMs, detectMultiplier, minimumTtl], [100, 3, 254]);
  });

  test('a Service, with what load balancing needs of it', () => {
    const service = decodeOne(
      'Service',
      {
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.1', 'FD00:0::1'],
        clusterIP: '10.96.0.1',
        externalIPs: ['192.0.2.9'],
        ipFamilyPolicy: 'PreferDualStack',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: 30_001,
        loadBalancerClass: 'example.com/lb',
        loadBalancerIP: '192.0.2.1',
        loadBalancerSourceRanges: ['10.0.0.0/8 '],
        allocateLoadBalancerNodePorts: false,
        selector: { b: '2', a: '1' },
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
        ports: [{ port: 80, nodePort: 30_080 }],
      },
      {
        status: {
          loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }, { hostname: 'lb.example.com' }] },
          conditions: [
            { type: 'example.com/Other', status: 'True' },
            {
              type: 'tidegate.io/AddressAllocated',
              status: 'False',
              reason: 'NoPool',
              message: '',
              lastTransitionTime: '2026-07-16T12:00:00Z',
            },
          ],
        },
      },
    );
    assert.deepEqual(service.clusterIps, ['10.96.0.1', 'fd00::1']);
    assert.equal(service.selector, 'a=1,b=2');
    assert.equal(service.affinitySeconds, 60);
    assert.equal(service.ports[0]?.nodePort, 30_080);
    assert.deepEqual(service.loadBalancerSourceRanges, ['10.0.0.0/8']);
    assert.deepEqual(service.loadBalancer, [
      { ip: '192.0.2.1', hostname: '', ipMode: 'VIP' },
      { ip: '', hostname: 'lb.example.com', ipMode: null },
    ]);
    assert.deepEqual(
      service.conditions.map(({ type, status, reason }) => [type, status, reason]),
      [['tidegate.io/AddressAllocated', 'False', 'NoPool']],
    );
  });

  test('a Node', () => {
    const node = decodeOne(
      'Node',
      { podCIDR: '10.42.0.0/24', unschedulable: true, taints: [{ key: 'a', effect: 'NoSchedule' }] },
      {
        status: {
          addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
          conditions: [
            { type: 'Ready', status: 'True' },
            { type: 'NetworkUnavailable', status: 'False' },
          ],
        },
      },
    );
    const { meta: _node, ...rest } = node;
    assert.deepEqual(rest, {
      kind: 'Node',
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      ready: true,
      networkUnavailable: false,
      unschedulable: true,
      taints: [{ key: 'a', value: '', effect: 'NoSchedule' }],
      podCidrs: ['10.42.0.0/24'],
    });
  });
});

describe('what is refused', () => {
  const cases: readonly [name: string, value: Json, expected: readonly string[]][] = [
    [
      'addresses of a pool that are none, or overlap',
      object('IPAddressPool', {
        addresses: ['192.0.2.1', 'web', '192.0.2.9-192.0.2.1', '192.0.2.0/24', '192.0.2.7-192.0.3.1'],
      }),
      [
        'spec.addresses[0] must be a prefix or a range; for this one address write "192.0.2.1/32", not "192.0.2.1"',
        'spec.addresses[1] must be a prefix like "192.0.2.0/28", or a range "first-last" of one family with the lower address first, not "web"',
        'spec.addresses[2] must be a prefix like "192.0.2.0/28", or a range "first-last" of one family with the lower address first, not "192.0.2.9-192.0.2.1"',
        'spec.addresses[4] "192.0.2.7-192.0.3.1" overlaps "192.0.2.0/24" above',
      ],
    ],
    [
      'a pool without addresses',
      object('IPAddressPool', {}),
      ['spec.addresses is required, a list with at least one range'],
    ],
    [
      'names and selectors that are there twice, whatever their order',
      object('L2Advertisement', {
        ipAddressPools: ['a', 'a'],
        nodeSelectors: [
          { matchExpressions: [{ key: 'a', operator: 'In', values: ['x', 'y'] }] },
          { matchExpressions: [{ key: 'a', operator: 'In', values: ['y', 'x'] }] },
        ],
      }),
      [
        'spec.ipAddressPools[1] is there twice: remove one',
        'spec.nodeSelectors[1] is there twice: remove one',
      ],
    ],
    [
      'selectors that say nothing',
      object('L2Advertisement', {
        nodeSelectors: [
          {
            matchExpressions: [
              { key: 'a', operator: 'In' },
              { key: 'b', operator: 'Exists', values: ['x'] },
              { key: 'c', operator: 'Like' },
            ],
          },
        ],
        preferredNodeSelectors: [{ weight: 101, preference: {} }],
      }),
      [
        'spec.nodeSelectors[0].matchExpressions[0].values is required with operator In, at least one value',
        'spec.nodeSelectors[0].matchExpressions[1].values must be empty with operator Exists',
        'spec.nodeSelectors[0].matchExpressions[2].operator must be one of In, NotIn, Exists, DoesNotExist, not "Like"',
        'spec.nodeSelectors[0].matchExpressions[2].values is required with operator In, at least one value',
        'spec.preferredNodeSelectors[0].weight must be a whole number from 1 to 100, not the number 101',
      ],
    ],
    [
      'a BGP advertisement of aggregates for some Services, and communities out of range',
      object('BGPAdvertisement', {
        aggregationLength: 24,
        serviceSelectors: [{}],
        communities: ['65536:1', 'large:1:2:4294967296', 'name'],
      }),
      [
        'spec.aggregationLength must be the whole length (32, 128) when there are serviceSelectors',
        'spec.communities[0] must be a community with numbers up to 65535 (in large: ones up to 4294967295), not "65536:1"',
        'spec.communities[1] must be a community with numbers up to 65535 (in large: ones up to 4294967295), not "large:1:2:4294967296"',
      ],
    ],
    [
      'a BGP peer with nobody to talk to, or two',
      object('BGPPeer', { myASN: 0 }),
      [
        'spec.myASN must be a whole number from 1 to 4294967295, not the number 0',
        'spec.peerASN is required when there is no dynamicASN',
        'spec.peerAddress is required when there is no interface',
      ],
    ],
    [
      'a BGP peer whose fields contradict each other',
      object('BGPPeer', {
        ...peer,
        dynamicASN: 'internal',
        interface: 'eth0',
        ebgpMultiHop: true,
        holdTime: '2s',
        keepaliveTime: '9s',
        connectTime: '0s',
        routerID: '::1',
        password: 'hunter2',
        passwordSecret: { name: 'x' },
      }),
      [
        'spec.dynamicASN must not be given together with peerASN',
        'spec.ebgpMultiHop must not be true for a peer of the same AS',
        'spec.interface must not be given together with peerAddress',
        'spec.holdTime must be 0s or from 3s to 65535s, not "2s"',
        'spec.keepaliveTime must not be longer than holdTime',
        'spec.connectTime must be from 1s to 65535s, not "0s"',
        'spec.routerID must be an IPv4 address, not 0.0.0.0, not "::1"',
        'spec.passwordSecret must not be given together with password',
      ],
    ],
    [
      'a password that is too long, without quoting it',
      object('BGPPeer', { ...peer, password: 'x'.repeat(81) }),
      ['spec.password has 81 characters, more than the 80 that are allowed'],
    ],
    [
      'communities that are none',
      object('Community', {
        communities: [
          { name: 'a', value: 'b' },
          { name: 'a', value: '1:99999' },
        ],
      }),
      [
        'spec.communities[0].value must be a community like "64512:100" (numbers up to 65535) or "large:64512:1:2" (up to 4294967295), not "b"',
        'spec.communities[1].value must be a community like "64512:100" (numbers up to 65535) or "large:64512:1:2" (up to 4294967295), not "1:99999"',
        'spec.communities[1].name is there twice: remove one',
      ],
    ],
    [
      'another version',
      object('BGPPeer', peer, { apiVersion: 'metallb.io/v1' }),
      ['apiVersion must be metallb.io/v1beta2 or metallb.io/v1beta1 for kind BGPPeer, not "metallb.io/v1"'],
    ],
  ];
  for (const [name, value, expected] of cases) {
    test(name, () => assert.deepEqual(issues(value), expected));
  }
});
