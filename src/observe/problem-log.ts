import { formatProblem, type Problem } from '../model/problem.ts';
import type { Log } from './log.ts';

/** Says each problem once, when it appears, and once more when it is gone. */
export function logProblems(log: Log, before: readonly Problem[], after: readonly Problem[]): void {
  if (before === after) return;
  // Thousands of problems that stay are not put into words for each change: they are the same objects.
  const [known, present] = [new Set(before), new Set(after)];
  const gone = new Set(before.filter((problem) => !present.has(problem)).map(formatProblem));
  const came = new Set<string>();
  for (const problem of after) {
    if (known.has(problem)) continue;
    const text = formatProblem(problem);
    came.add(text);
    if (gone.has(text)) continue;
    log[problem.severity === 'error' ? 'error' : 'warn']('problem', text, { reason: problem.reason });
  }
  for (const text of gone) if (!came.has(text)) log.info('problem-solved', `solved: ${text}`);
}

/** How many there are of each severity. */
export function countProblems(problems: readonly Problem[]): { error: number; warning: number } {
  const error = problems.filter((problem) => problem.severity === 'error').length;
  return { error, warning: problems.length - error };
}
