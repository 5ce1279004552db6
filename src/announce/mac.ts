/** Ethernet addresses as numbers of 48 bits. */

export const BROADCAST_MAC = 0xffff_ffff_ffff;

/** `02:00:5e:10:00:01`. */
export function formatMac(mac: number): string {
  return (mac.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');
}

/** Broadcast and multicast: no host has such an address. */
export function isGroupMac(mac: number): boolean {
  return (Math.floor(mac / 2 ** 40) & 1) === 1;
}
