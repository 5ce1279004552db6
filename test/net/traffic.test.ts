/** What a client notices while `tidegate run --speaker` on two nodes comes, goes and dies. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ingress, makeManifestFolder } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';
import { Announcer } from './kit/announcer.ts';
import { Frr } from './kit/frr.ts';
import { type Lan, lan } from './kit/lan.ts';
import { cannotRun } from './kit/namespaces.ts';
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
import { losses, lostWithin, serve, Traffic, wereLostAtOnce } from './kit/traffic.ts';

const skip = cannotRun('ip', 'sysctl', 'vtysh');

const VIRTUAL = '203.0.113.10';
const NODES = ['node-a', 'node-b'] as const;
const ADDRESSES = ['192.0.2.1', '192.0.2.2'] as const;

const FRR = [
  'router bgp 64513',
  ' bgp router-id 192.0.2.3',
  ' no bgp ebgp-requires-policy',
  ...ADDRESSES.flatMap((address) => [
    ` neighbor ${address} remote-as 64512`,
    ` neighbor ${address} timers connect 1`,
    ` neighbor ${address} bfd profile fast`,
  ]),
  ' address-family ipv4 unicast',
  '  maximum-paths 8',
  ' exit-address-family',
  '',
].join('\n');
const BFD = 'bfd\n profile fast\n  transmit-interval 100\n  receive-interval 100\n';

/** Requests that take longer may be cut; on a crowded machine even those may that are to take 200 ms. */
const WAITED_MS = 700;

const RUN = [
  'run',
  '--http',
  ':80',
  '--https',
  'off',
  '--access-log',
  'off',
  '--workers',
  '1',
  '--drain-delay',
  '1s',
  // What was cut does not end by itself.
  '--drain',
  '3s',
];
const WEB = [
  pool([`${VIRTUAL}/32`]),
  ...loadBalancer('web', [endpoint('192.0.2.4', 'elsewhere')]),
  ingress('any', '', [{ path: '/', service: 'web' }]),
];
const OVER_BGP = [
  bgpAdvertisement,
  bgpPeer({ peerAddress: '192.0.2.3', bfdProfile: 'fast' }),
  metallb('BFDProfile', 'fast', { transmitInterval: 100, receiveInterval: 100 }),
];

/** Both nodes run, and the router has both as next hops. */
async function bothNodes(t: TestContext) {
  const { nodes, router, backend, client }: Lan = await lan(t, VIRTUAL);
  await serve(t, backend);
  const folder = await makeManifestFolder(t);
  await folder.write('all.yaml', [...WEB, ...OVER_BGP]);
  await Frr.start(t, router, FRR, BFD);
  const start = (at: 0 | 1) =>
    Announcer.start(t, nodes[at], { folder: folder.path, node: NODES[at], args: RUN });
  const speakers = await Promise.all([start(0), start(1)]);
  const hops = async () => {
    const text = await router.run('ip', 'route', 'show', VIRTUAL);
    return ADDRESSES.filter((address) => text.includes(`via ${address} `));
  };
  const hasHops = (wanted: readonly string[]) =>
    eventually(async () => assert.deepEqual(await hops(), wanted));
  await hasHops(ADDRESSES);
  for (const speaker of speakers)
    await eventually(async () => assert.equal((await speaker.report()).peers[0]?.bfd?.state, 'Up'));
  return { nodes, client, router, speakers, hasHops, start };
}

/** Both nodes run, the router finds the address by ARP; `ownerIs` waits for who answers: by default for who is to. */
async function bothNeighbours(t: TestContext) {
  const { nodes, router, backend, client }: Lan = await lan(t, VIRTUAL);
  await router.run('ip', 'route', 'add', `${VIRTUAL}/32`, 'dev', 'eth0');
  await serve(t, backend);
  const folder = await makeManifestFolder(t);
  const key = join(folder.path, 'key');
  await writeFile(key, 'a secret of all speakers');
  const both = NODES.map((name, at) => node(name, ADDRESSES[at]!));
  await folder.write('all.yaml', [...WEB, ...both, l2Advertisement]);
  const args = [...RUN, '--speaker-key', key, '--excluded-interfaces', '^lo$'];
  const start = (at: 0 | 1) => Announcer.start(t, nodes[at], { folder: folder.path, node: NODES[at], args });
  const speakers = await Promise.all([start(0), start(1)]);
  const ownerIs = (told: Announcer, wanted: string | null = null) =>
    eventually(async () => {
      const { addresses, speakers } = await told.report();
      const { owners: [owner, another] = [], elected } = addresses[0]!.layer2;
      assert.ok(owner !== undefined && another === undefined);
      assert.equal(owner, wanted ?? elected);
      assert.equal(speakers.length, wanted === null ? 2 : speakers.length);
      return NODES.indexOf(owner as (typeof NODES)[number]) as 0 | 1;
    });
  return { client, speakers, start, ownerIs };
}

