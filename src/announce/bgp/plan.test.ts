import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bgpPeer, byKey, node as nodeObject, meta as objectMeta } from '../../../test/kit/objects.ts';
import { parseRange } from '../../model/ip-range.ts';
import { formatPrefix } from '../../model/ip-text.ts';
import { objectKey } from '../../model/keys.ts';
import type { BfdProfile, BgpAdvertisement, BgpPeer, Community, IpAddressPool } from '../../model/metallb.ts';
import type { ExposedService } from '../../model/service-address.ts';
import {
  EMPTY_SNAPSHOT,
  type EndpointSlice,
  type Node,
  type ObjectMeta,
  type Secret,
  SecretBytes,
  type Service,
} from '../../model/snapshot.ts';
import { EXCLUDE_LABEL } from '../pool-choice.ts';
import { type NodePlan, type PlanInput, type PlanSources, planNode } from './plan.ts';

const meta = (name: string, more: Partial<ObjectMeta> = {}): ObjectMeta =>
  objectMeta(name, { namespace: 'lb', ...more });
const mapOf = <T extends { readonly meta: ObjectMeta }>(...objects: T[]) => byKey(objects);
const peer = (name: string, more: Partial<BgpPeer> = {}): BgpPeer =>
  bgpPeer(name, { meta: meta(name), ...more });
const advertisement = (name: string, more: Partial<BgpAdvertisement> = {}): BgpAdvertisement => ({
  kind: 'BGPAdvertisement',
  meta: meta(name),
  aggregationLength: 32,
  aggregationLengthV6: 128,
  localPref: null,
  communities: [],
  ipAddressPools: [],
  ipAddressPoolSelectors: [],
  nodeSelectors: [],
  peers: [],
  serviceSelectors: [],
  ...more,
});
const pool = (name: string, labels: Record<string, string> = {}): IpAddressPool => ({
  kind: 'IPAddressPool',
  meta: meta(name, { labels: new Map(Object.entries(labels)) }),
  addresses: [],
  autoAssign: true,
  avoidBuggyIps: false,
  serviceAllocation: null,
  usage: null,
});
const node = (more: Partial<Node> = {}, labels: Record<string, string> = {}): Node =>
  nodeObject('node-a', {
    meta: meta('node-a', { namespace: '', labels: new Map(Object.entries(labels)) }),
    addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
    ...more,
  });
function exposed(
  name: string,
  address: string,
  more: Partial<Service> & { labels?: Record<string, string>; pool?: string | null } = {},
): ExposedService {
  const { labels = {}, pool: poolName = 'main', ...fields } = more;
  const service = {
    kind: 'Service',
    meta: meta(name, { labels: new Map(Object.entries(labels)) }),
    externalTrafficPolicy: 'Cluster',
    ...fields,
  } as Service;
  const family = address.includes(':') ? 6 : 4;
  return {
    service,
    addresses: [{ address, family, origin: 'load-balancer', pool: poolName }],
    nodePorts: false,
  };
}
const slice = (
  service: string,
  nodeName: string,
  more: { serving?: boolean; six?: boolean } = {},
): EndpointSlice => ({
  kind: 'EndpointSlice',
  meta: meta(`${service}-${nodeName}-${more.six ?? false}`),
  service: objectKey('lb', service),
  fromEndpoints: false,
  addressType: more.six ? 'IPv6' : 'IPv4',
  ports: [],
  endpoints: [
    {
      addresses: ['10.0.0.1'],
      ready: more.serving ?? true,
      serving: more.serving ?? true,
      terminating: false,
      nodeName,
      zone: null,
      targetUid: null,
    },
  ],
});

const NO_SOURCES: PlanSources = EMPTY_SNAPSHOT;
function plan(
  sources: Partial<PlanSources>,
  services: ExposedService[],
  more: Partial<PlanInput> = {},
): NodePlan {
  return planNode({
    sources: {
      ...NO_SOURCES,
      bgpPeers: mapOf(peer('router')),
      bgpAdvertisements: mapOf(advertisement('all')),
      ipAddressPools: mapOf(pool('main')),
      ...sources,
    },
    node: node(),
    services,
    namespace: null,
    ignoreExcludeLabel: false,
    ...more,
  });
}
const routes = ({ routes }: NodePlan, name = 'router') =>
  (routes.get(name) ?? []).map(({ prefix }) => formatPrefix(prefix));
const WEB = exposed('web', '203.0.113.7');
const verdict = (made: NodePlan, name = 'web') => made.services.get(objectKey('lb', name))?.verdict;
const ONE_ENDPOINT = mapOf(slice('web', 'node-b'));

