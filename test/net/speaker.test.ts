/** `tidegate speaker` as its users meet it: manifests in, routes in a router, answers on a link. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type KubeObject, type ManifestFolder, makeManifestFolder } from '../kit/manifests.ts';
import { eventually, type Scope } from '../kit/waiting.ts';
import { Announcer } from './kit/announcer.ts';
import { Frr } from './kit/frr.ts';
import { bridged } from './kit/layer2.ts';
import { cannotRun, type Namespace } from './kit/namespaces.ts';
import {
  bgpAdvertisement,
  bgpPeer,
  endpoint,
  l2Advertisement,
  loadBalancer,
  metallb,
  node,
  pool,
} from './kit/objects.ts';

const skip = cannotRun('ip', 'sysctl', 'vtysh', 'arping', 'setpriv', 'curl');

const NODES = ['node-a', 'node-b'] as const;
const ADDRESSES = ['192.0.2.1', '192.0.2.2'] as const;
const ROUTER = '192.0.2.3';
const FRR = [
  'router bgp 64513',
  ` bgp router-id ${ROUTER}`,
  ' no bgp ebgp-requires-policy',
  ' bgp graceful-restart',
  ...ADDRESSES.flatMap((address) => [
    ` neighbor ${address} remote-as 64512`,
    ` neighbor ${address} timers connect 1`,
  ]),
  ' address-family ipv4 unicast',
  '  maximum-paths 8',
  ' exit-address-family',
  '',
].join('\n');

interface Site {
  readonly nodes: readonly [Namespace, Namespace];
  readonly router: Namespace;
  readonly frr: Frr;
  readonly folder: ManifestFolder;
  start(at: 0 | 1, ...args: readonly string[]): Promise<Announcer>;
  /** Waits until the router's kernel sends an address there. */
  leadsTo(address: string, hops: readonly string[]): Promise<void>;
}

/** Two nodes and a router on a switch; the speakers are not started yet. */
async function site(t: Scope, objects: readonly KubeObject[]): Promise<Site> {
  const [a, b, router] = await bridged(t, ['node-a', 'node-b', 'router']);
  const folder = await makeManifestFolder(t);
  await folder.write('all.yaml', objects);
  const nodes = [a!, b!] as const;
  return {
    nodes,
    router: router!,
    frr: await Frr.start(t, router!, FRR),
    folder,
    start: (at, ...args) => Announcer.start(t, nodes[at], { folder: folder.path, node: NODES[at], args }),
    leadsTo: (address, hops) =>
      eventually(async () => {
        const text = await router!.run('ip', 'route', 'show', address);
        assert.deepEqual(
          ADDRESSES.filter((hop) => text.includes(`via ${hop} `)),
          hops,
        );
      }),
  };
}

const CONFIGURATION = [pool(['203.0.113.0/24']), bgpAdvertisement, bgpPeer({ peerAddress: ROUTER })];
const web = (spec: object = {}, ...at: readonly string[]) =>
  loadBalancer(
    'web',
    at.map((name) => endpoint('10.0.0.1', name)),
    spec,
  );

