/** Tells by a file that this very process is ready: where two share a port, asking the port does not say which answered. */
import { rmSync, writeFileSync } from 'node:fs';

/**
 * Makes the file, or removes it; null is no file. Throws an Error whose message is for the user when that is not
 * possible.
 */
export function tellReady(path: string | null, ready: boolean): void {
  if (path === null) return;
  try {
    if (ready) writeFileSync(path, '');
    else rmSync(path, { force: true });
  } catch (error) {
    throw new Error(`--ready-file: ${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
}
