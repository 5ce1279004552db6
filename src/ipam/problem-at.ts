import type { Problem } from '../model/problem.ts';
import type { AnyObject } from '../model/snapshot.ts';

/** A problem of an object, with its name and position. */
export function problemAt(object: AnyObject, text: Omit<Problem, 'object' | 'position'>): Problem {
  const { namespace, name, position } = object.meta;
  return { ...text, object: { kind: object.kind, namespace, name }, position };
}
