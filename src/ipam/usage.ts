/** How full pools are: `status` of an IPAddressPool, and metrics. */
import { parseIp } from '../model/ip.ts';
import type { IpRange } from '../model/ip-range.ts';
import type { PoolUsage } from '../model/metallb.ts';
import type { Allocation } from './allocate.ts';
import { type Pool, type PoolSet, poolOf } from './pools.ts';

/** By the name of the pool. An address that several Services share counts once; one that nobody may get is not available. */
export function poolUsage(
  set: PoolSet,
  allocations: Iterable<Allocation>,
  reserved: ReadonlyMap<string, string>,
): Map<string, PoolUsage> {
  const assigned = new Set<string>();
  for (const { addresses } of allocations) for (const address of addresses) assigned.add(address);
  const taken = countByPool(set, assigned);
  const gone = countByPool(
    set,
    [...reserved.keys()].filter((address) => !assigned.has(address)),
  );
  return new Map(
    set.pools.map((pool) => {
      const [used, lost] = [taken.get(pool) ?? NONE, gone.get(pool) ?? NONE];
      return [
        pool.name,
        {
          assignedIPv4: used[4],
          assignedIPv6: used[6],
          availableIPv4: atMost(capacity(pool, 4) - BigInt(used[4] + lost[4])),
          availableIPv6: atMost(capacity(pool, 6) - BigInt(used[6] + lost[6])),
        },
      ];
    }),
  );
}

const NONE: Readonly<Record<4 | 6, number>> = { 4: 0, 6: 0 };

function countByPool(set: PoolSet, addresses: Iterable<string>): Map<Pool, Record<4 | 6, number>> {
  const counts = new Map<Pool, Record<4 | 6, number>>();
  for (const text of addresses) {
    const ip = parseIp(text);
    const pool = ip === null ? null : poolOf(set, ip);
    if (ip === null || pool === null) continue;
    const count = counts.get(pool) ?? { 4: 0, 6: 0 };
    count[ip.family]++;
    counts.set(pool, count);
  }
  return counts;
}

/** Addresses that the pool could give if none were taken. */
function capacity({ ranges, object }: Pool, family: 4 | 6): bigint {
  let total = 0n;
  for (const range of ranges) {
    if (range.family !== family) continue;
    total += range.last - range.first + 1n;
    if (object.avoidBuggyIps && family === 4) total -= ending(range, 0n) + ending(range, 255n);
  }
  return total;
}

/** How many addresses of a range end in `byte`. */
function ending({ first, last }: IpRange, byte: bigint): bigint {
  const upTo = (value: bigint): bigint => (value < byte ? 0n : (value - byte) / 256n + 1n);
  return upTo(last) - (first === 0n ? 0n : upTo(first - 1n));
}

function atMost(count: bigint): number {
  return Number(count < BigInt(Number.MAX_SAFE_INTEGER) ? count : BigInt(Number.MAX_SAFE_INTEGER));
}
