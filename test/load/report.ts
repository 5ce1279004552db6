/** From what was seen to passed and failed, and how that is told. */

import { hostName, PATHS, placeOf } from './cell.ts';
import type { ChurnCounts } from './churn.ts';
import { CLIENT_KINDS } from './clients/all.ts';
import type { History } from './history.ts';
import type { Totals } from './messages.ts';
import { type Answer, type Failure, isExcused, type Kill } from './verdict.ts';

/** All that a run has seen. */
export interface Evidence {
  readonly seconds: number;
  readonly history: History;
  readonly answers: readonly Answer[];
  readonly failures: readonly Failure[];
  readonly kills: readonly Kill[];
  /** Warnings and errors of the program's log. */
  readonly troubles: readonly string[];
  readonly reloads: number;
  readonly counts: ChurnCounts;
  readonly admin: { readonly asked: number; readonly failed: readonly string[] };
  readonly totals: Totals;
  readonly exitCode: number | null;
  readonly doublePosts: readonly number[];
  readonly peakMemory: number;
}

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly excused: number;
  /** One line for each thing that failed. */
  readonly failures: readonly string[];
}

/** Kinds of clients that get no answers to judge. */
const SILENT = new Set(['abandoners']);
/** A killed worker takes at most every connection with it; each is one failure. */
const CLIENTS = CLIENT_KINDS.reduce((sum, { count }) => sum + count, 0);
const SHOWN = 20;

export function judge(evidence: Evidence): Verdict {
  const { answers, failures, kills } = evidence;
  const unexcused = failures.filter((failure) => !isExcused(failure, kills));
  const excused = failures.length - unexcused.length;
  const misrouted = answers.flatMap((answer) => misrouting(evidence.history, answer) ?? []);
  const checks = checksOf(evidence, excused);
  const failedChecks = checks.filter(({ ok }) => !ok).map(({ what }) => what);
  const lines = [...failedChecks, ...misrouted, ...unexcused.map((failure) => describe(failure, evidence))];
  const { webSocketMessages } = evidence.totals;
  const passed = answers.length - misrouted.length + webSocketMessages + checks.length - failedChecks.length;
  return { passed, failed: lines.length, excused, failures: lines };
}

function misrouting(history: History, { client, route, start, end, backend }: Answer): string | null {
  const right = history.rightFor(route, start, end);
  if (right.has(backend)) return null;
  const { cell, host, path } = placeOf(route);
  const place = `${hostName(cell, host)}${PATHS[path]!.path}`;
  return `${client}: ${backend} answered ${place}, where only ${[...right].join(', ')} could be right (${at(start)} to ${at(end)})`;
}

function describe({ client, kind, openedAt, at: when, message }: Failure, { kills }: Evidence): string {
  const last = kills.findLast(({ until }) => until <= when);
  const since = last === undefined ? '' : `, ${Math.round(when - last.until)} ms after a kill`;
  return `${client}: ${kind} at ${at(when)} on a connection of ${Math.round(when - openedAt)} ms${since}: ${message}`;
}

const at = (ms: number): string => `${(ms / 1000).toFixed(3)} s`;

interface Check {
  readonly ok: boolean;
  readonly what: string;
}

/** What must hold for the whole run: nothing went wrong unseen, and enough was done to tell. */
function checksOf(evidence: Evidence, excused: number): Check[] {
  const { seconds, answers, counts, kills, admin, totals, reloads, doublePosts, exitCode } = evidence;
  const atLeast = (minimum: number, is: number, what: string): Check => ({
    ok: is >= minimum,
    what: `too little was done to tell: ${is} ${what}, expected at least ${minimum}`,
  });
  const none = (found: readonly unknown[], what: string): Check => ({
    ok: found.length === 0,
    what: `${found.length} ${what}: ${found.slice(0, 5).join('; ')}`,
  });
  const unexpected = unexpectedTroubles(evidence);
  return [
    none(unexpected, 'unexpected warnings or errors in the log'),
    none(doublePosts, 'POSTs reached a backend twice, tasks'),
    none(admin.failed, 'failed requests to the admin listener'),
    { ok: exitCode === 0, what: `the program ended with ${exitCode} after SIGTERM, expected 0` },
    { ok: counts.left === 0, what: `${counts.left} connections to backends that had left were never closed` },
    {
      ok: excused <= kills.length * CLIENTS,
      what: `${excused} failures fell into the time of ${kills.length} kills, more than clients had connections`,
    },
    atLeast(1, kills.length, 'workers killed'),
    atLeast(10 * seconds, counts.writes, 'files rewritten'),
    atLeast(2 * seconds, reloads, 'tables went live'),
    atLeast(1, counts.broken, 'files broken'),
    atLeast(Math.ceil(seconds / 10), counts.passed, 'backends came and went'),
    atLeast(50 * seconds, answers.length, 'answers'),
    atLeast(5 * seconds, totals.webSocketMessages, 'WebSocket messages'),
    ...CLIENT_KINDS.filter(({ name }) => !SILENT.has(name)).map(({ name }) =>
      atLeast(3, answers.filter(({ client }) => client === name).length, `answers to ${name}`),
    ),
  ];
}

/** Problems of manifests are made on purpose here, and so is the end of as many workers as were killed. */
function unexpectedTroubles({ troubles, kills }: Evidence): string[] {
  let ends = kills.length;
  return troubles.filter((line) => {
    if (line.startsWith('problem: ')) return false;
    return !(line.startsWith('worker-exit') && ends-- > 0);
  });
}

export function printVerdict(evidence: Evidence, { passed, failed, excused, failures }: Verdict): void {
  const { answers, totals, counts, reloads, kills, peakMemory } = evidence;
  const times = answers.map(({ start, end }) => end - start).sort((a, b) => a - b);
  const quantile = (q: number): string => `${(times[Math.floor(times.length * q)] ?? 0).toFixed(1)} ms`;
  const perKind = CLIENT_KINDS.map(
    ({ name }) => `${name} ${answers.filter(({ client }) => client === name).length}`,
  );
  console.log(`answers      ${answers.length} (${perKind.join(', ')})`);
  console.log(
    `bodies       ${(totals.bytes / 1e6).toFixed(0)} MB compared, ${totals.webSocketMessages} WebSocket messages`,
  );
  console.log(`left alone   ${totals.abandoned} requests given up on purpose`);
  console.log(
    `changes      ${counts.writes} files rewritten (${counts.broken} broken), ${reloads} tables live`,
  );
  console.log(`backends     ${counts.passed} came and went`);
  console.log(`kills        ${kills.length} workers, ${excused} failures excused`);
  console.log(`head after   p50 ${quantile(0.5)}, p99 ${quantile(0.99)} (not judged)`);
  console.log(`memory       at most ${(peakMemory / 2 ** 20).toFixed(0)} MiB (not judged)`);
  if (failures.length > 0) console.log('\nFailures:');
  for (const line of failures.slice(0, SHOWN)) console.log(`  ${line}`);
  if (failures.length > SHOWN) console.log(`  … and ${failures.length - SHOWN} more`);
  console.log(`\n${passed} passed, ${failed} failed`);
}
