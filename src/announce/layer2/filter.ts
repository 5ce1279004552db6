/** What the kernel lets through to the sockets of a segment, so that other traffic does not even wake us. */
import type { FilterInstruction } from '../../linux/sockets.ts';

const LOAD_BYTE = 0x30;
const IF_EQUAL = 0x15;
const IF_GREATER = 0x25;
const RETURN = 0x06;
/** SKF_AD_OFF + SKF_AD_PKTTYPE: 0 for us, 1 to all, 2 to a group, 3 for another host, 4 sent by this one. */
const PACKET_TYPE = 0xfffff000 + 4;
const TO_A_GROUP = 2;
/** Behind the Ethernet header: of IPv6 the next header, of ICMPv6 the type. */
const NEXT_HEADER = 14 + 6;
const ICMP_TYPE = 14 + 40;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
/** No message of these is longer, padding included. */
const MOST_BYTES = 1514;

/**
 * Frames of VLANs that this host is not in count as for another host. Without that they would be answered, in the
 * wrong network.
 */
export const ARP_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_GREATER, 1, 0, TO_A_GROUP],
  [RETURN, 0, 0, MOST_BYTES],
  [RETURN, 0, 0, 0],
];

export const NDP_FILTER: readonly FilterInstruction[] = [
  [LOAD_BYTE, 0, 0, PACKET_TYPE],
  [IF_GREATER, 6, 0, TO_A_GROUP],
  [LOAD_BYTE, 0, 0, NEXT_HEADER],
  [IF_EQUAL, 0, 4, ICMPV6],
  [LOAD_BYTE, 0, 0, ICMP_TYPE],
  [IF_EQUAL, 1, 0, SOLICITATION],
  [IF_EQUAL, 0, 1, ADVERTISEMENT],
  [RETURN, 0, 0, MOST_BYTES],
  [RETURN, 0, 0, 0],
];
