import type { Problem, ProblemReason } from '../../model/problem.ts';
import type { AnyObject } from '../../model/snapshot.ts';

/** A problem of an object, with its name and position. */
export function problemOf(
  object: AnyObject,
  severity: Problem['severity'],
  reason: ProblemReason,
  field: string,
  message: string,
): Problem {
  const { namespace, name, position } = object.meta;
  return { severity, reason, object: { kind: object.kind, namespace, name }, field, message, position };
}
