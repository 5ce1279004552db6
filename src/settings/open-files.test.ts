import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionsFor, openFileLimit } from './open-files.ts';

test('connections leave room for as many to endpoints, for a burst and for everything else', () => {
  assert.equal(connectionsFor(1064, 1), 375);
  assert.equal(connectionsFor(1064, 2), 187);
  assert.equal(connectionsFor(10, 4), 1);
  assert.equal(connectionsFor(Number.POSITIVE_INFINITY, 2), Number.POSITIVE_INFINITY);
});

test('the limit of this process is known here', () => {
  assert.ok(openFileLimit() > 0);
});
