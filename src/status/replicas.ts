import { isIPv6 } from 'node:net';
import type { ObjectKey } from '../model/keys.ts';
import type { Snapshot } from '../model/snapshot.ts';

/**
 * Whether no other replica of us serves, as far as the endpoints of the Service in front of us tell. `ip` is the
 * own pod's. Without either, or when the endpoints are not known to us or we are not among them, nobody can tell: the
 * answer is no. Only addresses of the family of `ip` count, since each pod may have one of either.
 */
export function isLastReplica(
  { endpointSlices }: Pick<Snapshot, 'endpointSlices'>,
  service: ObjectKey | null,
  ip: string | null,
): boolean {
  if (service === null || ip === null) return false;
  let areWeThere = false;
  for (const slice of endpointSlices.values()) {
    if (slice.service !== service) continue;
    for (const { ready, addresses } of slice.endpoints) {
      if (addresses.includes(ip)) areWeThere = true;
      else if (ready && addresses.some((address) => isIPv6(address) === isIPv6(ip))) return false;
    }
  }
  return areWeThere;
}