describe('what is announced', () => {
  test('the address of a Service with an endpoint, to every peer', () => {
    const made = plan({ endpointSlices: ONE_ENDPOINT }, [WEB]);
    assert.deepEqual(routes(made), ['203.0.113.7/32']);
    assert.deepEqual(made.services.get(objectKey('lb', 'web')), { verdict: 'announced', peers: ['router'] });
    assert.deepEqual(made.problems, []);
  });
  test('not the addresses of others', () => {
    const made = plan({ endpointSlices: ONE_ENDPOINT }, [exposed('web', '203.0.113.7', { pool: null })]);
    assert.deepEqual(routes(made), []);
    assert.equal(verdict(made), undefined);
  });

  const LOCAL = exposed('web', '203.0.113.7', { externalTrafficPolicy: 'Local' });
  const why: readonly (readonly [string, string, Partial<PlanSources>, ExposedService, Node])[] = [
    ['no endpoint at all', 'noEndpoints', {}, WEB, node()],
    [
      'only endpoints that do not serve',
      'noEndpoints',
      { endpointSlices: mapOf(slice('web', 'node-a', { serving: false })) },
      WEB,
      node(),
    ],
    [
      'only endpoints of the other family',
      'noEndpoints',
      { endpointSlices: mapOf(slice('web', 'node-a', { six: true })) },
      WEB,
      node(),
    ],
    [
      'policy Local and endpoints elsewhere',
      'noLocalEndpoints',
      { endpointSlices: ONE_ENDPOINT },
      LOCAL,
      node(),
    ],
    [
      'policy Local and an endpoint here',
      'announced',
      { endpointSlices: mapOf(slice('web', 'node-a')) },
      LOCAL,
      node(),
    ],
    [
      'an excluded node',
      'nodeLabeledExcludeBalancers',
      { endpointSlices: ONE_ENDPOINT },
      WEB,
      node({}, { [EXCLUDE_LABEL]: '' }),
    ],
    [
      'a node without network',
      'nodeNetworkUnavailable',
      { endpointSlices: ONE_ENDPOINT },
      WEB,
      node({ networkUnavailable: true }),
    ],
    [
      'no advertisement',
      'noMatchingAdvertisement',
      { endpointSlices: ONE_ENDPOINT, bgpAdvertisements: new Map() },
      WEB,
      node(),
    ],
    [
      'an advertisement for another pool',
      'noMatchingAdvertisement',
      {
        endpointSlices: ONE_ENDPOINT,
        bgpAdvertisements: mapOf(advertisement('a', { ipAddressPools: ['other'] })),
      },
      WEB,
      node(),
    ],
    [
      'an advertisement for other Services',
      'noMatchingAdvertisement',
      {
        endpointSlices: ONE_ENDPOINT,
        bgpAdvertisements: mapOf(
          advertisement('a', { serviceSelectors: [[{ key: 'x', operator: 'Exists' }]] }),
        ),
      },
      WEB,
      node(),
    ],
    [
      'an advertisement for other nodes',
      'noMatchingAdvertisement',
      {
        endpointSlices: ONE_ENDPOINT,
        bgpAdvertisements: mapOf(advertisement('a', { nodeSelectors: [[{ key: 'x', operator: 'Exists' }]] })),
      },
      WEB,
      node(),
    ],
    ['no session on this node', 'noPeer', { endpointSlices: ONE_ENDPOINT, bgpPeers: new Map() }, WEB, node()],
  ];
  for (const [what, expected, sources, service, here] of why)
    test(`${what}: ${expected}`, () => {
      const made = plan(sources, [service], { node: here });
      assert.equal(verdict(made), expected);
      assert.equal(routes(made).length, expected === 'announced' ? 1 : 0);
    });
  test('the exclude label can be ignored', () => {
    const made = plan({ endpointSlices: ONE_ENDPOINT }, [WEB], {
      node: node({}, { [EXCLUDE_LABEL]: '' }),
      ignoreExcludeLabel: true,
    });
    assert.equal(verdict(made), 'announced');
  });
  test('pools by label, and peers by name', () => {
    const made = plan(
      {
        endpointSlices: ONE_ENDPOINT,
        ipAddressPools: mapOf(pool('main', { zone: 'a' })),
        bgpPeers: mapOf(peer('left'), peer('right', { peer: { kind: 'address', address: '192.0.2.253' } })),
        bgpAdvertisements: mapOf(
          advertisement('a', {
            peers: ['right'],
            ipAddressPoolSelectors: [[{ key: 'zone', operator: 'In', values: ['a'] }]],
          }),
        ),
      },
      [WEB],
    );
    assert.deepEqual(routes(made, 'left'), []);
    assert.deepEqual(routes(made, 'right'), ['203.0.113.7/32']);
  });
});

