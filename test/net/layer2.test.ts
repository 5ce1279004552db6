/** Addresses on a switch: our speakers in namespaces, a client that asks by ARP and NDP. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Layer2Wanted } from '../../src/announce/layer2/speaker.ts';
import { eventually, type Scope } from '../kit/waiting.ts';
import { bridged, Layer2Process, macOf, Prober, summary } from './kit/layer2.ts';
import { cannotRun, type Namespace } from './kit/namespaces.ts';

const skip = cannotRun('ip', 'sysctl', 'arping', 'ndisc6', 'setpriv');

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::100';

/** The nodes in the order of the addresses' candidates; node N is host N + 2, after the client. */
const wanted = (nodes: readonly string[], addresses: readonly string[] = [VIP, VIP6]): Layer2Wanted => ({
  addresses: addresses.map((address) => ({
    address,
    candidates: nodes.map((node) => ({ node, interfaces: null })),
  })),
  peers: nodes.map((node, i) => ({ node, addresses: [`192.0.2.${i + 2}`] })),
});

async function cluster(t: Scope, nodes: readonly string[], addresses?: readonly string[]) {
  const [client, ...hosts] = (await bridged(t, ['client', ...nodes])) as [Namespace, ...Namespace[]];
  const plan = wanted(nodes, addresses);
  const speakers = await Promise.all(
    hosts.map(async (host, i) => {
      const speaker = await Layer2Process.start(t, host, { node: nodes[i]! });
      speaker.set(plan);
      return speaker;
    }),
  );
  return { client, hosts, plan, speakers, macs: await Promise.all(hosts.map(macOf)) };
}

/** MACs that answered one question of each kind; duplicates would show. */
async function arp(client: Namespace, address: string): Promise<string[]> {
  const said = await client.run('arping', '-b', '-c', '2', '-w', '1', '-I', 'eth0', address).catch(String);
  return [...said.matchAll(/reply from \S+ \[([0-9A-F:]+)\]/g)].map(([, mac]) => mac!.toLowerCase());
}
async function ndp(client: Namespace, address: string): Promise<string[]> {
  const said = await client.run('ndisc6', '-m', '-w', '500', address, 'eth0').catch(String);
  return [...said.matchAll(/link-layer address: ([0-9A-F:]+)/g)].map(([, mac]) => mac!.toLowerCase());
}

describe('who answers', { skip }, () => {
  test('of three speakers one answers ARP and NDP, and is told to all', async (t) => {
    const { client, speakers, macs } = await cluster(t, ['a', 'b', 'c']);
    await speakers[0]!.announces(VIP);
    await speakers[0]!.announces(VIP6);
    const answers = await arp(client, VIP);
    assert.deepEqual(new Set(answers), new Set([macs[0]]));
    assert.ok(answers.length <= 2, `each question has one answer: ${answers}`);
    // What it says unasked now and then may be among them.
    assert.deepEqual(new Set(await ndp(client, VIP6)), new Set([macs[0]]));
    await speakers[2]!.is(
      ({ addresses, members }) =>
        members.length === 3 && addresses.every(({ owners }) => owners.join() === 'a'),
      'to know the owner',
    );
    assert.deepEqual(await arp(client, '192.0.2.101'), [], 'nobody answers for other addresses');
  });

  test('a client learns the address without having asked', async (t) => {
    const { client, speakers, macs, hosts, plan } = await cluster(t, ['a', 'b']);
    await speakers[0]!.announces(VIP);
    // An entry that the client has already is what an announcement changes.
    await client.run(
      'ip',
      'neigh',
      'replace',
      VIP,
      'lladdr',
      '02:00:00:00:00:01',
      'dev',
      'eth0',
      'nud',
      'stale',
    );
    await client.run(
      'ip',
      'neigh',
      'replace',
      VIP6,
      'lladdr',
      '02:00:00:00:00:01',
      'dev',
      'eth0',
      'nud',
      'stale',
    );
    await speakers[0]!.end('SIGKILL');
    await speakers[1]!.announces(VIP);
    const neighbour = (address: string) => client.run('ip', 'neigh', 'show', address);
    await eventually(async () => {
      for (const address of [VIP, VIP6]) assert.match(await neighbour(address), new RegExp(macs[1]!));
    });
    assert.equal(plan.addresses.length, hosts.length);
  });

  test('an interface that goes down takes its addresses to another node, and back when it is up', async (t) => {
    const { client, speakers, hosts, macs } = await cluster(t, ['a', 'b']);
    await speakers[0]!.announces(VIP);
    await hosts[0]!.run('ip', 'link', 'set', 'eth0', 'down');
    await speakers[1]!.announces(VIP);
    await speakers[0]!.is(({ addresses }) => addresses.every(({ state }) => state === 'idle'), 'to stop');
    assert.deepEqual(new Set(await arp(client, VIP)), new Set([macs[1]]));
    await hosts[0]!.run('ip', 'link', 'set', 'eth0', 'up');
    await speakers[0]!.announces(VIP);
    await speakers[1]!.is(({ addresses }) => addresses[0]?.state === 'idle', 'to hand over');
    assert.deepEqual(new Set(await arp(client, VIP)), new Set([macs[0]]));
  });

  test('a foreign host with the address is reported once and not fought; when it goes, a speaker begins', async (t) => {
    const [client, host, foreign] = (await bridged(t, ['client', 'a', 'foreign'])) as [
      Namespace,
      Namespace,
      Namespace,
    ];
    for (const address of [`${VIP}/24`, `${VIP6}/64`])
      await foreign.run(
        'ip',
        'address',
        'add',
        address,
        'dev',
        'eth0',
        ...(address === `${VIP6}/64` ? ['nodad'] : []),
      );
    const speaker = await Layer2Process.start(t, host, { node: 'a', key: null });
    speaker.set(wanted(['a']));
    const mac = await macOf(foreign);
    for (const address of [VIP, VIP6]) {
      const conflict = await speaker.seen(
        (event) => event.event === 'conflict' && event.address === address,
        `a conflict about ${address}`,
      );
      assert.deepEqual(conflict, { event: 'conflict', address, mac, interface: 'eth0' });
    }
    assert.deepEqual(new Set(await arp(client, VIP)), new Set([mac]));
    for (const address of [`${VIP}/24`, `${VIP6}/64`])
      await foreign.run('ip', 'address', 'del', address, 'dev', 'eth0');
    await speaker.announces(VIP);
    await speaker.announces(VIP6);
    assert.equal(speaker.events.filter(({ event }) => event === 'conflict').length, 2);
  });

  test('speakers with different keys do not hear each other, and still only one answers', async (t) => {
    const [client, a, b] = (await bridged(t, ['client', 'a', 'b'])) as [Namespace, Namespace, Namespace];
    const first = await Layer2Process.start(t, a, { node: 'a' });
    first.set(wanted(['a', 'b']));
    await first.announces(VIP);
    const second = await Layer2Process.start(t, b, { node: 'b', key: 'another key' });
    second.set(wanted(['b', 'a']));
    await second.is(({ addresses }) => addresses[0]?.state === 'in-use', 'to see that it is in use');
    await second.is(
      ({ heartbeatsIgnored }) => heartbeatsIgnored.some(([reason]) => reason === 'authentication'),
      'to refuse heartbeats',
    );
    assert.deepEqual(new Set(await arp(client, VIP)), new Set([await macOf(a)]));
  });

  test('without NET_RAW it says what is missing', async (t) => {
    const [host] = (await bridged(t, ['a'])) as [Namespace];
    const drop = ['--bounding-set', '-net_raw', '--inh-caps', '-net_raw'];
    const said = await host
      .run('setpriv', ...drop, process.execPath, '--no-warnings', '--input-type=module', '-e', OPEN)
      .catch(String);
    assert.match(said, /EPERM.*CAP_NET_RAW is needed/);
  });
});

