import { SocketAddress } from 'node:net';
import { type IpScope, ipScope, parseIp } from '../model/ip.ts';

export interface IpLiteral {
  readonly family: 'IPv4' | 'IPv6';
  /** The one spelling of the address (RFC 5952 for IPv6), so that equal addresses are equal strings. */
  readonly address: string;
  readonly scope: IpScope;
}

/** Reads an IP literal without brackets or zone; null for anything else. IPv4-mapped IPv6 is read as IPv4. */
export function readIp(text: string): IpLiteral | null {
  const ip = parseIp(text);
  if (ip === null) return null;
  const scope = ipScope(ip);
  if (ip.family === 6) {
    return { family: 'IPv6', address: new SocketAddress({ address: text, family: 'ipv6' }).address, scope };
  }
  return { family: 'IPv4', address: text.includes(':') ? dotted(Number(ip.value)) : text, scope };
}

/** True for what can never be a backend; the API server refuses these in EndpointSlices too. */
export function isUnreachable({ scope }: IpLiteral): boolean {
  return scope !== 'unicast' && scope !== 'loopback';
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}
