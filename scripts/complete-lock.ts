/**
 * node scripts/complete-lock.ts
 *
 * `npm ci` refuses a lock file that lacks an optional platform package which a dependency names, and a registry
 * mirror that does not hold such packages (Biome for macOS, say) makes npm leave them out when it writes the lock
 * file. This adds the missing entries; run it after every change of dependencies.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface LockEntry {
  readonly version: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const FILE = new URL('../package-lock.json', import.meta.url);
const PLATFORM = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|sunos|win32)-([a-z0-9]+)(?:-(musl))?$/;

const lock = JSON.parse(readFileSync(FILE, 'utf8')) as { packages: Record<string, LockEntry> };
let added = 0;
for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    const platform = PLATFORM.exec(name);
    if (lock.packages[path] !== undefined || platform === null) continue;
    const [, os = '', cpu = '', libc] = platform;
    lock.packages[path] = {
      version,
      cpu: [cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc: [libc] }),
      optional: true,
      os: [os],
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
