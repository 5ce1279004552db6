/**
 * What speakers tell each other, to and from bytes: one datagram, authenticated with HMAC-SHA256 over a key that all
 * of them share.
 *
 *     magic u32 · version u8 · flags u8 · boot u64 · counter u64 · part u8 · parts u8
 *     name · n × (hash of a heard name u32, its boot u64) · n × (interface name, MAC 48) · n × address · HMAC 32
 *
 * Names have a length byte, lists a count (u8, addresses u16); addresses are 4 or 16 bytes behind a byte that says so,
 * with 128 added when the sender would hand them over.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseIp } from '../../model/ip.ts';
import { formatIp } from '../../model/ip-text.ts';
import type { SecretBytes } from '../../model/snapshot.ts';
import { addressBytes } from '../address.ts';

export type Presence = 'here' | 'leaving' | 'gone';

/** An address that a speaker answers for, and whether it would hand it over. */
export type Claim = readonly [address: string, yielding: boolean];

export interface Heartbeat {
  readonly name: string;
  /** Random at each start of a speaker. */
  readonly boot: bigint;
  /** Grows with each datagram of a boot. */
  readonly counter: bigint;
  readonly presence: Presence;
  /** Whom the sender heard within its detection time: the boot by hash of the name. */
  readonly heard: ReadonlyMap<number, bigint>;
  readonly interfaces: readonly { readonly name: string; readonly mac: number }[];
  /** Addresses that the sender answers for: one part of several when they are many. */
  readonly claims: readonly Claim[];
  readonly part: number;
  readonly parts: number;
}

const MAGIC = 0x54474d42;
const VERSION = 1;
const HMAC_BYTES = 32;
const YIELDING = 0x80;
const FIXED_BYTES = 4 + 1 + 1 + 8 + 8 + 1 + 1;
const PRESENCES: readonly Presence[] = ['here', 'leaving', 'gone'];
export const MOST_HEARD = 255;
export const MOST_INTERFACES = 32;
/** Addresses in one datagram, which stays below 64 KiB whatever else is in it. */
export const CLAIMS_PER_PART = 60;
export const MOST_PARTS = 255;
export const LONGEST_DATAGRAM = 8192;

/** FNV-1a: it only has to tell a few hundred names apart, and the HMAC covers it. */
export function nameHash(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function encodeHeartbeat(heartbeat: Heartbeat, key: SecretBytes): Buffer {
  const { name, boot, counter, presence, heard, interfaces, claims, part, parts } = heartbeat;
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUInt32BE(MAGIC, 0);
  fixed[4] = VERSION;
  fixed[5] = PRESENCES.indexOf(presence);
  fixed.writeBigUInt64BE(boot, 6);
  fixed.writeBigUInt64BE(counter, 14);
  fixed[22] = part;
  fixed[23] = parts;
  const pieces: Uint8Array[] = [fixed, text(name), Uint8Array.of(heard.size)];
  for (const [hash, theirBoot] of heard) {
    const piece = Buffer.alloc(12);
    piece.writeUInt32BE(hash, 0);
    piece.writeBigUInt64BE(theirBoot, 4);
    pieces.push(piece);
  }
  pieces.push(Uint8Array.of(interfaces.length));
  for (const { name, mac } of interfaces) {
    const piece = Buffer.alloc(6);
    piece.writeUIntBE(mac, 0, 6);
    pieces.push(text(name), piece);
  }
  pieces.push(Uint8Array.of(claims.length >> 8, claims.length & 0xff));
  for (const [address, yielding] of claims) {
    const { family, value } = parseIp(address)!; // of the plan
    const bytes = addressBytes(family, value);
    pieces.push(Uint8Array.of(bytes.length | (yielding ? YIELDING : 0)), bytes);
  }
  const body = Buffer.concat(pieces);
  return Buffer.concat([body, sign(body, key)]);
}

/** Why a datagram is not looked at. */
export type HeartbeatIgnored = 'length' | 'magic' | 'version' | 'authentication' | 'malformed';

/** Nothing of a datagram is believed before its HMAC is right. */
export function decodeHeartbeat(bytes: Buffer, key: SecretBytes): Heartbeat | HeartbeatIgnored {
  if (bytes.length < FIXED_BYTES + HMAC_BYTES || bytes.length > LONGEST_DATAGRAM) return 'length';
  if (bytes.readUInt32BE(0) !== MAGIC) return 'magic';
  if (bytes[4] !== VERSION) return 'version';
  const body = bytes.subarray(0, -HMAC_BYTES);
  if (!timingSafeEqual(sign(body, key), bytes.subarray(-HMAC_BYTES))) return 'authentication';
  try {
    return readBody(body);
  } catch (error) {
    // A reader past the end: whoever has the key speaks another language.
    if (error instanceof RangeError) return 'malformed';
    throw error;
  }
}

function readBody(body: Buffer): Heartbeat | 'malformed' {
  const presence = PRESENCES[body[5]!]; // its length was checked
  const [part, parts] = [body[22]!, body[23]!];
  let at = FIXED_BYTES;
  const take = (length: number) => {
    if (at + length > body.length) throw new RangeError('past the end');
    at += length;
    return body.subarray(at - length, at);
  };
  const takeText = () => take(take(1)[0]!).toString('utf8');
  const name = takeText();
  const heard = new Map<number, bigint>();
  for (let n = take(1)[0]!; n > 0; n--) {
    const piece = take(12);
    heard.set(piece.readUInt32BE(0), piece.readBigUInt64BE(4));
  }
  const interfaces: { name: string; mac: number }[] = [];
  for (let n = take(1)[0]!; n > 0; n--) interfaces.push({ name: takeText(), mac: take(6).readUIntBE(0, 6) });
  const claims: Claim[] = [];
  for (let n = take(2).readUInt16BE(0); n > 0; n--) {
    const first = take(1)[0]!;
    const length = first & ~YIELDING;
    if (length !== 4 && length !== 16) return 'malformed';
    const value = BigInt(`0x${take(length).toString('hex')}`);
    claims.push([formatIp({ family: length === 4 ? 4 : 6, value }), length !== first]);
  }
  if (presence === undefined || name === '' || part >= parts || at !== body.length) return 'malformed';
  if (interfaces.length > MOST_INTERFACES) return 'malformed';
  const [boot, counter] = [body.readBigUInt64BE(6), body.readBigUInt64BE(14)];
  return { name, boot, counter, presence, heard, interfaces, claims, part, parts };
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
}

function sign(body: Buffer, key: SecretBytes): Buffer {
  return createHmac('sha256', key.reveal()).update(body).digest();
}
