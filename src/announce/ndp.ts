/**
 * Neighbour Discovery (RFC 4861) for addresses that no interface has: frames in, the frame to answer with out. Pure.
 * Sender and checksum of what we send are those a kernel would use that had the address.
 */
import { isGroupMac } from './mac.ts';
import type { NeighbourResult, NeighbourView } from './neighbour.ts';

export const ETHERTYPE_IPV6 = 0x86dd;
const ETHERNET_HEADER = 14;
const IPV6_HEADER = 40;
const ICMP = ETHERNET_HEADER + IPV6_HEADER;
/** Type, code, checksum, flags, target. */
const MESSAGE_BYTES = 24;
const OPTION_BYTES = 8;
const NEXT_HEADER_ICMPV6 = 58;
const HOP_LIMIT = 255;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const SOURCE_LINK_LAYER = 1;
const TARGET_LINK_LAYER = 2;
const SOLICITED = 0x4000_0000;
const OVERRIDE = 0x2000_0000;
const ALL_NODES = (0xff02n << 112n) | 1n;
const SOLICITED_NODE = (0xff02n << 112n) | 0x1_ff00_0000n;
/** RFC 2464 section 7: 33:33 and the last four bytes of the group. */
const MULTICAST_MAC = 0x3333_0000_0000;

/** Why a frame had no effect; the rules of RFC 4861 sections 7.1.1 and 7.1.2. */
export type NdpIgnored =
  | 'short'
  | 'not-ipv6' // another EtherType, a VLAN tag too
  | 'not-icmpv6' // extension headers too: fragments of these messages are refused (RFC 6980)
  | 'type' // neither solicitation nor advertisement
  | 'own-frame'
  | 'destination'
  | 'hop-limit' // it came from another network
  | 'length'
  | 'checksum'
  | 'code'
  | 'multicast-target'
  | 'option-length'
  | 'unspecified-source' // `::` with a link-layer option, or not to the solicited-node group
  | 'sender'
  | 'not-announced'
  | 'foreign-advertisement';

type NdpResult = NeighbourResult<bigint, NdpIgnored>;

const NOTHING = { reply: null, address: 0n, claim: null, probe: null, ignored: null } as const;
const ignore = (ignored: NdpIgnored): NdpResult => ({ ...NOTHING, ignored });

/** What to do about a frame; padding behind the packet does not count. */
export function receiveNdp(frame: Buffer, { mac, owned, watched }: NeighbourView<bigint>): NdpResult {
  const invalid = check(frame, mac);
  if (invalid !== null) return ignore(invalid);
  const end = ICMP + frame.readUInt16BE(18);
  const target = readAddress(frame, ICMP + 8);
  if (target >> 120n === 0xffn) return ignore('multicast-target');
  const solicitation = frame[ICMP] === SOLICITATION;
  const option = linkLayerOption(frame, end, solicitation ? SOURCE_LINK_LAYER : TARGET_LINK_LAYER);
  if (option === null) return ignore('option-length');
  // Solicitations to one host may come without the option (section 4.3).
  const sender = option === 0 ? frame.readUIntBE(6, 6) : option;
  if (sender === mac) return ignore('own-frame');
  if (isGroupMac(sender)) return ignore('sender');
  const source = readAddress(frame, 22);
  const claims = solicitation ? source : target;
  const claim = watched.has(claims) ? { address: claims, mac: sender } : null;
  const probe =
    solicitation && source === 0n && watched.has(target) ? { address: target, mac: sender } : null;
  if (solicitation) {
    const badSource = source === 0n && (option !== 0 || readAddress(frame, 38) !== solicitedNode(target));
    if (badSource) return ignore('unspecified-source');
    if (owned.has(target)) {
      // Section 7.2.4: who checks for duplicates has no address to answer to, and all are told.
      const reply = source === 0n ? announceNdp(target, mac) : advertise(sender, source, mac, target, true);
      return { reply, address: target, claim, probe, ignored: null };
    }
  }
  if (claim !== null || probe !== null) return { ...NOTHING, claim, probe };
  return ignore(solicitation ? 'not-announced' : 'foreign-advertisement');
}

/** Headers and checksum; null when they are right. */
function check(frame: Buffer, mac: number): NdpIgnored | null {
  if (frame.length < ETHERNET_HEADER) return 'short';
  if (frame.readUInt16BE(12) !== ETHERTYPE_IPV6) return 'not-ipv6';
  if (frame.length < ICMP) return 'short';
  if (frame[ETHERNET_HEADER]! >> 4 !== 6) return 'not-ipv6';
  if (frame[20] !== NEXT_HEADER_ICMPV6) return 'not-icmpv6';
  const length = frame.readUInt16BE(18);
  if (frame.length < ICMP + length) return 'short';
  if (length < MESSAGE_BYTES) return 'length';
  const type = frame[ICMP];
  if (type !== SOLICITATION && type !== ADVERTISEMENT) return 'type';
  if (frame.readUIntBE(6, 6) === mac) return 'own-frame';
  const destination = frame.readUIntBE(0, 6);
  if (destination !== mac && Math.floor(destination / 2 ** 32) !== MULTICAST_MAC / 2 ** 32)
    return 'destination';
  if (frame[21] !== HOP_LIMIT) return 'hop-limit';
  if (checksum(frame.subarray(0, ICMP + length)) !== 0) return 'checksum';
  return frame[ICMP + 1] === 0 ? null : 'code';
}

