import type { Snapshot } from '../model/snapshot.ts';
import { Folder } from '../sources/manifests/folder.ts';
import { readManifest, unreadableManifest } from '../sources/manifests/manifest-file.ts';
import { ManifestSet } from '../sources/manifests/manifest-set.ts';
import { EMPTY_SNAPSHOT, nextSnapshot } from '../sources/store.ts';
import { UsageError } from './usage-error.ts';

/** Reads files and folders once, as the manifests source does. Rejects with a UsageError for a path that is not there. */
export async function loadManifests(paths: readonly string[]): Promise<Snapshot> {
  const folder = new Folder(paths, null);
  const missing = await folder.missingRoot();
  if (missing !== null) throw new UsageError([`${missing.path} cannot be read: ${missing.message}.`]);
  const set = new ManifestSet();
  for (const [path, finding] of await folder.lookAtAll()) {
    if (finding.kind === 'text') set.put(readManifest(path, finding.text, undefined));
    else if (finding.kind !== 'gone') set.put(unreadableManifest(path, finding.message, undefined));
  }
  return nextSnapshot(EMPTY_SNAPSHOT, set.takeChanges());
}
