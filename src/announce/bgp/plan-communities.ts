/** Communities of advertisements: names from Community objects, else as they are written. */
import { type BgpCommunity, parseCommunity } from '../../model/bgp-community.ts';
import type { BgpAdvertisement, Community } from '../../model/metallb.ts';
import type { LargeCommunity } from './message.ts';

export type Aliases = ReadonlyMap<string, BgpCommunity>;

/** Of a name that is defined twice the first definition counts, by namespace and name of its object. */
export function readAliases(objects: Iterable<Community>): Aliases {
  const aliases = new Map<string, BgpCommunity>();
  const sorted = [...objects].sort((a, b) => (a.meta.key < b.meta.key ? -1 : 1));
  for (const { communities } of sorted)
    for (const { name, value } of communities) if (!aliases.has(name)) aliases.set(name, value);
  return aliases;
}

export interface Communities {
  readonly standard: readonly number[];
  readonly large: readonly LargeCommunity[];
  /** Index and text of those that are neither. */
  readonly unknown: readonly (readonly [index: number, text: string])[];
}

export function resolveCommunities(advertisement: BgpAdvertisement, aliases: Aliases): Communities {
  const standard: number[] = [];
  const large: LargeCommunity[] = [];
  const unknown: [number, string][] = [];
  for (const [index, text] of advertisement.communities.entries()) {
    const value = aliases.get(text) ?? parseCommunity(text);
    if (value === null || value === 'out-of-range') unknown.push([index, text]);
    else if (value.kind === 'standard') standard.push(value.value);
    else large.push([value.global, value.local1, value.local2]);
  }
  return { standard, large, unknown };
}

/** Sorted, each once: equal sets give equal lists. */
export function uniteStandard(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

export function uniteLarge(a: readonly LargeCommunity[], b: readonly LargeCommunity[]): LargeCommunity[] {
  const byText = new Map([...a, ...b].map((community) => [community.join(':'), community]));
  return [...byText.values()].sort((x, y) => x[0] - y[0] || x[1] - y[1] || x[2] - y[2]);
}