describe('over BGP', { skip }, () => {
  test('one of two nodes loses its network without a word: BFD tells, the other one takes all', async (t) => {
    const { nodes, client, hasHops } = await bothNodes(t);
    const traffic = Traffic.start(t, client, `http://${VIRTUAL}/`, 1000);
    await eventually(async () => assert.ok((await traffic.asked()).length > 50));
    assert.equal(losses(await traffic.asked()).lost, 0);
    await nodes[0].run('ip', 'link', 'set', 'eth0', 'down');
    await hasHops([ADDRESSES[1]]);
    const before = (await traffic.asked()).length;
    await eventually(async () => {
      const since = (await traffic.asked()).slice(before);
      assert.ok(since.length > 200 && losses(since.slice(-50)).lost === 0);
    });
    t.diagnostic(`a node lost: ${JSON.stringify(losses(await traffic.asked()))}`);
  });

  test('SIGTERM loses no request; the return those that the router moves to the other node', async (t) => {
    const { client, hasHops, speakers, start } = await bothNodes(t);
    // Some twenty are under way at any time.
    const traffic = Traffic.start(t, client, `http://${VIRTUAL}/`, 5000, 200);
    const hundredMore = async () => {
      const before = (await traffic.asked()).length;
      await eventually(async () => assert.ok((await traffic.asked()).length > before + 100));
      return traffic.asked();
    };
    await hundredMore();
    await speakers[0].end('SIGTERM');
    await hasHops([ADDRESSES[1]]);
    const withoutOne = await hundredMore();
    t.diagnostic(`SIGTERM: ${JSON.stringify(losses(withoutOne))}`);
    assert.deepEqual(lostWithin(withoutOne, WAITED_MS), []);
    await start(0);
    await hasHops(ADDRESSES);
    const all = await hundredMore();
    t.diagnostic(`SIGTERM and return: ${JSON.stringify(losses(all))}`);
    // With another next hop its hash chooses anew, also for connections that stand; no node can do anything about it.
    assert.ok(wereLostAtOnce(all), JSON.stringify(losses(all)));
  });
});

describe('on layer 2', { skip }, () => {
  test('the node that answers is killed: the other one takes the address', async (t) => {
    const { client, speakers, ownerIs } = await bothNeighbours(t);
    const owner = await ownerIs(speakers[0]!);
    const traffic = Traffic.start(t, client, `http://${VIRTUAL}/`, 1000);
    await eventually(async () => assert.ok((await traffic.asked()).length > 50));
    assert.equal(losses(await traffic.asked()).lost, 0);
    await speakers[owner]!.end('SIGKILL');
    await ownerIs(speakers[1 - owner]!, NODES[1 - owner]!);
    await eventually(async () => {
      const asked = await traffic.asked();
      assert.ok(asked.length > 200 && losses(asked.slice(-50)).lost === 0);
    });
    t.diagnostic(`a node killed: ${JSON.stringify(losses(await traffic.asked()))}`);
  });

  test('SIGTERM loses no request, and neither does the return', async (t) => {
    const { client, speakers, ownerIs, start } = await bothNeighbours(t);
    const owner = await ownerIs(speakers[0]!);
    // Some twenty are under way at any time.
    const traffic = Traffic.start(t, client, `http://${VIRTUAL}/`, 5000, 200);
    await eventually(async () => assert.ok((await traffic.asked()).length > 50));
    await speakers[owner]!.end('SIGTERM');
    const other = speakers[1 - owner]!;
    await ownerIs(other, NODES[1 - owner]!);
    await start(owner);
    await ownerIs(other, NODES[owner]);
    const before = (await traffic.asked()).length;
    await eventually(async () => assert.ok((await traffic.asked()).length > before + 100));
    const all = losses(await traffic.asked());
    t.diagnostic(`SIGTERM and return: ${JSON.stringify(all)}`);
    assert.deepEqual(lostWithin(await traffic.asked(), WAITED_MS), []);
  });
});