describe('what a route looks like', () => {
  const withEndpoints = mapOf(
    slice('web', 'node-a'),
    slice('api', 'node-a'),
    slice('six', 'node-a', { six: true }),
  );
  test('aggregated prefixes of several Services are one', () => {
    const made = plan(
      {
        endpointSlices: withEndpoints,
        bgpAdvertisements: mapOf(advertisement('a', { aggregationLength: 24, aggregationLengthV6: 64 })),
      },
      [WEB, exposed('api', '203.0.113.9'), exposed('six', '2001:db8:0:1::9')],
    );
    assert.deepEqual(routes(made), ['203.0.113.0/24', '2001:db8:0:1::/64']);
  });
  test('an aggregate is never larger than what the pool has: it would draw traffic of others here', () => {
    const ranges = ['203.0.113.0/28', '198.51.100.8-198.51.100.20', '2001:db8::/64'];
    const addresses = ranges.map((text) => ({ ...parseRange(text)!, text }));
    const made = plan(
      {
        endpointSlices: withEndpoints,
        ipAddressPools: mapOf({ ...pool('main'), addresses }),
        bgpAdvertisements: mapOf(advertisement('a', { aggregationLength: 24, aggregationLengthV6: 48 })),
      },
      [WEB, exposed('api', '198.51.100.9'), exposed('six', '2001:db8::9')],
    );
    // The second range is no prefix; the largest that lies in it is 198.51.100.8/29.
    assert.deepEqual(routes(made), ['203.0.113.0/28', '198.51.100.8/29', '2001:db8::/64']);
    assert.deepEqual(
      made.problems.map(({ field, object }) => [field, object?.name]),
      [
        ['spec.aggregationLength', 'a'],
        ['spec.aggregationLength', 'a'],
        ['spec.aggregationLengthV6', 'a'],
      ],
    );
  });
  test('equal prefixes are merged: communities united, the first preference kept, a different one reported', () => {
    const made = plan(
      {
        endpointSlices: withEndpoints,
        communities: mapOf<Community>({
          kind: 'Community',
          meta: meta('names'),
          communities: [{ name: 'no-export', value: { kind: 'standard', value: 0xffffff01 } }],
        }),
        bgpAdvertisements: mapOf(
          advertisement('a', { communities: ['64512:2', 'no-export'], localPref: 200 }),
          advertisement('b', { communities: ['64512:1', 'large:1:2:3', '64512:2'], localPref: 300 }),
        ),
      },
      [WEB],
    );
    const [route] = made.routes.get('router')!;
    assert.deepEqual(route?.communities, [0xfc000001, 0xfc000002, 0xffffff01]);
    assert.deepEqual(route?.largeCommunities, [[1, 2, 3]]);
    assert.equal(route?.localPref, 200);
    assert.deepEqual(
      made.problems.map(({ reason, field, object }) => [reason, field, object?.name]),
      [['Conflict', 'spec.localPref', 'b']],
    );
  });
  test('a community that is none and a peer that is none are told by name, the rest works', () => {
    const made = plan(
      {
        endpointSlices: withEndpoints,
        bgpAdvertisements: mapOf(
          advertisement('a', { communities: ['nope', '1:2'] }),
          advertisement('b', { peers: ['gone'] }),
        ),
      },
      [WEB],
    );
    assert.deepEqual(
      made.problems.map(({ severity, field }) => `${severity} ${field}`),
      ['error spec.communities[0]', 'warning spec.peers[0]'],
    );
    assert.deepEqual(made.routes.get('router')?.[0]?.communities, [0x10002]);
  });
});

