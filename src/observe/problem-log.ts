/** What is wrong now, and the log of what came and went. */
import { formatProblem, type Problem } from '../model/problem.ts';
import type { Log } from './log.ts';

export interface ProblemCounts {
  readonly error: number;
  readonly warning: number;
}

/** Says each problem once, when it appears, and once more when it is gone. */
export class ProblemLog {
  readonly #log: Log;
  #lists: readonly (readonly Problem[])[] = [];
  #problems: readonly Problem[] = [];
  #counts: ProblemCounts = { error: 0, warning: 0 };

  constructor(log: Log) {
    this.#log = log;
  }

  /** From now on these are all there are, one list from each who finds some. */
  update(...lists: readonly (readonly Problem[])[]): void {
    if (lists.length === this.#lists.length && lists.every((list, index) => list === this.#lists[index]))
      return;
    this.#lists = lists;
    const before = this.#problems;
    this.#problems = lists.flat();
    this.#counts = countProblems(this.#problems);
    tellDifference(this.#log, before, this.#problems);
  }

  /** The very same list as long as nothing changed. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get counts(): ProblemCounts {
    return this.#counts;
  }
}

function countProblems(problems: readonly Problem[]): ProblemCounts {
  const error = problems.filter((problem) => problem.severity === 'error').length;
  return { error, warning: problems.length - error };
}

/** Thousands of problems that stay are not put into words for each change: they are the same objects. */
function tellDifference(log: Log, before: readonly Problem[], after: readonly Problem[]): void {
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
