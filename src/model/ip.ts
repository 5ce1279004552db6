/** IP addresses and prefixes, parsed once where they enter and compared as numbers from then on. */

export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** The addresses whose first `length` bits are those of `value`. */
export interface IpPrefix extends IpAddress {
  readonly length: number;
}

/** What an address is for, as far as it decides whether it may be a backend. */
export type IpScope = 'unspecified' | 'loopback' | 'link-local' | 'multicast' | 'unicast';

/**
 * Takes an IP literal without brackets or zone; gives null for anything else. An IPv4-mapped IPv6 address
 * (`::ffff:10.0.0.1`) is its IPv4 address, so that no check can be passed by spelling it so.
 */
export function parseIp(text: string): IpAddress | null {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value === null ? null : { family: 4, value };
  }
  const value = parseIpv6(text);
  if (value === null) return null;
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffff_ffffn } : { family: 6, value };
}

/** Takes `10.0.0.0/8`, `fd00::/8` or a single address. Bits behind the length are ignored. */
export function parsePrefix(text: string): IpPrefix | null {
  const slash = text.indexOf('/');
  const ip = parseIp(slash === -1 ? text : text.slice(0, slash));
  if (ip === null) return null;
  const bits = ip.family === 4 ? 32 : 128;
  if (slash === -1) return { ...ip, length: bits };
  const digits = text.slice(slash + 1);
  // `::ffff:10.0.0.0/104` is the IPv4 prefix 10.0.0.0/8.
  const mapped = ip.family === 4 && text.includes(':') ? 96 : 0;
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) - mapped : -1;
  return length < 0 || length > bits ? null : { ...ip, length };
}

export function prefixContains(prefix: IpPrefix, ip: IpAddress): boolean {
  if (prefix.family !== ip.family) return false;
  const hostBits = BigInt((prefix.family === 4 ? 32 : 128) - prefix.length);
  return prefix.value >> hostBits === ip.value >> hostBits;
}

/** Four decimal numbers without leading zeros, which some readers take for octal. */
const IPV4_PART = /^(?:0|[1-9]\d{0,2})$/;

function parseIpv4(text: string): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => IPV4_PART.test(part) && Number(part) <= 255)) return null;
  return BigInt(parts.reduce((value, part) => value * 256 + Number(part), 0));
}

const IPV6_GROUP = /^[0-9a-fA-F]{1,4}$/;

/** RFC 4291 section 2.2: eight groups, `::` for one or more of zero, the last two perhaps as IPv4. */
function parseIpv6(text: string): bigint | null {
  const halves = withoutDottedTail(text)?.split('::') ?? [];
  if (halves.length < 1 || halves.length > 2) return null;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  if (!groups.every((group) => IPV6_GROUP.test(group))) return null;
  return BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`);
}

/** `::ffff:10.0.0.1` → `::ffff:a00:1`; null when the dotted part is no IPv4 address. */
function withoutDottedTail(text: string): string | null {
  if (!text.includes('.')) return text;
  const start = text.lastIndexOf(':') + 1;
  const value = parseIpv4(text.slice(start));
  if (value === null) return null;
  return `${text.slice(0, start)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}

/** The ranges of RFC 6890 (IANA special-purpose registries) that no ordinary backend lives in. */
export function ipScope(ip: IpAddress): IpScope {
  for (const [prefix, scope] of SPECIAL_RANGES) if (prefixContains(prefix, ip)) return scope;
  return 'unicast';
}

const SPECIAL_RANGES: readonly (readonly [IpPrefix, IpScope])[] = (
  [
    ['0.0.0.0/8', 'unspecified'], // 0.0.0.0 reaches the host itself on Linux
    ['127.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local'],
    ['224.0.0.0/4', 'multicast'],
    ['255.255.255.255/32', 'multicast'],
    ['::/128', 'unspecified'],
    ['::1/128', 'loopback'],
    ['fe80::/10', 'link-local'],
    ['ff00::/8', 'multicast'],
  ] as const
).map(([text, scope]) => [parsePrefix(text)!, scope]);