/** The link-layer address of the option of this type; 0 without one, null when an option has no length. */
function linkLayerOption(frame: Buffer, end: number, type: number): number | null {
  let found = 0;
  for (let at = ICMP + MESSAGE_BYTES; at < end; ) {
    const length = (frame[at + 1] ?? 0) * 8;
    if (at + 2 > end || length === 0 || at + length > end) return null;
    if (frame[at] === type && length === OPTION_BYTES) found = frame.readUIntBE(at + 2, 6);
    at += length;
  }
  return found;
}

/** Tells all hosts that `address` is at `mac` from now on (section 7.2.6). */
export function announceNdp(address: bigint, mac: number): Buffer {
  return advertise(multicastMac(ALL_NODES), ALL_NODES, mac, address, false);
}

/** Asks whether anybody has `address`, without saying that we want it (RFC 4862 section 5.4.2). */
export function probeNdp(address: bigint, mac: number): Buffer {
  const group = solicitedNode(address);
  return encode(multicastMac(group), mac, 0n, group, SOLICITATION, 0, address, null);
}

/** The Ethernet group that solicitations for `address` go to. */
export function solicitedNodeMac(address: bigint): number {
  return multicastMac(solicitedNode(address));
}

/** ff02::1:ff00:0 with the last three bytes of the address (RFC 4291 section 2.7.1). */
export function solicitedNode(address: bigint): bigint {
  return SOLICITED_NODE | (address & 0xff_ffffn);
}

function multicastMac(group: bigint): number {
  return MULTICAST_MAC + Number(group & 0xffff_ffffn);
}

/** With override: nobody else has the address, so what others remember is wrong. */
function advertise(to: number, toIp: bigint, mac: number, address: bigint, solicited: boolean): Buffer {
  const flags = OVERRIDE + (solicited ? SOLICITED : 0);
  return encode(to, mac, address, toIp, ADVERTISEMENT, flags, address, mac);
}

function encode(
  to: number,
  from: number,
  source: bigint,
  destination: bigint,
  type: number,
  flags: number,
  target: bigint,
  linkLayer: number | null,
): Buffer {
  const length = MESSAGE_BYTES + (linkLayer === null ? 0 : OPTION_BYTES);
  const frame = Buffer.alloc(ICMP + length);
  frame.writeUIntBE(to, 0, 6);
  frame.writeUIntBE(from, 6, 6);
  frame.writeUInt16BE(ETHERTYPE_IPV6, 12);
  frame[ETHERNET_HEADER] = 0x60;
  frame.writeUInt16BE(length, 18);
  frame[20] = NEXT_HEADER_ICMPV6;
  frame[21] = HOP_LIMIT;
  writeAddress(frame, source, 22);
  writeAddress(frame, destination, 38);
  frame[ICMP] = type;
  frame.writeUInt32BE(flags, ICMP + 4);
  writeAddress(frame, target, ICMP + 8);
  if (linkLayer !== null) {
    frame[ICMP + MESSAGE_BYTES] = TARGET_LINK_LAYER;
    frame[ICMP + MESSAGE_BYTES + 1] = OPTION_BYTES / 8;
    frame.writeUIntBE(linkLayer, ICMP + MESSAGE_BYTES + 2, 6);
  }
  frame.writeUInt16BE(checksum(frame), ICMP + 2);
  return frame;
}

/** RFC 4443 section 2.3: over addresses, length, next header and message; 0 over one that has its own in it. */
function checksum(frame: Buffer): number {
  const odd = frame.length % 2;
  let sum = frame.length - ICMP + NEXT_HEADER_ICMPV6;
  for (let at = 22; at < frame.length - odd; at += 2) sum += frame.readUInt16BE(at);
  if (odd === 1) sum += frame[frame.length - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function readAddress(frame: Buffer, at: number): bigint {
  return (frame.readBigUInt64BE(at) << 64n) | frame.readBigUInt64BE(at + 8);
}

function writeAddress(frame: Buffer, address: bigint, at: number): void {
  frame.writeBigUInt64BE(address >> 64n, at);
  frame.writeBigUInt64BE(address & 0xffff_ffff_ffff_ffffn, at + 8);
}