describe('over BGP', { skip }, () => {
  test('announces what the manifests say, says so, and says goodbye', async (t) => {
    const { frr, start, leadsTo } = await site(t, [...CONFIGURATION, ...web({}, 'node-a')]);
    const speaker = await start(0);
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    const { addresses, peers, routes } = await speaker.report();
    assert.deepEqual(
      addresses.map(({ service, address, bgp }) => [service, address, bgp.verdict]),
      [['default/web', '203.0.113.0', 'announced']],
    );
    assert.deepEqual(
      peers.map(({ name, state, announcedRoutes }) => [name, state, announcedRoutes]),
      [['router', 'Established', 1]],
    );
    assert.deepEqual(
      routes.map(({ prefix }) => prefix),
      ['203.0.113.0/32'],
    );
    const metrics = await speaker.metrics();
    for (const line of ['session_up', 'updates_total', 'announced_prefixes_total'])
      assert.match(metrics, new RegExp(`^metallb_bgp_${line}{peer="${ROUTER}:179"} [1-9]`, 'm'));
    assert.match(metrics, /^metallb_allocator_addresses_in_use_total\{pool="public"\} 1$/m);
    const text = await speaker.status();
    assert.match(text, /203\.0\.113\.0 +default\/web +public +noMatchingAdvertisement +announced to router/);
    await speaker.end('SIGTERM');
    await leadsTo('203.0.113.0', []);
    const { lastShutdownDescription } = await frr.neighbour(ADDRESSES[0]);
    assert.equal(lastShutdownDescription, 'the speaker was told to stop');
  });

  test('with externalTrafficPolicy Local the route follows the endpoints; without any it goes', async (t) => {
    const local = { externalTrafficPolicy: 'Local' };
    const { folder, start, leadsTo } = await site(t, [...CONFIGURATION, ...web(local, 'node-a')]);
    await Promise.all([start(0), start(1)]);
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    await folder.write('all.yaml', [...CONFIGURATION, ...web(local, 'node-b')]);
    await leadsTo('203.0.113.0', [ADDRESSES[1]]);
    await folder.write('all.yaml', [...CONFIGURATION, ...web(local, ...NODES)]);
    await leadsTo('203.0.113.0', ADDRESSES);
    await folder.write('all.yaml', [...CONFIGURATION, ...web(local)]);
    await leadsTo('203.0.113.0', []);
  });

  test('a restart with graceful restart leaves the route in the router all the time', async (t) => {
    const keeps = bgpPeer({ peerAddress: ROUTER, enableGracefulRestart: true });
    const objects = [pool(['203.0.113.0/24']), bgpAdvertisement, keeps, ...web({}, 'node-a')];
    const { frr, router, start, leadsTo } = await site(t, objects);
    const first = await start(0);
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    // The kernel tells of every change.
    let changes = '';
    router.start(t, 'ip', ['monitor', 'route']).stdout!.on('data', (text) => {
      changes += text;
    });
    await first.end('SIGTERM');
    const second = await start(0);
    await second.logged('bgp-session-up');
    await eventually(async () => {
      const [path] = (await frr.routes('ipv4'))['203.0.113.0/32'] ?? [];
      assert.equal((path as { readonly stale?: boolean } | undefined)?.stale, undefined);
    });
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    // Something that it does tell shows that it would have told.
    await router.run('ip', 'route', 'add', '198.51.100.9/32', 'dev', 'eth0');
    await eventually(() => assert.match(changes, /198\.51\.100\.9/));
    assert.doesNotMatch(changes, /Deleted 203\.0\.113\.0/);
  });

  test('a cordoned node takes its routes back at the end, graceful restart or not', async (t) => {
    const keeps = bgpPeer({ peerAddress: ROUTER, enableGracefulRestart: true });
    const cordoned = { ...node('node-a', ADDRESSES[0]), spec: { unschedulable: true } };
    const objects = [pool(['203.0.113.0/24']), bgpAdvertisement, keeps, cordoned, ...web({}, 'node-a')];
    const { start, leadsTo } = await site(t, objects);
    const speaker = await start(0);
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    await speaker.end('SIGTERM');
    await leadsTo('203.0.113.0', []);
  });

  test('who also serves takes its routes back at the end: peers would send to nobody', async (t) => {
    const keeps = bgpPeer({ peerAddress: ROUTER, enableGracefulRestart: true });
    const objects = [pool(['203.0.113.0/24']), bgpAdvertisement, keeps, ...web({}, 'node-a')];
    const { start, leadsTo } = await site(t, objects);
    const proxy = await start(0, 'run', '--http', ':80', '--https', 'off', '--workers', '1');
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    await proxy.end('SIGTERM');
    await leadsTo('203.0.113.0', []);
  });

  test('1,000 Services are 1,000 routes in the router', async (t) => {
    const services = Array.from({ length: 1000 }, (_, i) =>
      loadBalancer(`web-${i}`, [endpoint('10.0.0.1', 'node-a')]),
    );
    const many = [pool(['10.9.0.0/16']), bgpAdvertisement, bgpPeer({ peerAddress: ROUTER })];
    const { start, frr, router } = await site(t, [...many, ...services.flat()]);
    const speaker = await start(0);
    await speaker.logged('bgp-session-up');
    const up = performance.now();
    await eventually(async () => assert.equal(Object.keys(await frr.routes('ipv4')).length, 1000));
    t.diagnostic(
      `1,000 routes were in the router ${Math.round(performance.now() - up)} ms after the session was up`,
    );
    await eventually(async () => {
      const routes = await router.run('ip', 'route', 'show', 'proto', 'bgp');
      assert.equal(routes.trim().split('\n').length, 1000);
    });
    assert.equal((await speaker.report()).routes.length, 1000);
  });

  test('TCP MD5 needs no capability, and the password comes from a Secret', async (t) => {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/basic-auth',
      metadata: { name: 'bgp', namespace: 'metallb-system' },
      stringData: { password: 'not-for-the-log' },
    };
    const signed = bgpPeer({ peerAddress: ROUTER, passwordSecret: { name: 'bgp' } });
    const { frr, nodes, leadsTo, folder } = await site(t, [pool(['203.0.113.0/24'])]);
    await frr.do(
      'configure terminal',
      'router bgp 64513',
      `neighbor ${ADDRESSES[0]} password not-for-the-log`,
    );
    const objects = [pool(['203.0.113.0/24']), bgpAdvertisement, signed, ...web({}, 'node-a')];
    await folder.write('all.yaml', [...objects, secret]);
    const speaker = await Announcer.start(t, nodes[0], {
      folder: folder.path,
      node: 'node-a',
      args: ['--bgp-listen', 'off'],
      capabilities: [],
    });
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
    assert.deepEqual((await speaker.report()).notices, []);
    const told = JSON.stringify([speaker.log, await speaker.report(), await speaker.status()]);
    assert.doesNotMatch(told, /not-for-the-log/);
  });
});

