/** `tidegate speaker`: source → addresses → what this node announces, with the admin listener beside it. */
import { type AdminServer, startAdmin } from '../admin/server.ts';
import type { Readiness } from '../admin/view.ts';
import type { Problem } from '../model/problem.ts';
import { EMPTY_TABLE } from '../model/routing-table.ts';
import type { Kind, Snapshot } from '../model/snapshot.ts';
import { type LogOutput, openLog } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { SpeakerCommandSettings } from '../settings/settings.ts';
import { version } from '../settings/version.ts';
import { Addresses, problemJoiner } from './addresses.ts';
import { startAnnouncing } from './announcing.ts';
import { openSource } from './open-source.ts';
import { countProblems, logProblems } from './problem-log.ts';
import { stopSignal, unlessStopped } from './stop-signal.ts';

/** What announcing depends on. Secrets are read by name: those with passwords of peers. */
const KINDS: readonly Kind[] = [
  'Service',
  'EndpointSlice',
  'Namespace',
  'Node',
  'IPAddressPool',
  'L2Advertisement',
  'BGPAdvertisement',
  'BGPPeer',
  'Community',
  'BFDProfile',
];
const NO_NAMES: ReadonlySet<string> = new Set();

/** Runs until SIGTERM or SIGINT; a second signal ends it at once. Sets the exit code. */
export async function speaker(settings: SpeakerCommandSettings): Promise<void> {
  const output = openLog({ level: settings.logLevel });
  const stop = stopSignal();
  let end: () => Promise<void>;
  try {
    end = await start(settings, output, stop);
  } catch (error) {
    const { message } = error as Error;
    if (stop.aborted) output.log.info('stopped', message);
    else output.log.error('start-failed', message);
    await output.close();
    process.exit(stop.aborted ? 0 : 1);
  }
  const onStop = async (): Promise<void> => {
    output.log.info('stopping', `${stop.reason}: telling neighbours and routers`);
    await end();
    await output.close();
    process.exit(0);
  };
  if (stop.aborted) return onStop();
  stop.addEventListener('abort', () => void onStop());
}

/**
 * Resolves once the first snapshot is announced, with what ends it all. Rejects with a message for the user, and when
 * `stopped` aborts.
 */
async function start(
  settings: SpeakerCommandSettings,
  output: LogOutput,
  stopped: AbortSignal,
): Promise<() => Promise<void>> {
  const { log } = output;
  const metrics = new Metrics({
    version: version(),
    droppedLines: output.droppedLines,
    certificates: () => [],
  });
  let readiness: Readiness = { ready: false, reason: 'starting' };
  let problems: readonly Problem[] = [];
  const addresses = await Addresses.open(settings.addresses, settings.source.kind, log);
  metrics.showPools(() => addresses.usage);
  const { source, api } = await openSource(settings, log, metrics, KINDS);
  const announcing = startAnnouncing({ settings, api, log, metrics, onProblems: () => tell() });
  let admin: AdminServer | null = null;
  const stop = async (): Promise<void> => {
    readiness = { ready: false, reason: 'draining' };
    await announcing.stop();
    await Promise.all([source.close(), addresses.close(), admin?.close()]);
    log.info('stopped', 'nothing is announced any more');
  };
  const joinProblems = problemJoiner();
  let fromObjects: readonly Problem[] = [];
  const tell = (): void => {
    const found = joinProblems(fromObjects, announcing.problems);
    logProblems(log, problems, found);
    problems = found;
    metrics.recordObjects({}, countProblems(problems));
  };
  const joinFound = problemJoiner();
  const onSnapshot = (snapshot: Snapshot): void => {
    if (!source.want({ names: NO_NAMES, secrets: announcing.secretsFor(snapshot) })) return;
    const plan = addresses.update(snapshot, api === null ? 'decides' : 'follows');
    fromObjects = joinFound(snapshot.problems, plan.problems);
    announcing.update(snapshot, plan);
    tell();
  };
  try {
    if (settings.admin !== null) {
      const { address, port } = settings.admin;
      admin = await startAdmin(
        { address, port, name: settings.adminName, waits: false },
        {
          version: version(),
          metrics,
          readiness: () => readiness,
          table: () => EMPTY_TABLE,
          problems: () => problems,
          speaker: () => announcing.report(),
          refresh: async () => {},
        },
      );
    }
    await unlessStopped(stopped, source.start(onSnapshot));
  } catch (error) {
    await stop();
    throw error;
  }
  readiness = { ready: true };
  const bound = admin === null ? {} : { admin: [`${admin.address}:${admin.port}`] };
  log.info('ready', 'announcing', { addresses: bound, node: settings.speaker.nodeName });
  return stop;
}
