import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from './lines.ts';

test('lines come out the same however the stream is cut; those beyond the bound are dropped', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'ü', '€', ' '), maxLength: 12 });
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(20)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const seen: string[] = [];
      let dropped = 0;
      const reader = new LineReader(
        16,
        (text) => seen.push(text),
        () => dropped++,
      );
      let at = 0;
      for (const cut of cuts) {
        reader.push(bytes.subarray(at, at + cut));
        at = Math.min(at + cut, bytes.length);
      }
      reader.push(bytes.subarray(at));
      const fits = (text: string) => Buffer.byteLength(text) <= 16;
      assert.deepEqual(
        seen,
        lines.filter((text) => text !== '' && fits(text)),
      );
      assert.equal(dropped, lines.filter((text) => !fits(text)).length);
      assert.equal(reader.isInside, false);
    }),
  );
});

test('a stream that ends without a line end ends inside a line', () => {
  const reader = new LineReader(
    4,
    () => {},
    () => {},
  );
  reader.push(Buffer.from('a\nb'));
  assert.equal(reader.isInside, true);
  reader.push(Buffer.from('cccccc'));
  assert.equal(reader.isInside, true);
});
