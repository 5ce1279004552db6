/** `npm run bench`: Tidegate beside its peers on loopback. See docs/performance.md for what is measured and how. */
import { availableParallelism } from 'node:os';
import { startBackend } from './backends/nginx-backend.ts';
import { describeMachine } from './machine.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { PEERS } from './peers/all.ts';
import { type Peer, probeProgram } from './peers/peer.ts';
import { cleanUp, stopAll, withDirectory } from './processes.ts';
import { publish } from './publish.ts';
import { formatScenario, type PeerVersion, type ScenarioResult } from './report.ts';
import { SCENARIOS } from './scenarios/all.ts';
import type { Scenario } from './scenarios/scenario.ts';

const args = process.argv.slice(2);
const options = optionsOrExit(args);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
try {
  await requireTools();
  await main(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await cleanUp();
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
  if (availableParallelism() < 2)
    throw new Error('The bench needs two cores: one for the proxy, one for load and backend.');
  for (const argv of [
    ['wrk', '-v'],
    ['nginx', '-v'],
    ['taskset', '-V'],
  ]) {
    const presence = await probeProgram(argv, /(\d+\.\d+\S*)/);
    if (presence.kind === 'absent')
      throw new Error(`${presence.reason}; on Debian: apt-get install wrk nginx util-linux`);
  }
}

async function main({ scenarios, peers, effort, quick }: Options): Promise<void> {
  const { present, versions } = await probePeers(peers);
  const done: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    console.log(`\n… ${scenario.title}`);
    const result = await runScenario(scenario, { peers: present, effort, quick });
    done.push(result);
    console.log(formatScenario(result));
  }
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const complete = !quick && scenarios.length === SCENARIOS.length && peers.length === PEERS.length;
  await publish({ machine: describeMachine(), command, effort, peers: versions, scenarios: done }, complete);
  const errors = done
    .flatMap(({ comparisons }) => comparisons.flatMap(({ rows }) => rows))
    .some((row) => row.errors > 0);
  if (errors || done.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

async function probePeers(peers: readonly Peer[]): Promise<{ present: Peer[]; versions: PeerVersion[] }> {
  const versions: PeerVersion[] = [];
  const present: Peer[] = [];
  for (const peer of peers) {
    const { name } = peer;
    const presence = await peer.probe();
    if (presence.kind === 'present') {
      present.push(peer);
      versions.push({ name, presence: presence.version, remarks: peer.remarks });
    } else {
      versions.push({ name, presence: `is not measured: ${presence.reason}`, remarks: [] });
    }
    console.log(`${name} ${versions.at(-1)?.presence}`);
  }
  return { present, versions };
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
