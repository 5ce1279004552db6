/** `tidegate speaker` as its users meet it: manifests in, routes in a router. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KubeObject, makeManifestFolder } from '../kit/manifests.ts';
import { eventually, type Scope } from '../kit/waiting.ts';
import { Announcer } from './kit/announcer.ts';
import { Frr } from './kit/frr.ts';
import { cannotRun, link, Namespace } from './kit/namespaces.ts';

const skip = cannotRun('ip', 'sysctl', 'vtysh');

const METALLB = 'metallb.io/v1beta1';

function metallb(kind: string, name: string, spec: object, apiVersion = METALLB): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace: 'metallb-system' }, spec };
}

function loadBalancer(name: string, endpoints: readonly object[], spec: object = {}): KubeObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { type: 'LoadBalancer', selector: { app: name }, ports: [{ port: 80 }], ...spec },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port: 8080, protocol: 'TCP' }],
      endpoints,
    },
  ];
}

const endpoint = (address: string, nodeName: string, ready = true) => ({
  addresses: [address],
  nodeName,
  conditions: { ready },
});

const pool = metallb('IPAddressPool', 'public', { addresses: ['203.0.113.0/24'] });
const advertisement = metallb('BGPAdvertisement', 'all', {});
const peer = (spec: object = {}) =>
  metallb(
    'BGPPeer',
    'router',
    { myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.254', ...spec },
    'metallb.io/v1beta2',
  );

const bgp = (neighbours: readonly string[], lines: readonly string[] = []) =>
  [
    'router bgp 64513',
    ' bgp router-id 192.0.2.254',
    ' no bgp ebgp-requires-policy',
    ' bgp bestpath as-path multipath-relax',
    ...neighbours.flatMap((address) => [
      ` neighbor ${address} remote-as 64512`,
      ` neighbor ${address} timers connect 1`,
    ]),
    ...lines,
    '',
  ].join('\n');

/** A router with a speaker on each of its cables. */
async function routed(t: Scope, config: string) {
  const router = await Namespace.make(t, 'router');
  const node = await Namespace.make(t, 'node');
  await link(
    { in: node, name: 'eth0', addresses: ['192.0.2.1/24'] },
    { in: router, name: 'eth0', addresses: ['192.0.2.254/24'] },
  );
  const frr = await Frr.start(t, router, config);
  const folder = await makeManifestFolder(t);
  return { router, node, frr, folder };
}

describe('the command speaker', { skip }, () => {
  test('announces what the manifests say, and says so', async (t) => {
    const { router, node, frr, folder } = await routed(t, bgp(['192.0.2.1']));
    await folder.write('all.yaml', [
      pool,
      advertisement,
      peer(),
      ...loadBalancer('web', [endpoint('10.0.0.1', 'node-a')]),
    ]);
    const speaker = await Announcer.start(t, node, { folder: folder.path, node: 'node-a' });
    await speaker.logged('bgp-session-up');
    await eventually(async () =>
      assert.match(await router.run('ip', 'route', 'show', '203.0.113.0'), /via 192\.0\.2\.1/),
    );
    const { addresses, peers, routes } = await speaker.report();
    assert.deepEqual(
      addresses.map(({ service, address, bgp }) => [service, address, bgp.verdict]),
      [['default/web', '203.0.113.0', 'announced']],
    );
    assert.deepEqual(
      peers.map(({ name, state }) => [name, state]),
      [['router', 'Established']],
    );
    assert.deepEqual(
      routes.map(({ prefix }) => prefix),
      ['203.0.113.0/32'],
    );
    assert.match(await speaker.status(), /203\.0\.113\.0 +default\/web +public +announced +router/);
    await speaker.end('SIGTERM');
    const { lastShutdownDescription } = await frr.neighbour('192.0.2.1');
    assert.equal(lastShutdownDescription, 'the speaker was told to stop');
  });
});
