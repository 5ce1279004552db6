/** Lists of prefixes on the wire (RFC 4271 section 4.3): a length in bits, then as many bytes as it needs. */
import type { IpPrefix } from '../../model/ip.ts';

const bitsOf = (family: 4 | 6) => (family === 4 ? 32 : 128);

/** Bytes that a prefix takes. */
export const encodedLength = (prefix: IpPrefix): number => 1 + ((prefix.length + 7) >> 3);

/** Bits behind the prefix length go out as zeros. */
export function encodePrefixes(prefixes: readonly IpPrefix[]): Buffer {
  const out = Buffer.alloc(prefixes.reduce((sum, prefix) => sum + encodedLength(prefix), 0));
  let at = 0;
  for (const prefix of prefixes) {
    const value = networkBits(prefix.family, prefix.value, prefix.length);
    out[at++] = prefix.length;
    const bits = bitsOf(prefix.family);
    for (let i = 8; i < prefix.length + 8; i += 8) out[at++] = Number((value >> BigInt(bits - i)) & 0xffn);
  }
  return out;
}

/** All of `bytes` as prefixes; null when a length is impossible or the bytes end early. */
export function decodePrefixes(bytes: Buffer, family: 4 | 6): IpPrefix[] | null {
  const bits = bitsOf(family);
  const prefixes: IpPrefix[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at++]!;
    const size = (length + 7) >> 3;
    if (length > bits || size > bytes.length - at) return null;
    let value = 0n;
    for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(bytes[at + i]!);
    at += size;
    value <<= BigInt(bits - size * 8);
    // What stands behind the length is irrelevant (RFC 4271 section 4.3).
    prefixes.push({ family, value: networkBits(family, value, length), length });
  }
  return prefixes;
}

/** `value` with the bits behind the first `length` cleared. */
export function networkBits(family: 4 | 6, value: bigint, length: number): bigint {
  const hostBits = BigInt(bitsOf(family) - length);
  return (value >> hostBits) << hostBits;
}

/** Big-endian bytes as a number; at most 16 of them. */
export function readAddress(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`);
}
