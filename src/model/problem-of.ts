import type { Problem, ProblemReason } from './problem.ts';
import type { AnyObject } from './snapshot.ts';

export interface ProblemText {
  readonly severity: Problem['severity'];
  readonly reason: ProblemReason;
  readonly field: string;
  /** The value, what was expected, what happens now. */
  readonly message: string;
}

/** A problem of an object: `text` with the object's name and position. */
export function problemOf(object: AnyObject, text: ProblemText): Problem {
  const { severity, reason, field, message } = text;
  const { namespace, name, position } = object.meta;
  return { severity, reason, object: { kind: object.kind, namespace, name }, field, message, position };
}
