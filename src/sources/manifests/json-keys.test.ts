import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { duplicateJsonKey } from './json-keys.ts';

describe('a key of JSON', () => {
  const cases: readonly (readonly [what: string, text: string, found: string | null])[] = [
    ['twice in one object', '{"a": 1, "b": 2, "a": 3}', 'a'],
    ['twice deep inside', '[{"a": {"b": [1, {"c": 1, "c": 2}]}}]', 'c'],
    ['twice around other values', '{"a": {"b": [{}, []]}, "c": "x", "a": null}', 'a'],
    ['twice in different spellings', '{"a/b": 1, "a\\/\\u0062": 2}', 'a/b'],
    ['that is empty, twice', '{"":1,"":2}', ''],
    ['in two objects', '[{"a": 1}, {"a": 1, "b": {"a": 1}}]', null],
    ['that is also a value', '{"a": "b", "b": "a", "c": ["a", "b"]}', null],
    ['like one of an object around it', '{"a": {"a": {"a": 1}}}', null],
    ['named like a property of every object', '{"constructor": 1, "__proto__": 2}', null],
    ['beside text that looks like keys', '{"a": "\\"a\\": 1, {", "b\\\\": "}", "c": "\\\\"}', null],
    ['nowhere', '"a"', null],
  ];
  for (const [what, text, found] of cases) {
    test(`${what}: ${found === null ? 'all is well' : 'is found'}`, () => {
      JSON.parse(text);
      assert.equal(duplicateJsonKey(text)?.key ?? null, found);
    });
  }

  test('that is found is told where its second place is', () => {
    assert.deepEqual(duplicateJsonKey('{"a": 1,\n "a": 3}'), { key: 'a', offset: 10 });
  });
});

test('what JSON.stringify writes has no key twice, and one that is put in is found', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), fc.string(), fc.boolean(), (inner, key, spaced) => {
      assert.equal(duplicateJsonKey(inner), null);
      const name = JSON.stringify(key);
      const text = `{${name}:${inner}${spaced ? ' ,\n ' : ','}${name}:${inner}}`;
      assert.equal(duplicateJsonKey(`[${inner},${text}]`)?.key, key);
    }),
    { numRuns: 200 },
  );
});
