/** BGP messages from and to bytes (RFC 4271 section 4). Pure; every malformed input has its NOTIFICATION. */
import { AS_TRANS, decodeAttributes, encodeAttributes, lacksMandatory } from './attributes.ts';
import { decodeCapabilities, encodeCapabilities, familyFromWire, familyToWire } from './capabilities.ts';
import { KEEPALIVE, type Message, type Open, type RouteRefresh, type Update } from './message.ts';
import { decodePrefixes, encodePrefixes } from './nlri.ts';
import {
  HEADER_ERROR,
  type Malformed,
  malformed,
  type Notification,
  notification,
  OPEN_ERROR,
  REFRESH_ERROR,
  UPDATE_ERROR,
} from './notification.ts';

export const HEADER_BYTES = 19;
/** Without RFC 8654, which nothing that we send or keep needs. */
export const LONGEST_MESSAGE = 4096;

const VERSION = 4;
const OPEN = 1;
const UPDATE = 2;
const NOTIFICATION = 3;
const KEEPALIVE_TYPE = 4;
const ROUTE_REFRESH = 5;

/** RFC 4271 section 6.1; the shortest message of each type. */
const SHORTEST: Readonly<Record<number, number>> = {
  [OPEN]: 29,
  [UPDATE]: 23,
  [NOTIFICATION]: 21,
  [KEEPALIVE_TYPE]: HEADER_BYTES,
  [ROUTE_REFRESH]: 23,
};

/** `fourOctetAs`: both sides speak RFC 6793; it decides how AS_PATH is written. Throws when it is too long. */
export function encodeMessage(message: Message, fourOctetAs: boolean): Buffer {
  switch (message.type) {
    case 'open':
      return frame(OPEN, encodeOpen(message));
    case 'update':
      return frame(UPDATE, encodeUpdate(message, fourOctetAs));
    case 'notification':
      return frame(NOTIFICATION, Buffer.concat([Buffer.from([message.code, message.subcode]), message.data]));
    case 'keepalive':
      return frame(KEEPALIVE_TYPE, Buffer.alloc(0));
    case 'route-refresh': {
      const [high, low, safi] = familyToWire(message.family ?? 'ipv4');
      return frame(ROUTE_REFRESH, Buffer.from([high, low, 0, safi]));
    }
    default:
      return message satisfies never;
  }
}

function frame(type: number, body: Buffer): Buffer {
  const length = HEADER_BYTES + body.length;
  if (length > LONGEST_MESSAGE) throw new Error(`a BGP message of ${length} bytes`);
  const out = Buffer.alloc(length, 0xff);
  out.writeUInt16BE(length, 16);
  out[18] = type;
  body.copy(out, HEADER_BYTES);
  return out;
}

function encodeOpen({ as, holdTime, routerId, capabilities }: Open): Buffer {
  const head = Buffer.alloc(9);
  head[0] = VERSION;
  head.writeUInt16BE(as > 0xffff ? AS_TRANS : as, 1);
  head.writeUInt16BE(holdTime, 3);
  head.writeUInt32BE(routerId, 5);
  return Buffer.concat([head, encodeCapabilities(capabilities, as)]);
}

function encodeUpdate(update: Update, fourOctetAs: boolean): Buffer {
  const withdrawn = encodePrefixes(update.withdrawn);
  const attributes = encodeAttributes(update, fourOctetAs);
  return Buffer.concat([
    Buffer.from([withdrawn.length >> 8, withdrawn.length & 255]),
    withdrawn,
    Buffer.from([attributes.length >> 8, attributes.length & 255]),
    attributes,
    encodePrefixes(update.announced),
  ]);
}

/**
 * The length of the message that starts at `at`, once its header is there; null when more bytes are needed.
 * RFC 4271 section 6.1, in the order of its checks.
 */
