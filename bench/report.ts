/** The figures as text: Markdown for the documentation and the terminal alike. */
import type { Machine } from './machine.ts';
import type { Row } from './rounds.ts';
import type { Comparison, Fact, Outcome, Scenario, Target } from './scenarios/scenario.ts';

export interface PeerVersion {
  readonly name: string;
  /** The version, or why it is not measured. */
  readonly presence: string;
  readonly remarks: readonly string[];
}

export interface Results {
  readonly machine: Machine;
  readonly command: string;
  readonly effort: { readonly rounds: number; readonly seconds: number };
  readonly peers: readonly PeerVersion[];
  readonly scenarios: readonly ScenarioResult[];
}

export interface ScenarioResult extends Outcome, Pick<Scenario, 'name' | 'title' | 'description'> {}

/** The whole report, from the second heading level on. */
export function formatResults(results: Results): string {
  return [formatSetting(results), ...results.scenarios.map(formatScenario)].join('\n');
}

function formatSetting({ machine, command, effort, peers }: Results): string {
  const commit = machine.commit === null ? '' : ` at commit ${machine.commit}`;
  const lines = peers.map(({ name, presence, remarks }) =>
    `- **${name}** ${presence}. ${remarks.join(' ')}`.trimEnd(),
  );
  return `## Setting

${machine.date}${commit}: \`${command}\`, ${effort.rounds} rounds of ${effort.seconds} s per candidate. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, Linux ${machine.kernel}, Node.js ${machine.node}.

${lines.join('\n')}
`;
}

/** One section; also what the terminal shows when a scenario is done. */
export function formatScenario(scenario: ScenarioResult): string {
  const parts = [
    `## ${scenario.title}`,
    scenario.description,
    ...scenario.comparisons.map((comparison) => formatComparison(comparison)),
    ...(scenario.facts.length > 0 ? [formatFacts(scenario.facts)] : []),
    ...scenario.failures.map((failure) => `Not measured: ${failure.replaceAll('\n', ' ')}`),
  ];
  return `${parts.join('\n\n')}\n`;
}

function formatComparison({ title, unit, rows, targets }: Comparison): string {
  const columns = [
    title,
    `CPU µs per ${unit}`,
    'lower quartile',
    'in kernel',
    'CPU ratio',
    `${unit}s/s`,
    'ratio',
    'p50 ms',
    'p99 ms',
    'errors',
  ];
  const table = formatTable(columns, rows.map(formatRow));
  const verdicts = targets.flatMap((target) => formatTarget(target, rows));
  return verdicts.length === 0 ? table : `${table}\n\n${verdicts.join('\n')}`;
}

function formatRow(row: Row): string[] {
  return [
    row.name,
    row.cpuUs.toFixed(1),
    row.cpuLowerQuartileUs.toFixed(1),
    `${(row.systemShare * 100).toFixed(0)} %`,
    row.ratio === null ? '' : row.ratio.cpu.toFixed(2),
    Math.round(row.perSecond).toLocaleString('en'),
    row.ratio === null ? '' : row.ratio.perSecond.toFixed(2),
    (row.p50Us / 1000).toFixed(2),
    (row.p99Us / 1000).toFixed(2),
    String(row.errors),
  ];
}

/** The ratio of a round is exact only to the reference of the row; to others it is that of the medians. */
function formatTarget({ name, reference, atMost }: Target, rows: readonly Row[]): string[] {
  const row = rows.find((candidate) => candidate.name === name);
  const other = rows.find((candidate) => candidate.name === reference);
  if (!row || !other) return [];
  const ratio = row.ratio?.to === reference ? row.ratio.cpu : row.cpuUs / other.cpuUs;
  const verdict = ratio <= atMost ? 'reached' : '**missed**';
  return [`- ${name}: ${ratio.toFixed(2)} × ${reference}; target at most ${atMost.toFixed(2)}: ${verdict}`];
}

function formatFacts(facts: readonly Fact[]): string {
  const rows = facts.map(({ name, value, unit, atMost }) => {
    const target = atMost === null ? '' : `${atMost} ${unit}: ${value <= atMost ? 'reached' : '**missed**'}`;
    return [name, `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`, target];
  });
  return formatTable(['', 'measured', 'target (at most)'], rows);
}

/** First column to the left, numbers to the right, padded so that it reads well in a terminal, too. */
function formatTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) =>
    Math.max(3, column.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, index) => (index === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(columns), line(rule), ...rows.map(line)].join('\n');
}
