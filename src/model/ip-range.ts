/** Ranges of IP addresses, as address pools have them: first and last address, both inside. */
import { type IpAddress, type IpPrefix, parseIp, parsePrefix } from './ip.ts';

export interface IpRange {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/** Takes `192.0.2.0/28` or `192.0.2.10-192.0.2.20` (blanks round the dash allowed); null for anything else. */
export function parseRange(text: string): IpRange | null {
  const dash = text.indexOf('-');
  if (dash === -1) {
    const prefix = text.includes('/') ? parsePrefix(text.trim()) : null;
    return prefix === null ? null : rangeOfPrefix(prefix);
  }
  const first = parseIp(text.slice(0, dash).trim());
  const last = parseIp(text.slice(dash + 1).trim());
  if (first === null || last === null || first.family !== last.family || first.value > last.value)
    return null;
  return { family: first.family, first: first.value, last: last.value };
}

/** All addresses of a prefix, the first and the last one too. */
export function rangeOfPrefix(prefix: IpPrefix): IpRange {
  const hostBits = BigInt(bitsOf(prefix.family) - prefix.length);
  const first = (prefix.value >> hostBits) << hostBits;
  return { family: prefix.family, first, last: first + (1n << hostBits) - 1n };
}

export function rangeContains(range: IpRange, ip: IpAddress): boolean {
  return range.family === ip.family && range.first <= ip.value && ip.value <= range.last;
}

export function rangesOverlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** The fewest prefixes that cover the range and nothing else, lowest address first; at most 254. */
export function prefixesOf(range: IpRange): IpPrefix[] {
  const bits = bitsOf(range.family);
  const prefixes: IpPrefix[] = [];
  let next = range.first;
  while (next <= range.last) {
    let hostBits = 0;
    while (hostBits < bits && isBlock(next, hostBits + 1, range.last)) hostBits++;
    prefixes.push({ family: range.family, value: next, length: bits - hostBits });
    next += 1n << BigInt(hostBits);
  }
  return prefixes;
}

/** Whether the block of 2^`hostBits` addresses may start at `first` and does not go beyond `last`. */
function isBlock(first: bigint, hostBits: number, last: bigint): boolean {
  const size = 1n << BigInt(hostBits);
  return (first & (size - 1n)) === 0n && first + size - 1n <= last;
}

function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}
