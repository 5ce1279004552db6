/** Builds programs of others from Go modules, once for each content of the module, outside the clone. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface GoProgram {
  readonly name: string;
  /** Where `go.mod`, `go.sum` and our own files of the module are. */
  readonly folder: string;
  /** What to build, seen from the folder. */
  readonly package: string;
  /** Further flags of `go build`. */
  readonly flags?: readonly string[];
  /** Milliseconds after which a build is given up. */
  readonly limitMs: number;
}

/** The program's path, or why it cannot be had here. */
export type Built = { readonly program: string } | { readonly missing: string };

/** Kept from run to run and from clone to clone: some of these take many minutes to build. */
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tidegate');

/** Builds it and says how long that took, or why it cannot be had; sets the exit code. */
export function buildAndTell(program: GoProgram): void {
  const start = performance.now();
  const built = buildGoProgram(program);
  if ('missing' in built) {
    console.error(built.missing);
    process.exitCode = 1;
    return;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const megabytes = (statSync(built.program).size / 1e6).toFixed(0);
  console.log(`${built.program}: ${megabytes} MB, there after ${seconds} s`);
}

/** The program if it was built before. */
export function findGoProgram(program: GoProgram): Built {
  const path = pathOf(program);
  return existsSync(path) ? { program: path } : { missing: `${program.name} is not built` };
}

/** The program, built now if it was not before; blocks until then. */
export function buildGoProgram(program: GoProgram): Built {
  const found = findGoProgram(program);
  if ('program' in found) return found;
  const path = pathOf(program);
  const draft = `${path}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  const { name, folder, flags = [], limitMs } = program;
  const build = spawnSync('go', ['build', '-trimpath', '-o', draft, ...flags, program.package], {
    cwd: folder,
    encoding: 'utf8',
    timeout: limitMs,
    // Nothing newer than what is installed is fetched; without cgo no C compiler is needed.
    env: { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local' },
  });
  if (build.error !== undefined) return { missing: `Go cannot build ${name} (${build.error.message})` };
  if (build.status !== 0) return { missing: `${name} cannot be built: ${build.stderr.slice(-500)}` };
  // In one step, so that a build beside this one finds the whole program or none.
  renameSync(draft, path);
  return { program: path };
}

function pathOf({ name, folder, package: what, flags = [] }: GoProgram): string {
  const hash = createHash('sha256').update(JSON.stringify([what, flags]));
  const sources = readdirSync(folder).filter((file) => /^go\.(mod|sum)$|\.go$/.test(file));
  for (const file of sources.sort()) hash.update(file).update(readFileSync(join(folder, file)));
  return join(CACHE, `${name}-${hash.digest('hex').slice(0, 16)}`);
}
