import type { Problem } from '../model/problem.ts';
import { isSameData } from './same-data.ts';

/** The problems of each stage's parts, so that a part that is redone replaces just its own. */
export class ProblemLedger {
  readonly #byPart = new Map<string, readonly Problem[]>();
  #sorted: readonly Problem[] | null = [];

  /** Replaces what was said about `part`. */
  set(part: string, problems: readonly Problem[]): void {
    const before = this.#byPart.get(part) ?? NONE;
    if (before.length === 0 && problems.length === 0) return;
    if (isSameData(before, problems)) return;
    if (problems.length === 0) this.#byPart.delete(part);
    else this.#byPart.set(part, problems);
    this.#sorted = null;
  }

  /** All problems, by object and field, each once; the same array as long as nothing changed. */
  all(): readonly Problem[] {
    if (this.#sorted === null) this.#sorted = sortedOnce([...this.#byPart.values()].flat());
    return this.#sorted;
  }
}

const NONE: readonly Problem[] = [];

function sortedOnce(problems: readonly Problem[]): Problem[] {
  const byKey = new Map<string, Problem>();
  for (const problem of problems) byKey.set(sortKey(problem), problem);
  return [...byKey.keys()].sort().map((key) => byKey.get(key)!);
}

function sortKey({ object, field, reason, message }: Problem): string {
  return [object?.kind, object?.namespace, object?.name, field, reason, message].join('\n');
}
