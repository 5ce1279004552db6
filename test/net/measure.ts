/**
 * What a speaker costs while nothing happens: `node test/net/measure.ts [seconds] [Services]`, as root. Two nodes and a router
 * (FRRouting) on a switch, each speaker with some Services (100) over BGP with BFD at 100 ms and on layer 2 with heartbeats at
 * 100 ms. Prints the resident memory and the CPU time of the first one.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeManifestFolder } from '../kit/manifests.ts';
import type { Scope } from '../kit/waiting.ts';
import { Announcer } from './kit/announcer.ts';
import { Frr } from './kit/frr.ts';
import { bridged } from './kit/layer2.ts';
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

const seconds = Number(process.argv[2] ?? '30');
const count = Number(process.argv[3] ?? '100');
const ADDRESSES = ['192.0.2.1', '192.0.2.2'];
const FRR = [
  'router bgp 64513',
  ' no bgp ebgp-requires-policy',
  ...ADDRESSES.flatMap((address) => [
    ` neighbor ${address} remote-as 64512`,
    ` neighbor ${address} bfd profile fast`,
  ]),
  '',
].join('\n');
const BFD = 'bfd\n profile fast\n  transmit-interval 100\n  receive-interval 100\n !\n';

const ends: (() => void | Promise<void>)[] = [];
const scope: Scope = { after: (end) => void ends.push(end) };

async function measure(): Promise<void> {
  const [a, b, router] = await bridged(scope, ['node-a', 'node-b', 'router']);
  await Frr.start(scope, router!, FRR, BFD);
  const folder = await makeManifestFolder(scope);
  const keys = await mkdtemp(join(tmpdir(), 'tidegate-key-'));
  scope.after(() => rm(keys, { recursive: true }));
  await writeFile(join(keys, 'key'), 'a secret of all speakers');
  const services = Array.from({ length: count }, (_, i) =>
    loadBalancer(`web-${i}`, [endpoint('10.0.0.1', 'x')]),
  );
  await folder.write('all.yaml', [
    pool(['192.0.2.64/26', '203.0.113.0/24']),
    bgpAdvertisement,
    l2Advertisement,
    bgpPeer({ peerAddress: '192.0.2.3', bfdProfile: 'fast' }),
    metallb('BFDProfile', 'fast', { transmitInterval: 100, receiveInterval: 100 }),
    ...ADDRESSES.map((address, i) => node(`node-${'ab'[i]}`, address)),
    ...services.flat(),
  ]);
  const start = (name: string, at: typeof a) =>
    Announcer.start(scope, at!, {
      folder: folder.path,
      node: name,
      args: ['--speaker-key', join(keys, 'key')],
    });
  const [speaker] = await Promise.all([start('node-a', a), start('node-b', b)]);
  await speaker!.logged('bgp-session-up');
  await speaker!.logged('layer2-taken');
  await delay(10_000);
  const { peers, speakers } = await speaker!.report();
  const before = await ticks(speaker!.process.pid!);
  await delay(seconds * 1000);
  const used = (await ticks(speaker!.process.pid!)) - before;
  const memory = await readFile(`/proc/${speaker!.process.pid}/status`, 'utf8');
  const mib = (field: string) =>
    Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(memory)?.[1]) / 1024);
  process.stdout.write(
    `${peers[0]?.state}, BFD ${peers[0]?.bfd?.state}, ${speakers.length} speakers, ${services.length} Services\n` +
      `resident ${mib('VmRSS')} MiB, of which ${mib('RssAnon')} MiB its own and ${mib('RssFile')} MiB of the Node.js binary\n` +
      `CPU ${((used / seconds) * 100).toFixed(2)} % of a core over ${seconds} s\n`,
  );
}

/** CPU time of a process in seconds; the kernel counts hundredths. */
async function ticks(pid: number): Promise<number> {
  const [, rest = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ');
  const fields = rest.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

try {
  await measure();
} finally {
  for (const end of ends.reverse()) await end();
}
