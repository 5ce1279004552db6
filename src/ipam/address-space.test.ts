import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { IpRange } from '../model/ip-range.ts';
import { addressSpace, claimRange, firstEndingAt } from './address-space.ts';

const ranges = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 12 }))
    .map(([first, size]): IpRange => ({ family: 4, first: BigInt(first), last: BigInt(first + size) })),
);

test('each address belongs to the first that claimed it, and who comes later is told whom it met first', () => {
  fc.assert(
    fc.property(ranges, (claims) => {
      const space = addressSpace<number>();
      const expected = new Map<bigint, number>();
      for (const [owner, range] of claims.entries()) {
        const met: number[] = [];
        const got: bigint[] = [];
        for (let value = range.first; value <= range.last; value++) {
          const before = expected.get(value);
          if (before !== undefined) met.push(before);
          else got.push(value);
          if (before === undefined) expected.set(value, owner);
        }
        const { free, other } = claimRange(space, range, owner);
        assert.equal(other?.owner, met[0]);
        const values = free.flatMap(({ first, last }) =>
          Array.from({ length: Number(last - first) + 1 }, (_, i) => first + BigInt(i)),
        );
        assert.deepEqual(values, got);
      }
      for (let value = 0n; value < 60n; value++) {
        const found = space[4][firstEndingAt(space[4], value)];
        const owner = found !== undefined && found.range.first <= value ? found.owner : undefined;
        assert.equal(owner, expected.get(value));
      }
    }),
  );
});
