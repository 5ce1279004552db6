/** `npm run bench`: Tidegate beside its peers on loopback. See docs/performance.md for what is measured and how. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBackend } from './backends/nginx-backend.ts';
import { drawChart } from './chart.ts';
import { describeMachine } from './machine.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { PEERS } from './peers/all.ts';
import { type Peer, type Presence, probeProgram } from './peers/peer.ts';
import { stopAll, withDirectory } from './processes.ts';
import {
  formatResults,
  formatScenario,
  type PeerVersion,
  type Results,
  type ScenarioResult,
} from './report.ts';
import { SCENARIOS } from './scenarios/all.ts';
import type { Scenario } from './scenarios/scenario.ts';

const RESULTS = new URL('./results/', import.meta.url);
const DOCUMENT = new URL('../docs/performance.md', import.meta.url);
const FIGURE = new URL('../docs/figures/performance.svg', import.meta.url);
/** What stands between these two lines of the document is replaced. */
const BEGIN = '<!-- written by npm run bench: begin -->';
const END = '<!-- written by npm run bench: end -->';

const args = process.argv.slice(2);
const options = optionsOrExit(args);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopAll().finally(() => process.exit(130)));
try {
  await requireTools();
  await main(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await stopAll();
}

function optionsOrExit(args: readonly string[]): Options {
  try {
    return parseOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return process.exit(2);
  }
}

/** The load generator and the backend are needed for everything. */
async function requireTools(): Promise<void> {
  if (process.platform !== 'linux')
    throw new Error('The bench reads /proc and pins processes: it needs Linux.');
  for (const argv of [
    ['wrk', '-v'],
    ['nginx', '-v'],
    ['taskset', '-V'],
  ]) {
    const presence = await probeTool(argv);
    if (presence.kind === 'absent')
      throw new Error(`${presence.reason}; on Debian: apt-get install wrk nginx util-linux`);
  }
}

async function probeTool(argv: readonly string[]): Promise<Presence> {
  return probeProgram(argv, /(\d+\.\d+\S*)/);
}

async function main({ scenarios, peers, effort, quick }: Options): Promise<void> {
  const versions: PeerVersion[] = [];
  const present: Peer[] = [];
  for (const peer of peers) {
    const presence = await peer.probe();
    if (presence.kind === 'present') present.push(peer);
    const text = presence.kind === 'present' ? presence.version : `is not measured: ${presence.reason}`;
    versions.push({
      name: peer.name,
      presence: text,
      remarks: presence.kind === 'present' ? peer.remarks : [],
    });
    console.log(`${peer.name} ${text}`);
  }
  const done: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    console.log(`\n… ${scenario.title}`);
    const result = await runScenario(scenario, { peers: present, effort, quick });
    done.push(result);
    console.log(formatScenario(result));
  }
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const complete = !quick && scenarios.length === SCENARIOS.length && peers.length === PEERS.length;
  await save({ machine: describeMachine(), command, effort, peers: versions, scenarios: done }, complete);
  const errors = done
    .flatMap(({ comparisons }) => comparisons.flatMap(({ rows }) => rows))
    .some((row) => row.errors > 0);
  if (errors || done.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

/** Each scenario has a backend and a directory of its own; what goes wrong ends that scenario only. */
async function runScenario(
  scenario: Scenario,
  setting: Pick<Options, 'effort' | 'quick'> & { readonly peers: readonly Peer[] },
): Promise<ScenarioResult> {
  const { name, title, description } = scenario;
  return withDirectory(async (directory) => {
    try {
      const backend = await startBackend(directory);
      const outcome = await scenario.run({ ...setting, backend, directory });
      return { name, title, description, ...outcome };
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { name, title, description, comparisons: [], facts: [], failures: [reason] };
    } finally {
      await stopAll();
    }
  });
}

async function save(results: Results, complete: boolean): Promise<void> {
  const text = formatResults(results);
  const svg = drawChart(results.scenarios.flatMap(({ comparisons }) => comparisons));
  const directory = RESULTS.pathname;
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'latest.json'), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(join(directory, 'latest.md'), text);
  await writeFile(join(directory, 'latest.svg'), svg);
  console.log(`Figures: ${directory}latest.{md,json,svg}`);
  if (!complete) return;
  const document = await readFile(DOCUMENT, 'utf8');
  const [head, tail] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (head < 0 || tail < head)
    throw new Error(`${DOCUMENT.pathname}: the lines "${BEGIN}" and "${END}" are missing`);
  await writeFile(DOCUMENT, `${document.slice(0, head + BEGIN.length)}\n\n${text}\n${document.slice(tail)}`);
  await writeFile(FIGURE, svg);
  console.log('docs/performance.md and its figure are renewed.');
}