const OPEN = `import { PacketSocket } from '${new URL('../../src/linux/packet-socket.ts', import.meta.url)}';
console.log(PacketSocket.open({ interfaceIndex: 1, protocol: 0x0806, filter: [[6, 0, 0, 0]], onFrame() {}, onError() {} }));`;

describe('fail-over and hand-over, seen by a client that asks every 10 ms', { skip }, () => {
  test('a killed speaker: another one answers', async (t) => {
    const { client, speakers, macs } = await cluster(t, ['a', 'b', 'c']);
    await speakers[0]!.announces(VIP);
    await speakers[1]!.is(({ members }) => members.length === 3, 'to know all');
    const prober = Prober.start(t, client, VIP);
    await eventually(async () =>
      assert.ok((await prober.probes()).filter((p) => p.answers.length > 0).length > 20),
    );
    await speakers[0]!.end('SIGKILL');
    await speakers[1]!.announces(VIP);
    const found = await eventually(async () => {
      const found = summary(await prober.probes());
      assert.deepEqual(found.owners, [macs[0], macs[1]]);
      return found;
    });
    t.diagnostic(`kill -9: ${found.gapMs.toFixed(0)} ms without an answer, ${found.lost} probes lost`);
    assert.equal(found.doubledMs, 0);
  });

  test('SIGTERM and the return: no question without an answer', async (t) => {
    const { client, hosts, speakers, macs, plan } = await cluster(t, ['a', 'b']);
    await speakers[0]!.announces(VIP);
    await speakers[1]!.is(({ members }) => members.length === 2, 'to know both');
    const prober = Prober.start(t, client, VIP);
    await eventually(async () =>
      assert.ok((await prober.probes()).filter((p) => p.answers.length > 0).length > 20),
    );
    await speakers[0]!.end('SIGTERM');
    await speakers[1]!.announces(VIP);
    const again = await Layer2Process.start(t, hosts[0]!, { node: 'a' });
    again.set(plan);
    await again.announces(VIP);
    await speakers[1]!.is(({ addresses }) => addresses[0]?.state === 'idle', 'to hand over');
    const found = await eventually(async () => {
      const found = summary(await prober.probes());
      assert.equal(found.owners.at(-1), macs[0]);
      return found;
    });
    t.diagnostic(
      `SIGTERM and return: ${found.lost} lost, two answered for ${found.doubledMs.toFixed(0)} ms at most`,
    );
    assert.equal(found.lost, 0);
  });
});
