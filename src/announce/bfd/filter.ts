/**
 * The program that the kernel runs on every packet for a BFD port: it lets through what comes from a peer and has
 * not come further than it may (RFC 5881 section 5, RFC 5883 section 5). UDP sockets have no option for that, and
 * what strangers send does not even wake us.
 */
import type { FilterInstruction } from '../../linux/sockets.ts';

export interface AllowedSource {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** The least TTL or hop limit, 1..255. */
  readonly minimumTtl: number;
}

/** Offsets from here on count from the IP header (SKF_NET_OFF). */
const IP_HEADER = 0xfff00000;
const LOAD_WORD = 0x20;
const LOAD_BYTE = 0x30;
const IF_EQUAL = 0x15;
const IF_AT_LEAST = 0x35;
const RETURN = 0x06;
const ACCEPT: FilterInstruction = [RETURN, 0, 0, 0xffff_ffff];
const DROP: FilterInstruction = [RETURN, 0, 0, 0];

/** All `sources` of one family. */
export function sourceFilter(family: 4 | 6, sources: readonly AllowedSource[]): FilterInstruction[] {
  return [...sources.flatMap((source) => forSource(family, source)), DROP];
}

function forSource(family: 4 | 6, { address, minimumTtl }: AllowedSource): FilterInstruction[] {
  const [sourceAt, ttlAt] = family === 4 ? [12, 8] : [8, 7];
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  const words = address.length / 4;
  const whenOther = 4;
  const program: FilterInstruction[] = [];
  for (let i = 0; i < words; i++) {
    const behind = 2 * (words - 1 - i) + whenOther;
    program.push(
      [LOAD_WORD, 0, 0, IP_HEADER + sourceAt + 4 * i],
      [IF_EQUAL, 0, behind, view.getUint32(4 * i)],
    );
  }
  program.push([LOAD_BYTE, 0, 0, IP_HEADER + ttlAt], [IF_AT_LEAST, 0, 1, minimumTtl], ACCEPT, DROP);
  return program;
}
