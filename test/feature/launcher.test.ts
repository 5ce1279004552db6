/** bin/tidegate where `npm ci` brought no Node.js. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const PROGRAM = join(import.meta.dirname, '../../bin/tidegate');

/** Runs a copy of the launcher with a `node` on the PATH that says it is `version`. */
function launched(version: string): { status: number | null; stdout: string; stderr: string } {
  const root = mkdtempSync(join(tmpdir(), 'tidegate-launcher-'));
  try {
    for (const folder of ['bin', 'path']) mkdirSync(join(root, folder));
    copyFileSync(PROGRAM, join(root, 'bin/tidegate'));
    const script = `#!/bin/sh\n[ "$1" = --version ] && echo ${version} || echo "started $*"\n`;
    writeFileSync(join(root, 'path/node'), script, { mode: 0o755 });
    const env = { PATH: `${join(root, 'path')}:/usr/bin:/bin`, NODE_COMPILE_CACHE: '' };
    return spawnSync(join(root, 'bin/tidegate'), ['check', 'x'], { encoding: 'utf8', env });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('a Node.js on the PATH that is new enough is used', () => {
  for (const version of ['v26.0.0', 'v27.1.2', 'v30.0.0', 'v126.0.0']) {
    const { status, stdout, stderr } = launched(version);
    assert.deepEqual([status, stderr], [0, ''], version);
    assert.match(stdout, /^started .*src\/main\.ts check x\n$/);
  }
});

test('an older one, which could not even read the source, is told with what to do', () => {
  for (const version of ['v20.20.2', 'v25.9.0', 'v8.0.0']) {
    const { status, stdout, stderr } = launched(version);
    assert.deepEqual([status, stdout], [1, ''], version);
    assert.match(stderr, new RegExp(`^tidegate: needs Node\\.js 26 or later, this is ${version}: `));
  }
});
