import type { ObjectMeta } from '../../model/snapshot.ts';

/**
 * Order of objects that claim the same thing, the one that gets it first: older first (an object without
 * creation time counts as newest), then by namespace and name. Gateway API prescribes it; Ingress leaves it open.
 */
export function byPrecedence(a: ObjectMeta, b: ObjectMeta): number {
  const age = (a.creationTimestamp || Infinity) - (b.creationTimestamp || Infinity);
  // Infinity - Infinity is NaN: both without a time.
  if (age < 0 || age > 0) return age;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
