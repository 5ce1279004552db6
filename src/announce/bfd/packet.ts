/** BFD control packets (RFC 5880 section 4.1) from and to bytes. */

export type BfdState = 'AdminDown' | 'Down' | 'Init' | 'Up';

/** By their numbers. */
const STATES: readonly BfdState[] = ['AdminDown', 'Down', 'Init', 'Up'];

/** Why a session left Up, as its peer is told; of the numbers of RFC 5880 section 4.1 those that we use. */
export const Diagnostic = {
  none: 0,
  detectionTimeExpired: 1,
  neighbourSignaledDown: 3,
  administrativelyDown: 7,
} as const;

export interface BfdPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  /** P: the sender waits for a packet with F. */
  readonly poll: boolean;
  readonly final: boolean;
  /** D: the sender does without periodic packets once both are Up. We never do (RFC 5880 section 6.6). */
  readonly demand: boolean;
  readonly multiplier: number;
  readonly myDiscriminator: number;
  /** 0 while the sender has not heard of us. */
  readonly yourDiscriminator: number;
  /** Microseconds. */
  readonly desiredMinTx: number;
  readonly requiredMinRx: number;
  readonly requiredMinEchoRx: number;
}

const VERSION = 1;
const PACKET_BYTES = 24;
const POLL = 0x20;
const FINAL = 0x10;
const AUTHENTICATED = 0x04;
const DEMAND = 0x02;
const MULTIPOINT = 0x01;

export function encodePacket(packet: BfdPacket): Buffer {
  const out = Buffer.alloc(PACKET_BYTES);
  out[0] = (VERSION << 5) | packet.diagnostic;
  out[1] =
    (STATES.indexOf(packet.state) << 6) |
    (packet.poll ? POLL : 0) |
    (packet.final ? FINAL : 0) |
    (packet.demand ? DEMAND : 0);
  out[2] = packet.multiplier;
  out[3] = PACKET_BYTES;
  out.writeUInt32BE(packet.myDiscriminator, 4);
  out.writeUInt32BE(packet.yourDiscriminator, 8);
  out.writeUInt32BE(packet.desiredMinTx, 12);
  out.writeUInt32BE(packet.requiredMinRx, 16);
  out.writeUInt32BE(packet.requiredMinEchoRx, 20);
  return out;
}

/** Why a packet is not looked at (RFC 5880 section 6.8.6, in its order). */
export type BfdDiscard =
  | 'version'
  | 'length'
  | 'multiplier'
  | 'multipoint'
  | 'no-discriminator'
  | 'state-without-discriminator'
  | 'authenticated';

export function decodePacket(bytes: Buffer): BfdPacket | BfdDiscard {
  if (bytes.length < PACKET_BYTES) return 'length';
  const first = bytes[0]!;
  const flags = bytes[1]!;
  if (first >> 5 !== VERSION) return 'version';
  const length = bytes[3]!;
  if (length < PACKET_BYTES || length > bytes.length) return 'length';
  if (bytes[2] === 0) return 'multiplier';
  if ((flags & MULTIPOINT) !== 0) return 'multipoint';
  const packet: BfdPacket = {
    diagnostic: first & 0x1f,
    state: STATES[flags >> 6]!, // two bits
    poll: (flags & POLL) !== 0,
    final: (flags & FINAL) !== 0,
    demand: (flags & DEMAND) !== 0,
    multiplier: bytes[2]!,
    myDiscriminator: bytes.readUInt32BE(4),
    yourDiscriminator: bytes.readUInt32BE(8),
    desiredMinTx: bytes.readUInt32BE(12),
    requiredMinRx: bytes.readUInt32BE(16),
    requiredMinEchoRx: bytes.readUInt32BE(20),
  };
  if (packet.myDiscriminator === 0) return 'no-discriminator';
  if (packet.yourDiscriminator === 0 && packet.state !== 'Down' && packet.state !== 'AdminDown')
    return 'state-without-discriminator';
  // We have no keys to check it with, and MetalLB's BFDProfile has no field for one.
  return (flags & AUTHENTICATED) !== 0 ? 'authenticated' : packet;
}
