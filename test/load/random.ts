/** Random choices that a seed repeats. */
export interface Random {
  /** A whole number from 0 up to, but not, `end`. */
  below(end: number): number;
  chance(probability: number): boolean;
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T;
  /** A size in bytes up to `max`: small ones often, large ones seldom, the ends now and then. */
  size(max: number): number;
}

/** The generator is mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (end) => Math.floor(next() * end),
    chance: (probability) => next() < probability,
    pick: (list) => list[Math.floor(next() * list.length)]!,
    size: (max) => {
      const kind = next();
      if (kind < 0.05) return 0;
      if (kind > 0.99) return max;
      return Math.floor(max * next() ** 4);
    },
  };
}
