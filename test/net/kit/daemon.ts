/** What the other side of a test has in common, whoever wrote it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from '../../kit/waiting.ts';

/** A folder for a daemon's configuration and sockets, removed at the end. Readable by its own user. */
export async function daemonFolder(
  t: Scope,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `tidegate-${name}-`));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return folder;
}
