import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUsablePattern } from './subject-pattern.ts';

test('patterns that some subject could keep busy for ever are not used', () => {
  const table: readonly [string, boolean][] = [
    ['CN=client', true],
    ['CN=(alice|bob),OU=x.*', true],
    ['CN=[a-z]+\\.test', true],
    ['CN=(?:a|b)', true],
    ['client', false],
    ['CN=(', false],
    ['CN=(a+)+$', false],
    ['CN=(a|a)*$', false],
    ['CN=((a*))*', false],
    ['CN=(a)\\1', false],
    ['CN=(?=a)', false],
    [`CN=${'a'.repeat(300)}`, false],
  ];
  for (const [pattern, usable] of table) assert.equal(isUsablePattern(pattern), usable, pattern);
});
