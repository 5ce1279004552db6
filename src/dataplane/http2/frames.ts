/** The frames of HTTP/2 (RFC 9113 4 and 6): names, bounds, and how they are written (as latin1 text). Hot path. */

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const HAS_PRIORITY = 0x20;

/** Error codes (RFC 9113 7). */
export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

export const SETTINGS_HEADER_TABLE_SIZE = 1;
export const SETTINGS_ENABLE_PUSH = 2;
export const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
export const SETTINGS_INITIAL_WINDOW_SIZE = 4;
export const SETTINGS_MAX_FRAME_SIZE = 5;
export const SETTINGS_MAX_HEADER_LIST_SIZE = 6;
export const SETTINGS_ENABLE_CONNECT_PROTOCOL = 8;

export const FRAME_HEAD = 9;
/** The largest payload we take and send: the default of SETTINGS_MAX_FRAME_SIZE. */
export const MAX_PAYLOAD = 16_384;
export const MAX_WINDOW = 0x7fff_ffff;
export const DEFAULT_WINDOW = 65_535;

/** "No limit" for a number of streams. */
export const MOST_STREAMS = 0x7fff_ffff;

/** What a client sends first (RFC 9113 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** The nine bytes before a payload of `length` bytes. */
export function frameHead(length: number, type: number, flags: number, id: number): string {
  return String.fromCharCode(
    length >> 16,
    (length >> 8) & 255,
    length & 255,
    type,
    flags,
    id >>> 24,
    (id >> 16) & 255,
    (id >> 8) & 255,
    id & 255,
  );
}

/** The same into `out` at `at`; for DATA frames that are put together as bytes. */
export function writeFrameHead(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  id: number,
): void {
  out.writeUIntBE(length, at, 3);
  out[at + 3] = type;
  out[at + 4] = flags;
  out.writeUInt32BE(id, at + 5);
}

function u32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255);
}

/** HEADERS with its CONTINUATIONs when the block needs them. `flags` is END_STREAM or 0. */
export function headersFrames(id: number, block: string, flags: number): string {
  if (block.length <= MAX_PAYLOAD) {
    return frameHead(block.length, HEADERS, flags | END_HEADERS, id) + block;
  }
  let out = frameHead(MAX_PAYLOAD, HEADERS, flags, id) + block.slice(0, MAX_PAYLOAD);
  for (let at = MAX_PAYLOAD; at < block.length; at += MAX_PAYLOAD) {
    const piece = block.slice(at, at + MAX_PAYLOAD);
    const last = at + MAX_PAYLOAD >= block.length ? END_HEADERS : 0;
    out += frameHead(piece.length, CONTINUATION, last, id) + piece;
  }
  return out;
}

export function settingsFrame(settings: readonly (readonly [number, number])[]): string {
  let payload = '';
  for (const [name, value] of settings) payload += String.fromCharCode(name >> 8, name & 255) + u32(value);
  return frameHead(payload.length, SETTINGS, 0, 0) + payload;
}

export const SETTINGS_ACK = frameHead(0, SETTINGS, ACK, 0);

export function rstStreamFrame(id: number, code: number): string {
  return frameHead(4, RST_STREAM, 0, id) + u32(code);
}

/** `data` is eight bytes as text. */
export function pingFrame(flags: number, data: string): string {
  return frameHead(8, PING, flags, 0) + data;
}

export function goawayFrame(lastId: number, code: number): string {
  return frameHead(8, GOAWAY, 0, 0) + u32(lastId) + u32(code);
}

export function windowUpdateFrame(id: number, increment: number): string {
  return frameHead(4, WINDOW_UPDATE, 0, id) + u32(increment);
}
