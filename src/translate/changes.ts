import type { ObjectKey } from '../model/keys.ts';
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

/** The keys whose values came, went or were replaced: an object that is the same (`===`) costs one comparison. */
function changedKeys<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): ReadonlySet<K> {
  const changed = new Set<K>();
  if (before === after) return changed;
  let kept = 0;
  for (const [key, value] of after) {
    const previous = before.get(key);
    if (previous !== undefined) kept++;
    if (previous !== value) changed.add(key);
  }
  if (kept < before.size) for (const key of before.keys()) if (!after.has(key)) changed.add(key);
  return changed;
}

export const EMPTY_SNAPSHOT: Snapshot = {
  version: 0,
  ingresses: new Map(),
  ingressClasses: new Map(),
  services: new Map(),
  endpointSlices: new Map(),
  secrets: new Map(),
  configMaps: new Map(),
  namespaces: new Map(),
  resolvedNames: new Map(),
  problems: [],
};
