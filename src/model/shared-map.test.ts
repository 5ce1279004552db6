import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changedKeys, type Edits, withEdits } from './shared-map.ts';

type Value = { readonly n: number };

/** Few enough keys that edits meet, many enough that a map grows to shards and shrinks again. */
const anyKey = fc.integer({ min: 0, max: 400 }).map((n) => `ns/name-${n}`);
const anyValue = fc.option(fc.record({ n: fc.integer() }), { nil: undefined, freq: 3 });
const anyEdits: fc.Arbitrary<Edits<string, Value>> = fc
  .oneof(
    fc.array(fc.tuple(anyKey, anyValue), { maxLength: 5 }),
    fc.array(fc.tuple(anyKey, anyValue), { minLength: 100, maxLength: 300 }),
    // Nearly everything goes.
    fc.constant(Array.from({ length: 390 }, (_, n) => [`ns/name-${n}`, undefined] as [string, undefined])),
  )
  .map((entries) => new Map<string, Value | undefined>(entries));

function plainlyEdited(before: ReadonlyMap<string, Value>, edits: Edits<string, Value>): Map<string, Value> {
  const after = new Map(before);
  for (const [key, value] of edits) {
    if (value === undefined) after.delete(key);
    else after.set(key, value);
  }
  return after;
}

const byKey = (map: ReadonlyMap<string, Value>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

test('after any edits it holds what a plain Map holds, and the versions before are as they were', () => {
  fc.assert(
    fc.property(fc.array(anyEdits, { minLength: 1, maxLength: 12 }), (rounds) => {
      let map: ReadonlyMap<string, Value> = new Map();
      let plain = new Map<string, Value>();
      const versions: [ReadonlyMap<string, Value>, Map<string, Value>][] = [];
      for (const edits of rounds) {
        const [next, plainNext] = [withEdits(map, edits), plainlyEdited(plain, edits)];
        const expected = [...new Set([...plain.keys(), ...plainNext.keys()])]
          .filter((key) => plain.get(key) !== plainNext.get(key))
          .sort();
        assert.deepEqual([...changedKeys(map, next)].sort(), expected);
        assert.deepEqual([...changedKeys(next, map)].sort(), expected);
        if (expected.length === 0) assert.equal(next, map);
        [map, plain] = [next, plainNext];
        versions.push([map, plain]);
      }
      for (const [version, plainVersion] of versions) assert.deepEqual(byKey(version), byKey(plainVersion));
    }),
    { numRuns: 200 },
  );
});

const many = new Map(Array.from({ length: 1000 }, (_, n) => [`key-${n}`, { n }]));
const large = withEdits(new Map<string, Value>(), many);

test('all ways to read it agree', () => {
  assert.equal(large.size, 1000);
  const visited = new Map<string, Value>();
  large.forEach((value, key, map) => {
    assert.equal(map, large);
    visited.set(key, value);
  });
  assert.deepEqual(byKey(visited), byKey(many));
  assert.deepEqual([...large.keys()], [...visited.keys()]);
  assert.deepEqual([...large.values()], [...visited.values()]);
  assert.deepEqual([...large.entries()], [...large]);
  assert.equal(large.get('key-7'), many.get('key-7'));
  assert.ok(large.has('key-999'));
  assert.ok(!large.has('key-1000'));
});

test('a plain Map and a shared one compare by what they hold', () => {
  assert.deepEqual([...changedKeys(many, large)], []);
  assert.deepEqual([...changedKeys(large, new Map([...many].slice(1)))], ['key-0']);
  assert.deepEqual([...changedKeys(new Map(), large)].length, 1000);
});

test('edits that say what is there already give the identical map', () => {
  assert.equal(
    withEdits(
      large,
      new Map([
        ['key-3', many.get('key-3')],
        ['nobody', undefined],
      ]),
    ),
    large,
  );
  assert.equal(withEdits(many, new Map()), many);
});