export function messageLength(bytes: Buffer, at: number): number | Malformed | null {
  if (bytes.length - at < HEADER_BYTES) return null;
  for (let i = at; i < at + 16; i++) if (bytes[i] !== 0xff) return malformed(HEADER_ERROR, 1);
  const length = bytes.readUInt16BE(at + 16);
  const type = bytes[at + 18]!;
  const shortest = SHORTEST[type] ?? HEADER_BYTES;
  if (length < shortest || length > LONGEST_MESSAGE || (type === KEEPALIVE_TYPE && length !== HEADER_BYTES)) {
    // RFC 7313 section 5 has its own code for ROUTE-REFRESH, but only once the header is sound.
    return malformed(HEADER_ERROR, 2, Uint8Array.of(length >> 8, length & 255));
  }
  if (SHORTEST[type] === undefined) return malformed(HEADER_ERROR, 3, Uint8Array.of(type));
  return length;
}

/** Takes one whole message, as measured by {@link messageLength}. */
export function decodeMessage(bytes: Buffer, fourOctetAs: boolean): Message | Malformed {
  const body = bytes.subarray(HEADER_BYTES);
  switch (bytes[18]) {
    case OPEN:
      return decodeOpen(body);
    case UPDATE:
      return decodeUpdate(body, fourOctetAs);
    case NOTIFICATION:
      return decodeNotification(body);
    case KEEPALIVE_TYPE:
      return KEEPALIVE;
    default:
      return decodeRouteRefresh(body);
  }
}

/** RFC 4271 section 6.2, as far as it does not depend on who the peer should be. */
function decodeOpen(body: Buffer): Open | Malformed {
  if (body[0] !== VERSION) return malformed(OPEN_ERROR, 1, Uint8Array.of(0, VERSION));
  const decoded = decodeCapabilities(body.subarray(9));
  if ('type' in decoded) return decoded;
  const as = decoded.as ?? body.readUInt16BE(1);
  const holdTime = body.readUInt16BE(3);
  const routerId = body.readUInt32BE(5);
  if (as === 0) return malformed(OPEN_ERROR, 2);
  if (holdTime === 1 || holdTime === 2) return malformed(OPEN_ERROR, 6);
  if (routerId === 0) return malformed(OPEN_ERROR, 3);
  return { type: 'open', as, holdTime, routerId, capabilities: decoded.capabilities };
}

/** RFC 4271 section 6.3, as revised by RFC 7606. */
function decodeUpdate(body: Buffer, fourOctetAs: boolean): Update | Malformed {
  const withdrawnBytes = body.readUInt16BE(0);
  if (withdrawnBytes > body.length - 4) return malformed(UPDATE_ERROR, 1);
  const at = 2 + withdrawnBytes;
  const attributeBytes = body.readUInt16BE(at);
  if (attributeBytes > body.length - at - 2) return malformed(UPDATE_ERROR, 1);
  const withdrawn = decodePrefixes(body.subarray(2, at), 4);
  const announced = decodePrefixes(body.subarray(at + 2 + attributeBytes), 4);
  if (withdrawn === null || announced === null) return malformed(UPDATE_ERROR, 10);
  const decoded = decodeAttributes(body.subarray(at + 2, at + 2 + attributeBytes), fourOctetAs);
  if ('type' in decoded) return decoded;
  const { reachable, unreachable } = decoded;
  const announces = announced.length > 0 || reachable !== null;
  const usable = announces && !decoded.treatAsWithdraw && !lacksMandatory(decoded, announced);
  return {
    type: 'update',
    withdrawn,
    unreachable,
    attributes: usable ? decoded.attributes : null,
    reachable,
    announced,
  };
}

function decodeNotification(body: Buffer): Notification {
  // A copy: it outlives the buffer that it came in.
  return notification(body[0]!, body[1]!, Uint8Array.from(body.subarray(2)));
}

/** RFC 2918; the byte between AFI and SAFI is a subtype since RFC 7313, which we do not ask for. */
function decodeRouteRefresh(body: Buffer): RouteRefresh | Malformed {
  if (body.length !== 4) return malformed(REFRESH_ERROR, 1);
  const family = body[2] === 0 ? familyFromWire(body.readUInt16BE(0), body[3]!) : null;
  return { type: 'route-refresh', family };
}
