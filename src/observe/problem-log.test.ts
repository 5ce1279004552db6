import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '../model/problem.ts';
import type { Log } from './log.ts';
import { ProblemLog } from './problem-log.ts';

function problem(message: string, severity: Problem['severity'] = 'error'): Problem {
  return { severity, reason: 'Invalid', object: null, field: '', message, position: null };
}

/** What is logged from one state to the next, as `level event message`. */
function logged(before: readonly Problem[], after: readonly Problem[]): string[] {
  const lines: string[] = [];
  const line = (level: string) => (event: string, message: string) =>
    void lines.push(`${level} ${event} ${message}`);
  const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const problems = new ProblemLog(log);
  problems.update(before);
  lines.length = 0;
  problems.update(after);
  return lines;
}

test('a problem is told when it appears and when it is gone, and nothing in between', () => {
  const [a, b] = [problem('a is wrong'), problem('b is odd', 'warning')];
  assert.deepEqual(logged([], [a, b]), [
    'error problem error: a is wrong [Invalid]',
    'warn problem warning: b is odd [Invalid]',
  ]);
  assert.deepEqual(logged([a, b], [b]), ['info problem-solved solved: error: a is wrong [Invalid]']);
  assert.deepEqual(logged([a], [{ ...a }]), [], 'found anew, it is still the same');
});

test('problems found by several are one list, the very same while theirs are', () => {
  const [a, b] = [[problem('a is wrong')], [problem('b is odd', 'warning')]];
  const line = (): void => {};
  const problems = new ProblemLog({ debug: line, info: line, warn: line, error: line });
  problems.update(a, b);
  const before = problems.problems;
  assert.deepEqual(before, [...a, ...b]);
  assert.deepEqual(problems.counts, { error: 1, warning: 1 });
  problems.update(a, b);
  assert.equal(problems.problems, before);
  problems.update(a, []);
  assert.deepEqual(problems.problems, a);
});
