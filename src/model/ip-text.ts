/** IP addresses as text, in the one spelling of RFC 5952. */
import type { IpAddress, IpPrefix } from './ip.ts';

export function formatIp(ip: IpAddress): string {
  return ip.family === 4 ? formatIpv4(ip.value) : formatIpv6(ip.value);
}

/** `192.0.2.0/24`; the bits behind the length are printed as they are. */
export function formatPrefix(prefix: IpPrefix): string {
  return `${formatIp(prefix)}/${prefix.length}`;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80` (RFC 3986, section 3.2.2); a host name stays as it is. */
export function formatSocketAddress(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * An address as a socket or a peer tells it, without what means nothing to others: `fe80::1%eth0` without its zone (RFC
 * 4007 11), `::ffff:192.0.2.1` as the IPv4 address that it is (RFC 4291 2.5.5.2). Other text stays as it is.
 */
export function plainAddress(text: string): string {
  if (!text.includes(':')) return text;
  const zone = text.indexOf('%');
  const address = zone < 0 ? text : text.slice(0, zone);
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function formatIpv4(value: bigint): string {
  const n = Number(value);
  return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
}

/** The longest run of zero groups, the first of equal ones, becomes `::`; a single group does not. */
function formatIpv6(value: bigint): string {
  // Groups cut out of digits: arithmetic on bigints costs several times as much.
  const digits = value.toString(16).padStart(32, '0');
  const groups: number[] = [];
  for (let at = 0; at < 32; at += 4) groups.push(Number.parseInt(digits.slice(at, at + 4), 16));
  let best = 0;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [i, length];
    i += length;
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestLength === 1) return hex.join(':');
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + bestLength).join(':')}`;
}
