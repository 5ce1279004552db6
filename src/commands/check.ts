/** `tidegate check PATH…`: what `run` would say about these manifests, without running. */
import { AddressPlanner } from '../ipam/address-planner.ts';
import { countObjects } from '../model/object-counts.ts';
import { formatProblem, type Problem } from '../model/problem.ts';
import type { CommonSettings } from '../settings/settings.ts';
import { createTranslator } from '../translate/translate.ts';
import { loadManifests } from './terminal/load-manifests.ts';
import { type Paint, painter, printable, type Terminal } from './terminal/terminal.ts';
import { addressOptions } from './wiring/address-options.ts';
import { translateOptions } from './wiring/translate-options.ts';

export interface CheckRequest {
  readonly settings: CommonSettings;
  /** Files and folders. */
  readonly paths: readonly string[];
  readonly output: 'text' | 'json';
  readonly terminal: Terminal;
}

/**
 * Prints every problem and a summary; gives the exit code: 1 when there is an error, else 0. Rejects with an
 * Error for the user when a path cannot be read. Names of ExternalName Services are not looked up.
 */
export async function check({ settings, paths, output, terminal }: CheckRequest): Promise<number> {
  const snapshot = await loadManifests(paths);
  const translation = createTranslator(translateOptions(settings, null)).translate(snapshot);
  const addresses = new AddressPlanner(addressOptions(settings.addresses, 'manifests'));
  const plan = addresses.plan(snapshot, 'decides');
  const problems = [...translation.problems, ...plan.problems].sort(byPosition);
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  const summary = { objects: countObjects(snapshot), errors, warnings: problems.length - errors };
  if (output === 'json') terminal.write(`${JSON.stringify({ problems, summary }, null, 2)}\n`);
  else terminal.write(report(problems, summary, painter(terminal, process.env)));
  return errors > 0 ? 1 : 0;
}

interface Summary {
  readonly objects: ReturnType<typeof countObjects>;
  readonly errors: number;
  readonly warnings: number;
}

/** Those that no file is to blame for come last. */
function byPosition({ position: a }: Problem, { position: b }: Problem): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line;
}

function report(problems: readonly Problem[], summary: Summary, paint: Paint): string {
  const lines = problems.map((problem) => problemLine(problem, paint));
  return [...lines, summaryLine(summary, paint)].map((line) => `${line}\n`).join('');
}

function problemLine(problem: Problem, paint: Paint): string {
  const { severity } = problem;
  const line = printable(formatProblem(problem));
  return line.replace(`${severity}:`, () => `${paint(severity === 'error' ? 'red' : 'yellow', severity)}:`);
}

function summaryLine({ objects, errors, warnings }: Summary, paint: Paint): string {
  const kinds = Object.entries(objects).filter(([, count]) => count > 0);
  const found = kinds.map(([kind, count]) => `${count} ${kind}`).join(', ');
  const verdict = errors > 0 ? paint('red', counted(errors, 'error')) : paint('green', '0 errors');
  return `${found === '' ? 'No objects that Tidegate reads' : found}: ${verdict}, ${counted(warnings, 'warning')}.`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
