import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from './ip.ts';
import {
  type IpRange,
  parseRange,
  prefixesOf,
  rangeContains,
  rangeOfPrefix,
  rangesOverlap,
} from './ip-range.ts';
import { formatPrefix } from './ip-text.ts';

const range = (text: string): IpRange => parseRange(text)!;

describe('ranges', () => {
  for (const text of [
    '192.0.2.1',
    '192.0.2.1-',
    '192.0.2.9-192.0.2.1',
    '::-192.0.2.1',
    '192.0.2.0/33',
    '',
    'a-b',
  ]) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(parseRange(text), null));
  }

  const covers: readonly [range: string, prefixes: string][] = [
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.7/24', '192.0.2.0/24'],
    ['192.0.2.1-192.0.2.1', '192.0.2.1/32'],
    ['192.0.2.1 - 192.0.2.6', '192.0.2.1/32 192.0.2.2/31 192.0.2.4/31 192.0.2.6/32'],
    ['0.0.0.0-255.255.255.255', '0.0.0.0/0'],
    ['2001:db8::-2001:db8::1:ffff', '2001:db8::/111'],
    ['::/0', '::/0'],
  ];
  for (const [text, prefixes] of covers) {
    test(`${text} is ${prefixes}`, () =>
      assert.equal(prefixesOf(range(text)).map(formatPrefix).join(' '), prefixes));
  }

  test('have their ends inside and their neighbours outside', () => {
    const inside = (text: string) => rangeContains(range('192.0.2.4-192.0.2.7'), parseIp(text)!);
    const addresses = ['192.0.2.3', '192.0.2.4', '192.0.2.7', '192.0.2.8', '::c000:204'];
    assert.deepEqual(addresses.map(inside), [false, true, true, false, false]);
  });

  const anyRange = fc
    .tuple(fc.bigInt(0n, 0x8000_0000n), fc.bigInt(0n, 0x7fff_ffffn))
    .map(([first, more]): IpRange => ({ family: 4, first, last: first + more }));

  test('are covered by their prefixes, without gap and without more', () => {
    fc.assert(
      fc.property(anyRange, (given) => {
        const parts = prefixesOf(given).map(rangeOfPrefix);
        assert.equal(parts[0]?.first, given.first);
        assert.equal(parts.at(-1)?.last, given.last);
        for (const [at, part] of parts.slice(1).entries()) assert.equal(part.first, parts[at]!.last + 1n);
      }),
    );
  });

  test('overlap exactly when one has an end of the other', () => {
    fc.assert(
      fc.property(anyRange, anyRange, (a, b) => {
        const ends = (of: IpRange, other: IpRange) =>
          rangeContains(other, { family: 4, value: of.first }) ||
          rangeContains(other, { family: 4, value: of.last });
        assert.equal(rangesOverlap(a, b), ends(a, b) || ends(b, a));
      }),
    );
  });
});
