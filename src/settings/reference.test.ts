import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { settingsReference } from './reference.ts';

test('docs/reference/settings.md is what docs/reference/generate.ts writes', () => {
  const page = new URL('../../docs/reference/settings.md', import.meta.url);
  assert.equal(readFileSync(page, 'utf8'), settingsReference());
});
