/** Where objects come from. A source knows nothing of what is made of them. */
import type { Snapshot } from '../model/snapshot.ts';

export interface Source {
  /**
   * Begins to read and watch. `onSnapshot` gets the first complete snapshot and then one for each settled
   * change; objects that did not change are identical (`===`) from one to the next. Resolves after the first
   * snapshot was handed over; rejects when the source cannot be read at all (message for the user).
   */
  start(onSnapshot: (snapshot: Snapshot) => void): Promise<void>;
  /** The names of ExternalName Services that translation wants resolved; replaces the set given before. */
  resolveNames(names: ReadonlySet<string>): void;
  close(): Promise<void>;
}
