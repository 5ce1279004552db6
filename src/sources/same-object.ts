import type { AnyObject } from '../model/snapshot.ts';
import { SecretBytes } from '../model/snapshot.ts';

/**
 * Whether two records say the same and come from the same place. A document that only moved inside its file is the
 * same: its line is worth less than sparing everything downstream a change (messages show the line it had when it
 * last changed).
 */
export function isSameObject(a: AnyObject, b: AnyObject): boolean {
  return a.meta.position?.file === b.meta.position?.file && isSame(a, b);
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) && a.length === b.length && a.every((element, index) => isSame(element, b[index]))
    );
  }
  if (a instanceof Map) return b instanceof Map && isSameMap(a, b);
  // Its bytes are private: without this line all Secrets would look alike.
  if (a instanceof SecretBytes)
    return b instanceof SecretBytes && Buffer.compare(a.reveal(), b.reveal()) === 0;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => key === 'position' || isSame(left[key], right[key]))
  );
}

function isSameMap(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (!b.has(key) || !isSame(value, b.get(key))) return false;
  return true;
}
