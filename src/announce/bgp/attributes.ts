/**
 * Path attributes (RFC 4271 section 4.3) from and to bytes. Received routes are never used, so decoding exists to
 * find out what an UPDATE deserves (RFC 7606): a reset only where the prefixes cannot be located any more.
 */
import type { IpPrefix } from '../../model/ip.ts';
import { addressBytes } from '../address.ts';
import { familyFromWire, familyToWire } from './capabilities.ts';
import type { AsSegment, Family, LargeCommunity, NextHop, PathAttributes, Update } from './message.ts';
import { decodePrefixes, encodePrefixes, readAddress } from './nlri.ts';
import { type Malformed, malformed, UPDATE_ERROR } from './notification.ts';

const OPTIONAL = 0x80;
const TRANSITIVE = 0x40;
const EXTENDED_LENGTH = 0x10;

const ORIGIN = 1;
const AS_PATH = 2;
const NEXT_HOP = 3;
const MED = 4;
const LOCAL_PREF = 5;
const ATOMIC_AGGREGATE = 6;
const AGGREGATOR = 7;
const COMMUNITIES = 8;
const MP_REACH = 14;
const MP_UNREACH = 15;
const AS4_PATH = 17;
const LARGE_COMMUNITY = 32;

/** What a 2-octet speaker sees in place of an AS that does not fit (RFC 6793 section 4.2.2). */
export const AS_TRANS = 23456;

const LARGEST_16_BITS = 0xffff;
const IN_ONE_SEGMENT = 255;

/** Flags of the attributes that we know; others are judged by their OPTIONAL bit alone. */
const FLAGS: Readonly<Record<number, number>> = {
  [ORIGIN]: TRANSITIVE,
  [AS_PATH]: TRANSITIVE,
  [NEXT_HOP]: TRANSITIVE,
  [MED]: OPTIONAL,
  [LOCAL_PREF]: TRANSITIVE,
  [ATOMIC_AGGREGATE]: TRANSITIVE,
  [AGGREGATOR]: OPTIONAL | TRANSITIVE,
  [COMMUNITIES]: OPTIONAL | TRANSITIVE,
  [MP_REACH]: OPTIONAL,
  [MP_UNREACH]: OPTIONAL,
  [AS4_PATH]: OPTIONAL | TRANSITIVE,
  [LARGE_COMMUNITY]: OPTIONAL | TRANSITIVE,
};

function attribute(type: number, value: Uint8Array): Buffer {
  const flags = FLAGS[type]!; // only known ones are encoded
  const head =
    value.length > 255
      ? [flags | EXTENDED_LENGTH, type, value.length >> 8, value.length & 255]
      : [flags, type, value.length];
  return Buffer.concat([Buffer.from(head), value]);
}

/**
 * All attributes of an UPDATE, in ascending order of type; MP_REACH_NLRI comes first, as RFC 7606 section 5.1
 * recommends. `fourOctetAs`: both sides speak RFC 6793.
 */
export function encodeAttributes(
  update: Pick<Update, 'attributes' | 'reachable' | 'unreachable'>,
  fourOctetAs: boolean,
): Buffer {
  const { attributes, reachable, unreachable } = update;
  const parts: Buffer[] = [];
  if (reachable !== null) parts.push(attribute(MP_REACH, encodeReachable(reachable)));
  if (attributes !== null) {
    const { nextHop, med, localPref, communities, asPath } = attributes;
    parts.push(attribute(ORIGIN, Buffer.from([attributes.origin])));
    parts.push(attribute(AS_PATH, encodeAsPath(asPath, fourOctetAs)));
    if (nextHop !== null) parts.push(attribute(NEXT_HOP, addressBytes(4, nextHop)));
    if (med !== null) parts.push(attribute(MED, u32s([med])));
    if (localPref !== null) parts.push(attribute(LOCAL_PREF, u32s([localPref])));
    if (communities.length > 0) parts.push(attribute(COMMUNITIES, u32s(communities)));
  }
  if (unreachable !== null)
    parts.push(
      attribute(
        MP_UNREACH,
        Buffer.concat([Buffer.from(familyToWire(unreachable.family)), encodePrefixes(unreachable.prefixes)]),
      ),
    );
  if (attributes !== null) {
    const { asPath, largeCommunities } = attributes;
    if (!fourOctetAs && asPath.some(({ as }) => as.some((number) => number > LARGEST_16_BITS)))
      parts.push(attribute(AS4_PATH, encodeAsPath(asPath, true)));
    if (largeCommunities.length > 0) parts.push(attribute(LARGE_COMMUNITY, u32s(largeCommunities.flat())));
  }
  return Buffer.concat(parts);
}

function u32s(values: readonly number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    out.writeUInt32BE(value, i * 4);
  });
  return out;
}

