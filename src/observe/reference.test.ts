import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { metricsReference } from './reference.ts';

test('docs/reference/metrics.md is what docs/reference/generate.ts writes', () => {
  const page = new URL('../../docs/reference/metrics.md', import.meta.url);
  assert.equal(readFileSync(page, 'utf8'), metricsReference());
});
