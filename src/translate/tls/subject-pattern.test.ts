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
    // Polynomial time is long enough: 3 of these take half a minute for a subject of 1024 characters.
    ['CN=.*,O=.*', true],
    ['CN=.*?,O=.+?', true],
    ['CN=(?:alice|bob|carol),OU=.*,O=.*', true],
    ['CN=[*+?|(]{1,9}\\*\\|\\(', true],
    ['CN=.*.*.*x', false],
    ['CN=a?a?a?a?aaaa', false],
    ['CN=a{1,9}a{1,9}a{1,9}', false],
    [`CN=${'(a|a)'.repeat(40)}x`, false],
    [`CN=${'(?<n>a|a)(?:b|c)'.repeat(1)}x`, true],
    ['CN=(a|b|c|d|e|f).*.*x', false],
    [`CN=(${'a|'.repeat(100)}a)`, true],
  ];
  for (const [pattern, usable] of table) assert.equal(isUsablePattern(pattern), usable, pattern);
});
