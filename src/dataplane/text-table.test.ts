/** The table of texts beside a Map. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashOf, hashStep, NO_TEXT, type TextEntry, TextTable } from './text-table.ts';

interface Entry extends TextEntry {
  readonly value: number;
}

/** Few enough to meet, also as the beginning of one another. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'é', '\u{1f30a}'), maxLength: 4 });
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), text, value: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), text }) },
);

test('holds what a Map would hold, whatever is put in and taken out', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.array(text, { maxLength: 20 }), (steps, asked) => {
      const table = new TextTable<Entry>();
      const model = new Map<string, number>();
      for (const one of steps) {
        if (one.kind === 'delete') assert.equal(table.delete(one.text), model.delete(one.text));
        else {
          table.set({ text: one.text, value: one.value });
          model.set(one.text, one.value);
        }
        assert.equal(table.size, model.size);
      }
      for (const key of [...asked, ...steps.map((one) => one.text)]) {
        assert.equal(table.get(key)?.value, model.get(key), key);
        const longer = `${key}/b`;
        assert.equal(table.find(hashOf(longer, key.length), longer, key.length)?.value, model.get(key), key);
      }
    }),
    { numRuns: 2000 },
  );
});

test('finds each of a hundred thousand, and none beside them', () => {
  const table = new TextTable<Entry>();
  for (let i = 0; i < 100_000; i++) table.set({ text: `/path-${i}`, value: i });
  for (let i = 0; i < 100_000; i += 2) table.delete(`/path-${i}`);
  assert.equal(table.size, 50_000);
  for (let i = 0; i < 100_000; i++) assert.equal(table.get(`/path-${i}`)?.value, i % 2 === 0 ? undefined : i);
  assert.equal(table.get('/path-100001'), undefined);
});

test('a hash is made of one code unit after the other', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (whole) => {
      let hash = NO_TEXT;
      for (let i = 0; i < whole.length; i++) {
        assert.equal(hash, hashOf(whole, i));
        hash = hashStep(hash, whole.charCodeAt(i));
      }
      assert.equal(hash, hashOf(whole, whole.length));
    }),
  );
});