function encodeAsPath(path: readonly AsSegment[], fourOctets: boolean): Buffer {
  const parts: Buffer[] = [];
  for (const { kind, as } of path) {
    parts.push(Buffer.from([kind === 'set' ? 1 : 2, as.length]));
    const numbers = Buffer.alloc(as.length * (fourOctets ? 4 : 2));
    as.forEach((number, i) => {
      if (fourOctets) numbers.writeUInt32BE(number, i * 4);
      else numbers.writeUInt16BE(number > LARGEST_16_BITS ? AS_TRANS : number, i * 2);
    });
    parts.push(numbers);
  }
  return Buffer.concat(parts);
}

function encodeReachable({ family, nextHop, prefixes }: NonNullable<Update['reachable']>): Buffer {
  const address = addressBytes(nextHop.family, nextHop.value);
  const linkLocal = nextHop.linkLocal === null ? Buffer.alloc(0) : addressBytes(6, nextHop.linkLocal);
  return Buffer.concat([
    Buffer.from([...familyToWire(family), address.length + linkLocal.length]),
    address,
    linkLocal,
    Buffer.from([0]),
    encodePrefixes(prefixes),
  ]);
}

export interface DecodedAttributes {
  readonly attributes: PathAttributes;
  readonly reachable: Update['reachable'];
  readonly unreachable: Update['unreachable'];
  /** The routes of this message are to be handled as if they had been withdrawn (RFC 7606 section 2). */
  readonly treatAsWithdraw: boolean;
  /** Types that were there, known or not. */
  readonly present: ReadonlySet<number>;
}

/** What is collected while the attributes are read. */
interface Draft {
  origin: number;
  asPath: readonly AsSegment[];
  nextHop: bigint | null;
  med: number | null;
  localPref: number | null;
  communities: readonly number[];
  largeCommunities: readonly LargeCommunity[];
  reachable: Update['reachable'];
  unreachable: Update['unreachable'];
  treatAsWithdraw: boolean;
}

export function decodeAttributes(bytes: Buffer, fourOctetAs: boolean): DecodedAttributes | Malformed {
  const draft: Draft = {
    origin: 0,
    asPath: [],
    nextHop: null,
    med: null,
    localPref: null,
    communities: [],
    largeCommunities: [],
    reachable: null,
    unreachable: null,
    treatAsWithdraw: false,
  };
  const present = new Set<number>();
  let at = 0;
  while (at < bytes.length) {
    const flags = bytes[at]!;
    const head = (flags & EXTENDED_LENGTH) !== 0 ? 4 : 3;
    const left = bytes.length - at - head;
    const size = left < 0 ? 0 : head === 4 ? bytes.readUInt16BE(at + 2) : bytes[at + 2]!;
    // Lengths that do not fit: the list's own length still tells where the prefixes are (RFC 7606 section 4).
    if (left < 0 || size > left) {
      draft.treatAsWithdraw = true;
      break;
    }
    const type = bytes[at + 1]!;
    const whole = bytes.subarray(at, at + head + size);
    at += head + size;
    const repeated = present.has(type);
    present.add(type);
    if (repeated && (type === MP_REACH || type === MP_UNREACH)) return malformed(UPDATE_ERROR, 1);
    // Of other repeated attributes the first one counts (RFC 7606 section 3 g).
    if (repeated) continue;
    const refused = readAttribute(type, flags, whole.subarray(head), whole, fourOctetAs, draft);
    if (refused !== null) return refused;
  }
  const { reachable, unreachable, treatAsWithdraw, ...attributes } = draft;
  return { attributes, reachable, unreachable, treatAsWithdraw, present };
}

/** Reads one attribute into `draft`; gives what the session must end with, or null. */
function readAttribute(
  type: number,
  flags: number,
  value: Buffer,
  whole: Buffer,
  fourOctetAs: boolean,
  draft: Draft,
): Malformed | null {
  const expected = FLAGS[type];
  if (expected === undefined)
    return (flags & OPTIONAL) === 0 ? malformed(UPDATE_ERROR, 2, Uint8Array.from(whole)) : null;
  if ((flags & (OPTIONAL | TRANSITIVE)) !== expected) {
    // The prefixes inside cannot be trusted when the attribute that holds them is not what it says.
    if (type === MP_REACH || type === MP_UNREACH) return malformed(UPDATE_ERROR, 4, Uint8Array.from(whole));
    draft.treatAsWithdraw = true;
    return null;
  }
  if (type === MP_REACH) return readReachable(value, whole, draft);
  if (type === MP_UNREACH) return readUnreachable(value, whole, draft);
  if (!readPlain(type, value, fourOctetAs, draft)) draft.treatAsWithdraw = true;
  return null;
}

