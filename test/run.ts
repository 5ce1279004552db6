/**
 * What `npm test` does: format and lint, types, then every test; the load test is a program of its own. Ends with node's summary;
 * the exit code is 0 only when all of it passed. Arguments are paths of test files to run instead of all.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { styleText } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
/** Test files at once: each starts a program of its own, which has threads of its own. */
const CONCURRENCY = 2;
/** Files in these folders run after the others and one at a time: each starts many programs. */
const ALONE = ['test/cluster/', 'test/net/'];

type Outcome = { readonly ok: boolean };

/** A tool of `node_modules`, run by this very Node.js; shows its output only when it fails. */
function check(what: string, script: string, args: readonly string[]): Outcome {
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules', script), ...args],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  );
  report(status === 0, what, performance.now() - start);
  if (status !== 0) console.log(`${stdout}${stderr}`);
  return { ok: status === 0 };
}

function report(ok: boolean, what: string, ms: number): void {
  const mark = ok ? styleText('green', '✔') : styleText('red', '✖');
  console.log(`${mark} ${what} ${styleText('gray', `(${(ms / 1000).toFixed(1)} s)`)}`);
}

interface Failure {
  readonly file: string;
  readonly name: string;
  readonly error: Error;
}

interface Results {
  readonly failures: Failure[];
  readonly skipped: string[];
  /** What node's summary counts, like `pass`, and the milliseconds it took. */
  readonly counts: Map<string, number>;
}

const place = (file: string | undefined) => (file === undefined ? '' : relative(ROOT, file));

/** Runs the files in two phases, then prints failures, skips and the summary of both. */
async function runTests(files: readonly string[]): Promise<Outcome> {
  const results: Results = { failures: [], skipped: [], counts: new Map() };
  const isAlone = (file: string) => ALONE.some((folder) => place(file).startsWith(folder));
  const together = files.filter((file) => !isAlone(file));
  const alone = files.filter(isAlone);
  if (together.length > 0) await runPhase(together, CONCURRENCY, results);
  if (alone.length > 0) await runPhase(alone, 1, results);

  const { failures, skipped, counts } = results;
  for (const { file, name, error } of failures) {
    console.log(`\n${styleText('red', `✖ ${file}: ${name}`)}`);
    console.log(error.cause ?? error);
  }
  if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.map((line) => `  ${line}`).join('\n')}`);
  console.log(`\n${[...counts].map(([what, count]) => `ℹ ${what} ${count}`).join('\n')}`);
  return { ok: failures.length === 0 };
}

/** Runs the files, prints a line for each, and adds to the results. */
async function runPhase(
  files: readonly string[],
  concurrency: number,
  { failures, skipped, counts }: Results,
): Promise<void> {
  const execArgv = ['--disable-warning=ExperimentalWarning'];
  const stream = run({ files: [...files], cwd: ROOT, concurrency, execArgv });
  stream.on('test:summary', ({ file, counts, duration_ms, success }) => {
    if (file === undefined) return;
    const left = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
    report(success, `${place(file)}: ${counts.passed} of ${counts.tests} passed${left}`, duration_ms);
  });
  stream.on('test:fail', ({ file, name, details }) => {
    // A suite fails because a test in it did; that one is told.
    const { failureType } = details.error as Error & { failureType?: string };
    if (failureType !== 'subtestsFailed') failures.push({ file: place(file), name, error: details.error });
  });
  stream.on('test:pass', ({ file, name, skip }) => {
    if (skip !== undefined)
      skipped.push(`${place(file)}: ${name}${typeof skip === 'string' ? ` (${skip})` : ''}`);
  });
  stream.on('test:stderr', ({ message }) => process.stderr.write(message));
  stream.on('test:diagnostic', ({ file, message, nesting }) => {
    const [, what, count] = /^(\w+) ([\d.]+)$/.exec(message) ?? [];
    if (file === undefined && nesting === 0 && what !== undefined)
      counts.set(what, (counts.get(what) ?? 0) + Number(count));
    else console.log(styleText('gray', `  ${message}`));
  });
  for await (const _event of stream);
}

const patterns = process.argv.length > 2 ? process.argv.slice(2) : ['src/**/*.test.ts', 'test/**/*.test.ts'];
const files = globSync(patterns, { cwd: ROOT })
  .sort()
  .map((file) => join(ROOT, file));

const outcomes = [
  check('format and lint (biome)', '@biomejs/biome/bin/biome', ['check', '.']),
  check('types (tsc)', 'typescript/bin/tsc', []),
  await runTests(files),
];
process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1;
