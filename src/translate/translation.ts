import type { ObjectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import type { RoutingTable } from '../model/routing-table.ts';
import type { Ingress } from '../model/snapshot.ts';

/** Everything that follows from a snapshot. */
export interface Translation {
  readonly table: RoutingTable;
  /** Those of the snapshot and those found in translation, in a stable order. */
  readonly problems: readonly Problem[];
  /** The Ingresses of our class, whose status is ours to write. */
  readonly ingresses: ReadonlyMap<ObjectKey, Ingress>;
  /** Names of ExternalName Services in use, to be resolved and to come back in a later snapshot. */
  readonly externalNames: ReadonlySet<string>;
  /** When a certificate in use becomes valid or expires next, in ms since the epoch: worth another look. */
  readonly nextLook: number;
  /** Secrets that were looked up, there or not: a source need not read others. */
  readonly secrets: ReadonlySet<ObjectKey>;
}
