import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAuthority } from './authority.ts';

test('an authority is a host with an optional port, without user information', () => {
  const good = [
    'h',
    'a.b-c_d~e',
    'A.TEST.',
    '127.0.0.1',
    'h:',
    'h:0',
    'h:65535',
    'h:00080',
    '[::1]',
    '[::1]:80',
    '[::1]:',
    '[::ffff:1.2.3.4]',
    'a%20b',
    "a!$&'()*+;=b",
  ];
  const bad = [
    '',
    ':',
    ':80',
    'h:65536',
    'h:99999',
    'h:123456',
    'h:8x',
    'h:-1',
    'h:80:80',
    'h ',
    ' h',
    'a b',
    'a,b',
    'a/b',
    'a?b',
    'a#b',
    'a@b',
    'a\\b',
    'a"b',
    '[',
    '[]',
    '[::1',
    '::1',
    '[::1]x',
    '[g::1]',
    'a[b]',
    '\xe9',
    'a\0',
  ];
  for (const text of good) assert.ok(isAuthority(text), text);
  for (const text of bad) assert.equal(isAuthority(text), false, JSON.stringify(text));
});
