/**
 * ARP (RFC 826) for addresses that no interface has: frames in, the frame to answer with out. Pure. Gratuitous
 * packets and probes are those of RFC 5227.
 */
import { BROADCAST_MAC, isGroupMac } from './mac.ts';
import type { NeighbourResult, NeighbourView } from './neighbour.ts';

export const ETHERTYPE_ARP = 0x0806;
const ETHERNET_HEADER = 14;
const FRAME_BYTES = 42;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const REQUEST = 1;
const REPLY = 2;

/** Why a frame had no effect. */
export type ArpIgnored =
  | 'short'
  | 'not-arp' // another EtherType, a VLAN tag too: its addresses are in another network
  | 'hardware'
  | 'protocol'
  | 'operation' // neither request nor reply
  | 'destination' // neither to all nor to us
  | 'own-frame' // came back to us
  | 'sender' // a multicast address as a host's own: an answer would go to many
  | 'not-announced'
  | 'foreign-reply';

type ArpResult = NeighbourResult<number, ArpIgnored>;

const NOTHING = { reply: null, address: 0, claim: null, probe: null, ignored: null } as const;
const ignore = (ignored: ArpIgnored): ArpResult => ({ ...NOTHING, ignored });

/** What to do about a frame; padding behind the packet does not count. */
export function receiveArp(frame: Buffer, { mac, owned, watched }: NeighbourView<number>): ArpResult {
  if (frame.length < ETHERNET_HEADER) return ignore('short');
  if (frame.readUInt16BE(12) !== ETHERTYPE_ARP) return ignore('not-arp');
  if (frame.length < FRAME_BYTES) return ignore('short');
  if (frame.readUInt16BE(14) !== HARDWARE_ETHERNET || frame[18] !== 6) return ignore('hardware');
  if (frame.readUInt16BE(16) !== PROTOCOL_IPV4 || frame[19] !== 4) return ignore('protocol');
  const operation = frame.readUInt16BE(20);
  if (operation !== REQUEST && operation !== REPLY) return ignore('operation');
  const destination = frame.readUIntBE(0, 6);
  if (destination !== BROADCAST_MAC && destination !== mac) return ignore('destination');
  const senderMac = frame.readUIntBE(22, 6);
  if (senderMac === mac || frame.readUIntBE(6, 6) === mac) return ignore('own-frame');
  if (senderMac === 0 || isGroupMac(senderMac)) return ignore('sender');
  const senderAddress = frame.readUInt32BE(28);
  const target = frame.readUInt32BE(38);
  const claim = watched.has(senderAddress) ? { address: senderAddress, mac: senderMac } : null;
  const probe =
    operation === REQUEST && senderAddress === 0 && watched.has(target)
      ? { address: target, mac: senderMac }
      : null;
  // Who announces the address itself does not ask for it.
  if (operation === REQUEST && senderAddress !== target && owned.has(target)) {
    const reply = encode(senderMac, mac, REPLY, mac, target, senderMac, senderAddress);
    return { reply, address: target, claim, probe, ignored: null };
  }
  if (claim !== null || probe !== null) return { ...NOTHING, claim, probe };
  return ignore(operation === REQUEST ? 'not-announced' : 'foreign-reply');
}

/**
 * Tells all hosts that `address` is at `mac` from now on. Some only hear requests, some only replies (RFC 5227
 * section 3, RFC 5944 section 4.6).
 */
export function announceArp(address: number, mac: number): readonly Buffer[] {
  return [REQUEST, REPLY].map((operation) =>
    encode(BROADCAST_MAC, mac, operation, mac, address, BROADCAST_MAC, address),
  );
}

/** Asks whether anybody has `address`, without saying that we want it (RFC 5227 section 2.1.1). */
export function probeArp(address: number, mac: number): Buffer {
  return encode(BROADCAST_MAC, mac, REQUEST, mac, 0, 0, address);
}

function encode(
  destination: number,
  source: number,
  operation: number,
  senderMac: number,
  senderAddress: number,
  targetMac: number,
  targetAddress: number,
): Buffer {
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUIntBE(destination, 0, 6);
  frame.writeUIntBE(source, 6, 6);
  frame.writeUInt16BE(ETHERTYPE_ARP, 12);
  frame.writeUInt16BE(HARDWARE_ETHERNET, 14);
  frame.writeUInt16BE(PROTOCOL_IPV4, 16);
  frame[18] = 6;
  frame[19] = 4;
  frame.writeUInt16BE(operation, 20);
  frame.writeUIntBE(senderMac, 22, 6);
  frame.writeUInt32BE(senderAddress, 28);
  frame.writeUIntBE(targetMac, 32, 6);
  frame.writeUInt32BE(targetAddress, 38);
  return frame;
}
