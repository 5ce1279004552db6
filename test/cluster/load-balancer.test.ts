/** Our definitions of MetalLB's kinds, and the status of Services, with a real API server. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { KubeObject } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { asList } from './kit/kubectl.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { startReplica } from './kit/tidegate.ts';

const prepared = prepareCluster();
const CRDS = join(import.meta.dirname, '../../deploy/crds');

function metallb(kind: string, name: string, spec: object, version = 'v1beta1'): KubeObject {
  const metadata = { name, namespace: 'metallb-system' };
  return { apiVersion: `metallb.io/${version}`, kind, metadata, spec };
}

function balancer(name: string, spec: object = {}): KubeObject {
  const ports = [{ port: 80 }];
  const loadBalancerClass = 'tidegate.io/load-balancer';
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', loadBalancerClass, ports, ...spec },
  };
}

const selector = { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['d'] }] };
const peer = { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.254' };

const ACCEPTED: readonly KubeObject[] = [
  metallb('IPAddressPool', 'all', {
    addresses: ['203.0.113.0/24', '198.51.100.1 - 198.51.100.9', '2001:db8::/64'],
    autoAssign: false,
    avoidBuggyIPs: true,
    serviceAllocation: {
      priority: 1,
      namespaces: ['a'],
      namespaceSelectors: [selector],
      serviceSelectors: [{}],
    },
  }),
  metallb('L2Advertisement', 'all', {
    ipAddressPools: ['all'],
    ipAddressPoolSelectors: [selector],
    nodeSelectors: [selector],
    interfaces: ['eth0'],
    preferredNodeSelectors: [{ weight: 100, preference: {} }],
  }),
  metallb('L2Advertisement', 'empty', {}),
  metallb('BGPAdvertisement', 'all', {
    aggregationLength: 24,
    aggregationLengthV6: 64,
    localPref: 4_294_967_295,
    communities: ['64512:1', 'large:64512:1:2', 'name'],
    peers: ['p'],
  }),
  metallb('BGPAdvertisement', 'selecting', { serviceSelectors: [selector] }),
  metallb(
    'BGPPeer',
    'new',
    { ...peer, peerPort: 20_000, holdTime: '90s', keepaliveTime: '30s', routerID: '10.0.0.1' },
    'v1beta2',
  ),
  metallb('BGPPeer', 'unnumbered', { myASN: 64512, dynamicASN: 'external', interface: 'eth0' }, 'v1beta2'),
  metallb('BGPPeer', 'old', peer),
  metallb('Community', 'all', { communities: [{ name: 'name', value: '65535:65281' }] }),
  metallb('BFDProfile', 'all', { receiveInterval: 100, detectMultiplier: 3, minimumTtl: 254 }),
];

const REFUSED: readonly (readonly [why: string, object: KubeObject])[] = [
  ['a pool without addresses', metallb('IPAddressPool', 'x', { addresses: [] })],
  ['a single address', metallb('IPAddressPool', 'x', { addresses: ['192.0.2.1'] })],
  [
    'a weight of 0',
    metallb('L2Advertisement', 'x', { preferredNodeSelectors: [{ weight: 0, preference: {} }] }),
  ],
  [
    'service selectors of aggregates',
    metallb('BGPAdvertisement', 'x', { aggregationLength: 24, serviceSelectors: [selector] }),
  ],
  ['a peer without AS', metallb('BGPPeer', 'x', { myASN: 1, peerAddress: '192.0.2.1' }, 'v1beta2')],
  ['a peer with two ends', metallb('BGPPeer', 'x', { ...peer, interface: 'eth0' }, 'v1beta2')],
  ['a community that is none', metallb('Community', 'x', { communities: [{ name: 'a', value: 'b' }] })],
  ['a BFD interval of 1 ms', metallb('BFDProfile', 'x', { receiveInterval: 1 })],
];

describe('load balancing by kubectl', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    await cluster.kubectl.run(['apply', '-f', CRDS]);
    await cluster.kubectl.run(['wait', '--for=condition=Established', '--timeout=60s', '-f', CRDS]);
    await cluster.kubectl.run(['create', 'namespace', 'metallb-system']);
  });

  test('our definitions take what MetalLB takes', async () => {
    await cluster.kubectl.apply(...ACCEPTED);
    const old = (await cluster.kubectl.get('bgppeers.v1beta2.metallb.io', 'old', '-n', 'metallb-system')) as {
      readonly spec: object;
    };
    assert.deepEqual(old.spec, { ...peer, peerPort: 179 });
    await cluster.kubectl.delete(...ACCEPTED);
  });

  for (const [why, object] of REFUSED) {
    test(`our definitions refuse ${why}`, async () => {
      const { code, stderr } = await cluster.kubectl.try(['create', '-f', '-'], asList([object]));
      assert.equal(code, 1);
      assert.match(stderr, /is invalid/);
    });
  }

  test('a Service gets its address, and kubectl can wait for it', async () => {
    await cluster.kubectl.apply(
      metallb('IPAddressPool', 'p', { addresses: ['192.0.2.10-192.0.2.11'] }),
      balancer('web'),
      balancer('named', { loadBalancerIP: '192.0.2.10' }),
    );
    await startReplica(scope, cluster, { args: ['--https', 'off', '--leader-election', 'off'] });
    const wait = ['wait', '--for=condition=tidegate.io/AddressAllocated', '--timeout=60s', 'service/web'];
    await cluster.kubectl.run(wait);
    const web = (await cluster.kubectl.get('service', 'web')) as {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly status: { readonly loadBalancer: object; readonly conditions: readonly { reason: string }[] };
    };
    assert.deepEqual(web.status.loadBalancer, { ingress: [{ ip: '192.0.2.11', ipMode: 'VIP' }] });
    assert.equal(web.status.conditions[0]?.reason, 'Allocated');
    await eventually(async () => {
      const table = await cluster.kubectl.run(['get', 'service', 'named', '--no-headers']);
      assert.match(table, /192\.0\.2\.10/);
    });
  });

  test('what is wrong is an Event that kubectl describe shows, until there is an address', async () => {
    await cluster.kubectl.apply(balancer('late'));
    await eventually(async () => {
      const text = await cluster.kubectl.run(['describe', 'service', 'late']);
      assert.match(
        text,
        /PoolExhausted.*the pool "p" has no free address \(IPv4\): add addresses to a pool/s,
      );
    });
    await cluster.kubectl.apply(metallb('IPAddressPool', 'q', { addresses: ['198.51.100.7/32'] }));
    await cluster.kubectl.run([
      ...['wait', '--for=jsonpath={.status.loadBalancer.ingress[0].ip}=198.51.100.7'],
      ...['--timeout=60s', 'service/late'],
    ]);
  });
});
