import { formatProblem, type Problem } from '../model/problem.ts';
import type { Log } from '../observe/log.ts';

/** Says each problem once, when it appears, and once more when it is gone. */
export function logProblems(log: Log, before: readonly Problem[], after: readonly Problem[]): void {
  if (before === after) return;
  const old = new Set(before.map(formatProblem));
  const now = new Set(after.map(formatProblem));
  for (const problem of after) {
    const text = formatProblem(problem);
    if (old.has(text)) continue;
    log[problem.severity === 'error' ? 'error' : 'warn']('problem', text, { reason: problem.reason });
  }
  for (const text of old) if (!now.has(text)) log.info('problem-solved', text);
}

/** How many there are of each severity. */
export function countProblems(problems: readonly Problem[]): { error: number; warning: number } {
  const error = problems.filter((problem) => problem.severity === 'error').length;
  return { error, warning: problems.length - error };
}
