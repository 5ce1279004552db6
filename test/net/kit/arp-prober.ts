/**
 * Asks for an IPv4 address by ARP every 10 ms. Arguments: interface, address. Each request comes from another
 * (made-up) sender address, so that every answer tells which request it is for. A line on standard input asks for the
 * report: per request when it was sent (ms), and the MACs that answered.
 */
import { createInterface } from 'node:readline';
import { ETHERTYPE_ARP, probeArp } from '../../../src/announce/arp.ts';
import { ARP_FILTER } from '../../../src/announce/layer2/filter.ts';
import { formatMac } from '../../../src/announce/mac.ts';
import { readInterface } from '../../../src/linux/interfaces.ts';
import { PacketSocket } from '../../../src/linux/packet-socket.ts';
import { parseIp } from '../../../src/model/ip.ts';

export interface Probe {
  readonly sentAt: number;
  readonly answers: string[];
}

const EVERY_MS = 10;
/** 198.18.0.0, for benchmarks (RFC 2544). */
const FIRST_SENDER = 0xc6120000;
const SENDER = 28;
const TARGET = 38;

const [name = '', address = ''] = process.argv.slice(2);
const found = readInterface(name)!;
const target = Number(parseIp(address)!.value);
const probes: Probe[] = [];
const socket = PacketSocket.open({
  interfaceIndex: found.index,
  protocol: ETHERTYPE_ARP,
  filter: ARP_FILTER,
  onFrame: (frame) => {
    if (frame.readUInt32BE(SENDER) === target)
      probes[frame.readUInt32BE(TARGET) - FIRST_SENDER]?.answers.push(formatMac(frame.readUIntBE(22, 6)));
  },
  onError: (error) => process.stderr.write(`${error.message}\n`),
});
if (typeof socket === 'string') throw new Error(socket);
setInterval(() => {
  const frame = probeArp(target, found.mac);
  frame.writeUInt32BE(FIRST_SENDER + probes.length, SENDER);
  probes.push({ sentAt: performance.now(), answers: [] });
  socket.send(frame);
}, EVERY_MS);
createInterface({ input: process.stdin }).on('line', () =>
  process.stdout.write(`${JSON.stringify(probes)}\n`),
);
