/** Who owns which addresses: ranges that do not overlap, sorted, so that each address is found in a few steps. */
import type { IpRange } from '../model/ip-range.ts';

export interface OwnedRange<Owner> {
  readonly range: IpRange;
  readonly owner: Owner;
}

export type AddressSpace<Owner> = Readonly<Record<4 | 6, OwnedRange<Owner>[]>>;

export function addressSpace<Owner>(): AddressSpace<Owner> {
  return { 4: [], 6: [] };
}

/** Where the first range stands that does not end before `value`; behind the last one when all do. */
export function firstEndingAt(ranges: readonly OwnedRange<unknown>[], value: bigint): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.range.last < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Gives `owner` what nobody has of a range: these parts, lowest first, and the first one that stood in the way. */
export function claimRange<Owner>(
  space: AddressSpace<Owner>,
  { family, first, last }: IpRange,
  owner: Owner,
): { readonly free: readonly IpRange[]; readonly other: OwnedRange<Owner> | null } {
  const ranges = space[family];
  const start = firstEndingAt(ranges, first);
  const merged: OwnedRange<Owner>[] = [];
  const free: IpRange[] = [];
  const take = (from: bigint, to: bigint) => {
    if (from > to) return;
    const range: IpRange = { family, first: from, last: to };
    free.push(range);
    merged.push({ range, owner });
  };
  let next = first;
  let at = start;
  for (; at < ranges.length && ranges[at]!.range.first <= last; at++) {
    const taken = ranges[at]!;
    take(next, taken.range.first - 1n);
    merged.push(taken);
    next = taken.range.last + 1n;
  }
  take(next, last);
  const other = at > start ? ranges[start]! : null;
  if (free.length > 0) replace(ranges, start, at, merged);
  return { free, other };
}

/** As `splice`, for any number of elements: arguments of a call are limited. */
function replace<T>(list: T[], from: number, to: number, by: readonly T[]): void {
  if (by.length < 1000) {
    list.splice(from, to - from, ...by);
    return;
  }
  const all = [...list.slice(0, from), ...by, ...list.slice(to)];
  list.length = 0;
  for (const each of all) list.push(each);
}
