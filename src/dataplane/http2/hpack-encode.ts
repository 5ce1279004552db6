/**
 * Fields into header blocks (RFC 7541), as latin1 text like all heads we write. Without dynamic table: a block
 * then depends on nothing but its fields and can be kept and sent again on any connection.
 */
import { STATIC, STATIC_COUNT } from './hpack-table.ts';

const NAMES = new Map<string, number>();
const WHOLE = new Map<string, number>();
for (let i = STATIC_COUNT; i > 0; i--) {
  const { name, value } = STATIC[i]!;
  NAMES.set(name, i);
  if (value !== '') WHOLE.set(`${name}\n${value}`, i);
}

/** Never to be put into a table by anybody on the way (RFC 7541 7.1.3). */
const SECRET = new Set(['set-cookie', 'authorization', 'proxy-authorization', 'cookie']);

/** One field; `name` in lower case. */
export function encodeField(name: string, value: string): string {
  const whole = WHOLE.get(`${name}\n${value}`);
  if (whole !== undefined) return String.fromCharCode(128 | whole);
  const index = NAMES.get(name) ?? 0;
  const head = encodeInteger(SECRET.has(name) ? 16 : 0, 15, index);
  return `${head}${index === 0 ? encodeString(name) : ''}${encodeString(value)}`;
}

/** A size update to 0: what an encoder without dynamic table owes a decoder that asks for less (RFC 9113 4.3.1). */
export const NO_TABLE = '\x20';

/** A string without Huffman code. */
export function encodeString(text: string): string {
  return encodeInteger(0, 127, text.length) + text;
}

function encodeInteger(flags: number, mask: number, value: number): string {
  if (value < mask) return String.fromCharCode(flags | value);
  let out = String.fromCharCode(flags | mask);
  let rest = value - mask;
  while (rest >= 128) {
    out += String.fromCharCode((rest & 127) | 128);
    rest >>>= 7;
  }
  return out + String.fromCharCode(rest);
}
