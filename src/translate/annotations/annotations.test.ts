import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_ANNOTATIONS } from './all.ts';
import { isHarmless } from './harmless.ts';
import { secondsToMs, sizeToBytes, toBoolean } from './values.ts';

test('seconds are whole numbers without unit', () => {
  const table: [string, number | null][] = [
    ['60', 60_000],
    ['+5', 5000],
    ['0', 0],
    ['2147483', 2_147_483_000],
    ['2147484', null],
    ['60s', null],
    ['1.5', null],
    ['-1', null],
    ['1e3', null],
    ['', null],
  ];
  for (const [value, ms] of table) assert.equal(secondsToMs(value), ms, value);
});

test('booleans are those of Go', () => {
  const table: [string, boolean | null][] = [
    ['true', true],
    ['True', true],
    ['1', true],
    ['t', true],
    ['false', false],
    ['FALSE', false],
    ['0', false],
    ['yes', null],
    ['on', null],
    ['tRUE', null],
    ['', null],
  ];
  for (const [value, expected] of table) assert.equal(toBoolean(value), expected, value);
});

test('sizes have at most one of four units, in any case', () => {
  const table: [string, number | null][] = [
    ['0', 0],
    ['100', 100],
    ['100b', 100],
    ['8k', 8192],
    ['8M', 8_388_608],
    ['2g', 2_147_483_648],
    ['1.5m', null],
    ['8mb', null],
    ['m', null],
    ['-1', null],
    ['999999999999999g', null],
    ['', null],
  ];
  for (const [value, bytes] of table) assert.equal(sizeToBytes(value), bytes, value);
});

test('every annotation has a name of its own, a line for the reference, and refuses nonsense', () => {
  assert.equal(new Set(ALL_ANNOTATIONS.map(({ name }) => name)).size, ALL_ANNOTATIONS.length);
  for (const annotation of ALL_ANNOTATIONS) {
    assert.match(annotation.doc, /\.$/);
    // These refuse it where the Secret is looked up, and close hosts or routes.
    const later = {
      'auth-tls-secret': 'client-auth',
      'auth-tls-match-cn': 'client-auth',
      'proxy-ssl-secret': 'backend',
    };
    const expected = later[annotation.name as keyof typeof later] ?? 'invalid';
    assert.equal(annotation.parse('no such value').kind, expected, annotation.name);
    assert.ok(!isHarmless(annotation.name, ''), annotation.name);
  }
});

test('an annotation that asks for what happens anyway is harmless, one that asks for more is not', () => {
  assert.ok(isHarmless('use-regex', 'false'));
  assert.ok(!isHarmless('use-regex', 'true'));
  assert.ok(isHarmless('proxy-buffer-size', '16k'));
  assert.ok(!isHarmless('rewrite-target', '/'));
});
