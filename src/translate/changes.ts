import type { ObjectKey } from '../model/keys.ts';
import { changedKeys } from '../model/shared-map.ts';
import type { Snapshot } from '../model/snapshot.ts';

/** What differs between two snapshots, as far as translation reads them. */
export interface SnapshotChanges {
  readonly ingresses: ReadonlySet<ObjectKey>;
  readonly ingressClasses: ReadonlySet<ObjectKey>;
  readonly services: ReadonlySet<ObjectKey>;
  readonly endpointSlices: ReadonlySet<ObjectKey>;
  readonly secrets: ReadonlySet<ObjectKey>;
  readonly resolvedNames: ReadonlySet<string>;
}

export function compareSnapshots(before: Snapshot, after: Snapshot): SnapshotChanges {
  return {
    ingresses: changedKeys(before.ingresses, after.ingresses),
    ingressClasses: changedKeys(before.ingressClasses, after.ingressClasses),
    services: changedKeys(before.services, after.services),
    endpointSlices: changedKeys(before.endpointSlices, after.endpointSlices),
    secrets: changedKeys(before.secrets, after.secrets),
    resolvedNames: changedKeys(before.resolvedNames, after.resolvedNames),
  };
}
