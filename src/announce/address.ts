/** Addresses of peers as text, with the interface of link-local ones, and as the system wants them. */
import { networkInterfaces } from 'node:os';
import type { SocketAddress } from '../linux/sockets.ts';
import { type IpAddress, parseIp, parsePrefix, prefixContains } from '../model/ip.ts';

/** `fe80::1%eth0` → its parts; null for what is no address. */
export function splitScope(text: string): { readonly ip: IpAddress; readonly scope: string } | null {
  const [address = '', scope = ''] = text.split('%', 2);
  const ip = parseIp(address);
  return ip === null ? null : { ip, scope };
}

/** For the kernel; `port` 0 leaves it open. null for what is no address or names no interface. */
export function socketAddress(text: string, port: number): SocketAddress | null {
  const parts = splitScope(text);
  if (parts === null) return null;
  const scope = parts.scope === '' ? 0 : scopeId(parts.scope);
  if (scope === null) return null;
  const { family, value } = parts.ip;
  return { family, bytes: addressBytes(family, value), port, scope };
}

function scopeId(name: string): number | null {
  for (const entry of networkInterfaces()[name] ?? []) if (entry.scopeid) return entry.scopeid;
  return null;
}

/** An address as 4 or 16 bytes. */
export function addressBytes(family: 4 | 6, value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

/** Whether an interface of this host is in the same network as the address; link-local ones always are. */
export function isOnLink(text: string): boolean {
  const parts = splitScope(text);
  if (parts === null) return false;
  if (parts.scope !== '') return true;
  return Object.values(networkInterfaces()).some((entries = []) =>
    entries.some(({ cidr }) => {
      const network = cidr === null ? null : parsePrefix(cidr);
      return network !== null && prefixContains(network, parts.ip);
    }),
  );
}