/** The attributes whose faults cost only the routes of their message; false for a fault. */
function readPlain(type: number, value: Buffer, fourOctetAs: boolean, draft: Draft): boolean {
  switch (type) {
    case ORIGIN:
      draft.origin = value[0] ?? 0;
      return value.length === 1 && draft.origin <= 2;
    case AS_PATH: {
      const path = decodeAsPath(value, fourOctetAs);
      draft.asPath = path ?? [];
      return path !== null;
    }
    case NEXT_HOP:
      draft.nextHop = value.length === 4 ? readAddress(value) : null;
      return value.length === 4;
    case MED:
      draft.med = value.length === 4 ? value.readUInt32BE(0) : null;
      return value.length === 4;
    case LOCAL_PREF:
      draft.localPref = value.length === 4 ? value.readUInt32BE(0) : null;
      return value.length === 4;
    case COMMUNITIES:
      draft.communities = value.length % 4 === 0 ? readU32s(value) : [];
      return value.length > 0 && value.length % 4 === 0;
    case LARGE_COMMUNITY:
      draft.largeCommunities = value.length % 12 === 0 ? readLargeCommunities(value) : [];
      return value.length > 0 && value.length % 12 === 0;
    default:
      // ATOMIC_AGGREGATE, AGGREGATOR and AS4_PATH: a broken one is left out, nothing else (RFC 7606 section 7).
      return true;
  }
}

function readU32s(bytes: Buffer): number[] {
  const values: number[] = [];
  for (let i = 0; i < bytes.length; i += 4) values.push(bytes.readUInt32BE(i));
  return values;
}

function readLargeCommunities(bytes: Buffer): LargeCommunity[] {
  const values: LargeCommunity[] = [];
  for (let i = 0; i < bytes.length; i += 12)
    values.push([bytes.readUInt32BE(i), bytes.readUInt32BE(i + 4), bytes.readUInt32BE(i + 8)]);
  return values;
}

/** null for segments of unknown kind, of no AS, with AS 0 (RFC 7607), or that do not end where the value ends. */
function decodeAsPath(bytes: Buffer, fourOctets: boolean): AsSegment[] | null {
  const size = fourOctets ? 4 : 2;
  const path: AsSegment[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 2) return null;
    const kind = bytes[at]!;
    const count = bytes[at + 1]!;
    at += 2;
    if ((kind !== 1 && kind !== 2) || count === 0 || count * size > bytes.length - at) return null;
    const as: number[] = [];
    for (let i = 0; i < count; i++, at += size) as.push(bytes.readUIntBE(at, size));
    if (as.includes(0)) return null;
    path.push({ kind: kind === 1 ? 'set' : 'sequence', as });
  }
  return path;
}

/** Our own path: `as` repeated never, split never; one segment holds up to 255. */
export function sequence(as: readonly number[]): AsSegment[] {
  return as.length === 0 ? [] : [{ kind: 'sequence', as: as.slice(0, IN_ONE_SEGMENT) }];
}

const broken = (whole: Buffer) => malformed(UPDATE_ERROR, 9, Uint8Array.from(whole));

/** RFC 4760 section 3. Families that we do not speak are passed over. */
function readReachable(value: Buffer, whole: Buffer, draft: Draft): Malformed | null {
  if (value.length < 5) return broken(whole);
  const family = familyFromWire(value.readUInt16BE(0), value[2]!);
  const size = value[3]!;
  if (size > value.length - 5) return broken(whole);
  if (family === null) return null;
  const nextHop = readNextHop(value.subarray(4, 4 + size), family);
  const prefixes = decodePrefixes(value.subarray(5 + size), family === 'ipv4' ? 4 : 6);
  if (nextHop === null || prefixes === null) return broken(whole);
  draft.reachable = { family, nextHop, prefixes };
  return null;
}

function readUnreachable(value: Buffer, whole: Buffer, draft: Draft): Malformed | null {
  if (value.length < 3) return broken(whole);
  const family = familyFromWire(value.readUInt16BE(0), value[2]!);
  if (family === null) return null;
  const prefixes = decodePrefixes(value.subarray(3), family === 'ipv4' ? 4 : 6);
  if (prefixes === null) return broken(whole);
  draft.unreachable = { family, prefixes };
  return null;
}

/** 16 or 32 bytes of IPv6 (RFC 2545 section 3); IPv4 prefixes may have 4 as well (RFC 8950 section 3). */
function readNextHop(bytes: Buffer, family: Family): NextHop | null {
  if (bytes.length === 4 && family === 'ipv4')
    return { family: 4, value: readAddress(bytes), linkLocal: null };
  if (bytes.length !== 16 && bytes.length !== 32) return null;
  return {
    family: 6,
    value: readAddress(bytes.subarray(0, 16)),
    linkLocal: bytes.length === 32 ? readAddress(bytes.subarray(16)) : null,
  };
}

/**
 * The mandatory attributes that are missing for what a message announces (RFC 4271 section 6.3, treated as a
 * withdrawal by RFC 7606 section 3 d).
 */
export function lacksMandatory(decoded: DecodedAttributes, announced: readonly IpPrefix[]): boolean {
  const { present, reachable } = decoded;
  if (announced.length === 0 && reachable === null) return false;
  return !present.has(ORIGIN) || !present.has(AS_PATH) || (announced.length > 0 && !present.has(NEXT_HOP));
}
