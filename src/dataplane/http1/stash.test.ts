import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS } from '../config.ts';
import { RequestHead } from '../message/request-head.ts';
import { parseRequestHead } from './parse-request.ts';
import { Stash } from './stash.ts';

const LIMITS = { ...DEFAULT_LIMITS, requestHeadBytes: 1_000_000 };
const head = new RequestHead();

/** Reads a head in `pieces` as a connection does. Gives the parser's verdict and all the bytes it was given. */
function read(pieces: readonly Buffer[]): { verdict: number; parsed: number } {
  const [first = Buffer.alloc(0), ...rest] = pieces;
  const stash = new Stash(first, 0, first.length);
  let parsed = 0;
  const parse = (): number => {
    parsed += stash.length;
    const verdict = parseRequestHead(stash.bytes, 0, stash.length, LIMITS, head);
    if (verdict === 0) stash.incomplete(LIMITS.requestHeadBytes + 4);
    return verdict;
  };
  let verdict = parse();
  for (const piece of rest) {
    if (verdict !== 0) break;
    stash.append(piece, 0, piece.length);
    if (stash.worthParsing()) verdict = parse();
  }
  return { verdict, parsed };
}

function cut(text: string, size: number): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}

const START = 'GET / HTTP/1.1\r\nHost: h\r\n';

test('a head that dribbles in is parsed a few times, whatever its lines look like', () => {
  for (const fields of [
    'a:\r\n'.repeat(90),
    `X: ${'x'.repeat(400_000)}\r\n`,
    `X: ${'x'.repeat(4000)}\r\n`.repeat(90),
  ]) {
    const text = `${START}${fields}\r\n`;
    for (const size of [1, 7]) {
      const { verdict, parsed } = read(cut(text, size));
      assert.equal(verdict, text.length);
      assert.ok(parsed <= text.length * 4, `${parsed} bytes of ${text.length}`);
    }
  }
});

test('a head without an end is refused at its limit, and what is no head before', () => {
  const { verdict, parsed } = read(cut(`${START}X: ${'x'.repeat(1_100_000)}`, 13));
  assert.equal(verdict, -431);
  assert.ok(parsed <= 4_000_000, `${parsed}`);
  assert.equal(read(cut(`GET /${'x'.repeat(100_000)}`, 3)).verdict, -414);
  assert.equal(read(cut(`${START}X: y\nX: y\r\n`, 1)).verdict, -400);
  assert.equal(read(cut(`${START}\rX: y\r\n`, 1)).verdict, -400);
});

test('whole heads get the same verdict in pieces as at once', () => {
  const line = fc.oneof(
    fc.constantFrom('', '\r\n', 'X: y\r\n', ' fold\r\n', 'X y\r\n', 'X: y\n', 'X: \ry\r\n', 'a:\r\n', '\n'),
    fc.string({ unit: fc.constantFrom('a', ':', ' ', '\r', '\n', '\0'), maxLength: 6 }),
  );
  const text = fc
    .tuple(fc.constantFrom('', '\r\n', '\r\n\r\n'), fc.array(line, { maxLength: 8 }))
    .map(([before, lines]) => `${before}${START}${lines.join('')}\r\n\r\n`);
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (whole, size) => {
      const bytes = Buffer.from(whole, 'latin1');
      const atOnce = parseRequestHead(bytes, 0, bytes.length, LIMITS, head);
      const { verdict } = read(cut(whole, size));
      assert.equal(verdict, atOnce);
    }),
    { numRuns: 2000 },
  );
});
