import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tellReady } from './ready-file.ts';

test('the file is there while the program is ready, also when a predecessor left one', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-ready-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'ready');
  tellReady(file, false);
  tellReady(file, true);
  tellReady(file, true);
  assert.equal(existsSync(file), true);
  tellReady(file, false);
  assert.equal(existsSync(file), false);
});

test('a file that cannot be made is a message for the user; no file is none', () => {
  tellReady(null, true);
  assert.throws(() => tellReady('/no/such/folder/ready', true), {
    message: '--ready-file: /no/such/folder/ready cannot be written: ENOENT',
  });
});
