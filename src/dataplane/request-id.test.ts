import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestId } from './request-id.ts';

test('ids are 32 lower-case hexadecimal digits and never come twice, also where one batch ends', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 5000; i++) {
    const id = requestId();
    assert.match(id, /^[0-9a-f]{32}$/);
    seen.add(id);
  }
  assert.equal(seen.size, 5000);
});
