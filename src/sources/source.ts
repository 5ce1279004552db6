/** Where objects come from. A source knows nothing of what is made of them. */
import type { ObjectKey } from '../model/keys.ts';
import type { Snapshot } from '../model/snapshot.ts';

/** What translation needs beyond what it was given: it comes in as part of later snapshots. */
export interface Wants {
  /** Names of ExternalName Services, to be resolved. */
  readonly names: ReadonlySet<string>;
  /** Secrets that objects refer to; a source may leave out all others. */
  readonly secrets: ReadonlySet<ObjectKey>;
}

export interface Source {
  /**
   * Begins to read and watch. `onSnapshot` gets the first complete snapshot and then one for each settled
   * change; objects that did not change are identical (`===`) from one to the next. Resolves after the first
   * snapshot was handed over; rejects when the source cannot be read at all (message for the user).
   */
  start(onSnapshot: (snapshot: Snapshot) => void): Promise<void>;
  /**
   * Called during `onSnapshot`; replaces what was wanted before. False when the snapshot lacks something that will be
   * there in a moment: what was made of it shall not be used, and another snapshot follows, changed or not.
   */
  want(wants: Wants): boolean;
  /**
   * Whether the snapshot handed out last is only what was known in an earlier life: good enough to serve by, but nothing
   * that others rely on may follow from it. A snapshot that is not is handed out as soon as there is one.
   */
  readonly isProvisional: boolean;
  close(): Promise<void>;
}