describe('on layer 2', { skip }, () => {
  const objects = [
    pool(['192.0.2.64/28']),
    l2Advertisement,
    node('node-a', ADDRESSES[0]),
    node('node-b', ADDRESSES[1]),
    ...web({}, 'node-a'),
  ];

  test('one of two nodes answers, and both know which', async (t) => {
    const { nodes, router, folder, start } = await site(t, objects);
    const key = join(folder.path, 'key');
    await writeFile(key, 'a secret of all speakers');
    const speakers = await Promise.all([start(0, '--speaker-key', key), start(1, '--speaker-key', key)]);
    const mac = await eventually(async () => {
      const text = await router.run('arping', '-I', 'eth0', '-c', '1', '192.0.2.64');
      const [, mac] = /\[([0-9A-F:]+)\]/.exec(text) ?? [];
      assert.ok(mac);
      return mac.toLowerCase();
    });
    const macs = await Promise.all(nodes.map((node) => node.run('cat', '/sys/class/net/eth0/address')));
    const owner = NODES[macs.findIndex((text) => text.trim() === mac)];
    for (const speaker of speakers)
      await eventually(async () => {
        const { addresses, speakers: living } = await speaker.report();
        assert.deepEqual([addresses[0]?.layer2.owners, living.toSorted()], [[owner], NODES]);
      });
    const metrics = await eventually(async () => {
      const text = await speakers[NODES.indexOf(owner!)]!.metrics();
      assert.match(text, /^metallb_layer2_responses_sent\{ip="192\.0\.2\.64"\} [1-9]/m);
      return text;
    });
    assert.match(
      metrics,
      new RegExp(
        `^metallb_speaker_announced{service="default/web",protocol="layer2",node="${owner}",ip="192.0.2.64"} 1$`,
        'm',
      ),
    );
    assert.match(await speakers[0]!.status(), new RegExp(`192\\.0\\.2\\.64 +default/web +public +${owner}`));
  });

  test('NET_RAW is all that it needs; without, it says so', async (t) => {
    const alone = objects.filter(({ kind }) => kind !== 'Node');
    const { nodes, router, folder } = await site(t, alone);
    const start = (...capabilities: readonly string[]) =>
      Announcer.start(t, nodes[0], { folder: folder.path, node: 'node-a', capabilities });
    const without = await start();
    await without.logged('speaker-trouble', ({ msg }) => /NET_RAW/.test(String(msg)));
    await without.end('SIGTERM');
    await start('net_raw');
    await eventually(() => router.run('arping', '-I', 'eth0', '-c', '1', '192.0.2.64'));
  });

  test('several Nodes without a shared secret: nobody answers, and it is told what to do', async (t) => {
    const { start } = await site(t, objects);
    const speaker = await start(0);
    await speaker.logged('speaker-trouble', ({ msg }) => /--speaker-key/.test(String(msg)));
    assert.deepEqual((await speaker.report()).speakers, []);
  });
});

describe('what is wrong is said', { skip }, () => {
  test('port 179 in use: sessions that we open work all the same', async (t) => {
    const { nodes, start, leadsTo } = await site(t, [...CONFIGURATION, ...web({}, 'node-a')]);
    const program =
      "require('node:net').createServer((socket) => socket.destroy()).listen(179, () => console.log('taken'))";
    const other = nodes[0].start(t, process.execPath, ['-e', program]);
    await new Promise((resolve) => other.stdout!.once('data', resolve));
    const speaker = await start(0);
    await speaker.logged('speaker-trouble', ({ msg }) =>
      /cannot listen on 0\.0\.0\.0 port 179: another program does/.test(String(msg)),
    );
    await leadsTo('203.0.113.0', [ADDRESSES[0]]);
  });

  test('an interface that is not there is a problem of its advertisement', async (t) => {
    const objects = [
      pool(['192.0.2.64/28']),
      metallb('L2Advertisement', 'all', { interfaces: ['eth7'] }),
      ...web({}, 'node-a'),
    ];
    const { start } = await site(t, objects);
    const speaker = await start(0);
    const { msg } = await speaker.logged('problem', ({ reason }) => reason === 'InterfaceNotFound');
    assert.match(
      String(msg),
      /L2Advertisement metallb-system\/all: spec\.interfaces\[0\]: node node-a has no/,
    );
    assert.match(await speaker.status(), /nobody: no speaker that may lives/);
  });

  test('a pool with an address of a Node is a problem of the pool', async (t) => {
    const { start } = await site(t, [
      pool(['192.0.2.0/28']),
      l2Advertisement,
      node('node-a', ADDRESSES[0]),
      ...web({}, 'node-a'),
    ]);
    const speaker = await start(0);
    await speaker.logged('problem', ({ reason }) => reason === 'PoolOverlap');
    assert.equal((await speaker.report()).addresses[0]?.address, '192.0.2.0');
  });
});