describe('sessions', () => {
  const sessions = (sources: Partial<PlanSources>, more: Partial<PlanInput> = {}) => plan(sources, [], more);
  test('defaults: 90 s, the family of the address, the identifier from the node', () => {
    const [only] = sessions({}).peers;
    assert.equal(only?.holdSeconds, 90);
    assert.deepEqual(only?.families, ['ipv4']);
    assert.equal(only?.routerId, 0xc0000201);
    assert.equal(only?.hops, 1);
    assert.equal(only?.ttlSecurity, false);
  });
  test('a node without IPv4 address still has an identifier, always the same', () => {
    const six = node({ addresses: [{ type: 'InternalIP', address: '2001:db8::1' }] });
    const [first] = sessions({}, { node: six }).peers;
    const [second] = sessions({}, { node: six }).peers;
    assert.notEqual(first?.routerId, 0);
    assert.equal(first?.routerId, second?.routerId);
  });
  test('only on the nodes that are selected', () => {
    const selective = peer('router', { nodeSelectors: [[{ key: 'rack', operator: 'In', values: ['1'] }]] });
    assert.equal(sessions({ bgpPeers: mapOf(selective) }).peers.length, 0);
    assert.equal(sessions({ bgpPeers: mapOf(selective) }, { node: node({}, { rack: '1' }) }).peers.length, 1);
  });
  test('only of the namespace that is looked at', () => {
    assert.equal(sessions({}, { namespace: 'elsewhere' }).peers.length, 0);
  });
  const secret = (type: string, password: string): Secret => ({
    kind: 'Secret',
    meta: meta('md5'),
    type,
    data: new Map([['password', new SecretBytes(Buffer.from(password))]]),
  });
  test('a password from its Secret; without it there is no session, and no secret in what is said', () => {
    const protectedPeer = peer('router', { passwordSecret: { namespace: 'lb', name: 'md5' } });
    const bgpPeers = mapOf(protectedPeer);
    const good = sessions({ bgpPeers, secrets: mapOf(secret('kubernetes.io/basic-auth', 'hush')) });
    assert.equal(good.peers[0]?.password, 'hush');
    const missing = sessions({ bgpPeers });
    assert.deepEqual([missing.peers.length, missing.problems[0]?.reason], [0, 'SecretNotFound']);
    const wrong = sessions({ bgpPeers, secrets: mapOf(secret('Opaque', 'hush')) });
    assert.deepEqual([wrong.peers.length, wrong.problems[0]?.reason], [0, 'InvalidSecret']);
    assert.ok(!JSON.stringify(wrong.problems).includes('hush'));
  });
  test('BFD from its profile; a missing profile costs BFD, not the session', () => {
    const bgpPeers = mapOf(peer('router', { bfdProfile: 'fast' }));
    const profile: BfdProfile = {
      kind: 'BFDProfile',
      meta: meta('fast'),
      receiveIntervalMs: 100,
      transmitIntervalMs: 150,
      detectMultiplier: 3,
      echoIntervalMs: 50,
      echoMode: false,
      passiveMode: false,
      minimumTtl: 254,
    };
    const good = sessions({ bgpPeers, bfdProfiles: mapOf(profile) });
    assert.deepEqual(good.peers[0]?.bfd, {
      transmitMs: 150,
      receiveMs: 100,
      multiplier: 3,
      passive: false,
      minimumTtl: 254,
    });
    const missing = sessions({ bgpPeers });
    assert.equal(missing.peers[0]?.bfd, null);
    assert.equal(missing.problems[0]?.field, 'spec.bfdProfile');
  });
  test('an IPv6 session for both families offers IPv6 next hops for IPv4 (RFC 8950)', () => {
    const six = peer('router', {
      peer: { kind: 'address', address: '2001:db8::fe' },
      dualStackAddressFamily: true,
    });
    const [only] = sessions({ bgpPeers: mapOf(six) }).peers;
    assert.deepEqual([only?.families, only?.extendedNextHop], [['ipv4', 'ipv6'], true]);
  });
  test('annotations of ours: passive, TTL security', () => {
    const annotations = new Map([
      ['tidegate.io/passive', 'true'],
      ['tidegate.io/ttl-security-hops', '2'],
    ]);
    const [only] = sessions({
      bgpPeers: mapOf(peer('router', { meta: meta('router', { annotations }) })),
    }).peers;
    assert.deepEqual([only?.passive, only?.ttlSecurity, only?.hops], [true, true, 2]);
  });
  test('two objects for one router: the first by name has it', () => {
    const made = sessions({ bgpPeers: mapOf(peer('b'), peer('a')) });
    assert.deepEqual(
      made.peers.map(({ name }) => name),
      ['a'],
    );
    assert.deepEqual([made.problems[0]?.reason, made.problems[0]?.object?.name], ['Conflict', 'b']);
  });
  test('peering by interface is refused with a way out', () => {
    const made = sessions({ bgpPeers: mapOf(peer('router', { peer: { kind: 'interface', name: 'eth0' } })) });
    assert.equal(made.peers.length, 0);
    assert.match(made.problems[0]?.message ?? '', /spec\.peerAddress/);
  });
});
