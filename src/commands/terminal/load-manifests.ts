import type { Snapshot } from '../../model/snapshot.ts';
import { readManifests } from '../../sources/manifests/manifests.ts';
import { UsageError } from './usage-error.ts';

/** Reads files and folders once. A path that is not there is the caller's mistake: rejects with a UsageError. */
export async function loadManifests(paths: readonly string[]): Promise<Snapshot> {
  try {
    return await readManifests(paths);
  } catch (error) {
    throw new UsageError([(error as Error).message]);
  }
}
