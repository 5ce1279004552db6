/** Builds h2spec from its Go module, once for each version. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BUILD_MS = 300_000;

/** The program's path, or why it cannot be had here. */
export type Built = { readonly program: string } | { readonly missing: string };

export function buildH2spec(): Built {
  const sums = createHash('sha256')
    .update(readFileSync(join(import.meta.dirname, 'go.sum')))
    .digest('hex');
  const program = join(tmpdir(), `tidegate-h2spec-${sums.slice(0, 16)}`);
  if (existsSync(program)) return { program };
  const build = spawnSync('go', ['build', '-o', program, 'github.com/summerwind/h2spec/cmd/h2spec'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    timeout: BUILD_MS,
  });
  if (build.error !== undefined) return { missing: `Go cannot be run (${build.error.message})` };
  if (build.status !== 0) return { missing: `h2spec cannot be built: ${build.stderr.slice(-500)}` };
  return { program };
}
