/** The optional parameters of OPEN: capabilities (RFC 5492). Unknown ones are skipped. */
import type { Capabilities, Family, GracefulRestart } from './message.ts';
import { type Malformed, malformed, OPEN_ERROR } from './notification.ts';

const MULTIPROTOCOL = 1;
const ROUTE_REFRESH = 2;
const EXTENDED_NEXT_HOP = 5;
const GRACEFUL_RESTART = 64;
const FOUR_OCTET_AS = 65;

const CAPABILITIES_PARAMETER = 2;
/** RFC 9072: the first type is 255, whatever the length before it says, and lengths have 16 bits from there on. */
const EXTENDED = 255;

const SAFI_UNICAST = 1;
const AFI: Readonly<Record<Family, number>> = { ipv4: 1, ipv6: 2 };

/** null for what we do not speak. */
export function familyFromWire(afi: number, safi: number): Family | null {
  if (safi !== SAFI_UNICAST) return null;
  return afi === 1 ? 'ipv4' : afi === 2 ? 'ipv6' : null;
}

/** AFI (16 bits) and SAFI. */
export const familyToWire = (family: Family): readonly [number, number, number] => [
  0,
  AFI[family],
  SAFI_UNICAST,
];

/** The optional parameters with their length byte in front. */
export function encodeCapabilities(capabilities: Capabilities, as: number): Buffer {
  const parts: number[] = [];
  const add = (code: number, value: readonly number[]) => parts.push(code, value.length, ...value);
  for (const family of capabilities.families ?? []) {
    const [high, low, safi] = familyToWire(family);
    add(MULTIPROTOCOL, [high, low, 0, safi]);
  }
  if (capabilities.routeRefresh) add(ROUTE_REFRESH, []);
  if (capabilities.extendedNextHop) add(EXTENDED_NEXT_HOP, [0, AFI.ipv4, 0, SAFI_UNICAST, 0, AFI.ipv6]);
  if (capabilities.gracefulRestart !== null)
    add(GRACEFUL_RESTART, encodeGracefulRestart(capabilities.gracefulRestart));
  if (capabilities.fourOctetAs) add(FOUR_OCTET_AS, fourOctets(as));
  if (parts.length === 0) return Buffer.from([0]);
  return Buffer.from([parts.length + 2, CAPABILITIES_PARAMETER, parts.length, ...parts]);
}

/** Our 4-octet AS capability alone, to say in a NOTIFICATION that it is wanted (RFC 5492 section 5). */
export const wantedFourOctetAs = (as: number): Uint8Array =>
  Uint8Array.from([FOUR_OCTET_AS, 4, ...fourOctets(as)]);

const fourOctets = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

function encodeGracefulRestart({ restarting, seconds, families }: GracefulRestart): number[] {
  const flags = (restarting ? 0x80 : 0) | ((seconds >> 8) & 0x0f);
  return [
    flags,
    seconds & 255,
    ...families.flatMap(({ family, forwarding }) => [...familyToWire(family), forwarding ? 0x80 : 0]),
  ];
}

export interface DecodedCapabilities {
  readonly capabilities: Capabilities;
  /** Of the 4-octet AS capability; null without. */
  readonly as: number | null;
}

/** What is collected while the parameters are read. */
interface Draft {
  families: Family[] | null;
  as: number | null;
  routeRefresh: boolean;
  extendedNextHop: boolean;
  gracefulRestart: GracefulRestart | null;
}

/** `bytes`: the parameters with their length byte in front, to the end of the message. */
export function decodeCapabilities(bytes: Buffer): DecodedCapabilities | Malformed {
  const draft: Draft = {
    families: null,
    as: null,
    routeRefresh: false,
    extendedNextHop: false,
    gracefulRestart: null,
  };
  const extended = bytes[0] !== 0 && bytes[1] === EXTENDED;
  const head = extended ? 4 : 1;
  if (bytes.length < head) return malformed(OPEN_ERROR, 0);
  const length = extended ? bytes.readUInt16BE(2) : bytes[0]!;
  if (length !== bytes.length - head) return malformed(OPEN_ERROR, 0);
  let at = head;
  while (at < bytes.length) {
    const lengthBytes = extended ? 2 : 1;
    if (bytes.length - at < 1 + lengthBytes) return malformed(OPEN_ERROR, 0);
    const type = bytes[at]!;
    const size = extended ? bytes.readUInt16BE(at + 1) : bytes[at + 1]!;
    at += 1 + lengthBytes;
    if (size > bytes.length - at) return malformed(OPEN_ERROR, 0);
    if (type !== CAPABILITIES_PARAMETER) return malformed(OPEN_ERROR, 4);
    if (!readCapabilities(bytes.subarray(at, at + size), draft)) return malformed(OPEN_ERROR, 0);
    at += size;
  }
  const { as, ...capabilities } = draft;
  return { capabilities: { ...capabilities, fourOctetAs: as !== null }, as };
}

/** False when a capability does not end within the parameter, or a known one has a length it may not have. */
function readCapabilities(bytes: Buffer, draft: Draft): boolean {
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 2) return false;
    const size = bytes[at + 1]!;
    if (size > bytes.length - at - 2) return false;
    if (!readCapability(bytes[at]!, bytes.subarray(at + 2, at + 2 + size), draft)) return false;
    at += 2 + size;
  }
  return true;
}

function readCapability(code: number, value: Buffer, draft: Draft): boolean {
  switch (code) {
    case MULTIPROTOCOL: {
      if (value.length !== 4) return false;
      draft.families ??= [];
      const family = familyFromWire(value.readUInt16BE(0), value[3]!);
      if (family !== null && !draft.families.includes(family)) draft.families.push(family);
      return true;
    }
    case ROUTE_REFRESH:
      draft.routeRefresh = true;
      return true;
    case EXTENDED_NEXT_HOP:
      for (let i = 0; i + 6 <= value.length; i += 6) {
        const family = familyFromWire(value.readUInt16BE(i), value.readUInt16BE(i + 2));
        if (family === 'ipv4' && value.readUInt16BE(i + 4) === AFI.ipv6) draft.extendedNextHop = true;
      }
      return value.length % 6 === 0;
    case GRACEFUL_RESTART:
      draft.gracefulRestart = decodeGracefulRestart(value);
      return value.length >= 2 && (value.length - 2) % 4 === 0;
    case FOUR_OCTET_AS:
      if (value.length !== 4) return false;
      draft.as = value.readUInt32BE(0);
      return true;
    default:
      return true;
  }
}

function decodeGracefulRestart(value: Buffer): GracefulRestart | null {
  if (value.length < 2) return null;
  const families: { family: Family; forwarding: boolean }[] = [];
  for (let i = 2; i + 4 <= value.length; i += 4) {
    const family = familyFromWire(value.readUInt16BE(i), value[i + 2]!);
    if (family !== null && !families.some((known) => known.family === family))
      families.push({ family, forwarding: (value[i + 3]! & 0x80) !== 0 });
  }
  return {
    restarting: (value[0]! & 0x80) !== 0,
    seconds: value.readUInt16BE(0) & 0x0fff,
    families,
  };
}
