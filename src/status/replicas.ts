import type { ObjectKey } from '../model/keys.ts';
import type { Snapshot } from '../model/snapshot.ts';

/**
 * Whether no other replica of us serves, as far as the endpoints of the Service in front of us tell. `ip` is the
 * own pod's. Without either nobody can tell, so the answer is no.
 */
export function isLastReplica(
  { endpointSlices }: Pick<Snapshot, 'endpointSlices'>,
  service: ObjectKey | null,
  ip: string | null,
): boolean {
  if (service === null || ip === null) return false;
  for (const slice of endpointSlices.values()) {
    if (slice.service !== service) continue;
    if (slice.endpoints.some(({ ready, addresses }) => ready && !addresses.includes(ip))) return false;
  }
  return true;
}
