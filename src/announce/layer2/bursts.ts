/**
 * When hosts are told, unasked, where an address is: at once and soon again, since a frame may be lost; then slower,
 * since some hosts take no second change within a second; and then now and then for those who missed it all.
 */
const FIRST_MS = [0, 100, 400, 1200] as const;
const EVERY_MS = 1000;
const UNTIL = 13;
const REFRESH_MS = 30_000;

/** When the `n`-th burst (from 0) is due, in milliseconds after the take-over. */
export function burstAt(n: number): number {
  const first = FIRST_MS[n];
  if (first !== undefined) return first;
  const last = FIRST_MS.length - 1;
  if (n <= UNTIL) return FIRST_MS[last]! + (n - last) * EVERY_MS;
  return burstAt(UNTIL) + (n - UNTIL) * REFRESH_MS;
}
