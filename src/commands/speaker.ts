/** `tidegate speaker`: source → addresses → what this node announces, with the admin listener beside it. */
import type { AdminServer } from '../admin/server.ts';
import { formatSocketAddress } from '../model/ip-text.ts';
import type { Problem } from '../model/problem.ts';
import { EMPTY_TABLE } from '../model/routing-table.ts';
import type { Kind, Snapshot } from '../model/snapshot.ts';
import type { LogOutput } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { ProblemLog } from '../observe/problem-log.ts';
import type { SpeakerCommandSettings } from '../settings/settings.ts';
import { version } from '../settings/version.ts';
import { ReadySign } from './process/ready-sign.ts';
import { unlessStopped } from './process/stop-signal.ts';
import { untilStopped } from './process/until-stopped.ts';
import { Addresses } from './wiring/addresses.ts';
import { startAnnouncing } from './wiring/announcing.ts';
import { openAdmin } from './wiring/open-admin.ts';
import { openSource } from './wiring/open-source.ts';

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

/** Announces until it is told to stop. Sets the exit code. */
export function speaker(settings: SpeakerCommandSettings): Promise<void> {
  const leaving = 'telling neighbours and routers';
  return untilStopped(settings, leaving, (output, stop) => start(settings, output, stop));
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
  const sign = ReadySign.starting(null);
  const metrics = new Metrics({ version: version(), droppedLines: output.droppedLines });
  const addresses = await Addresses.open(settings.addresses, settings.source.kind, log);
  metrics.showPools(() => addresses.usage);
  const { source, api } = await openSource(settings, log, metrics, KINDS);
  const problems = new ProblemLog(log);
  let fromObjects: readonly (readonly Problem[])[] = [];
  const tell = (): void => {
    problems.update(...fromObjects, announcing.problems);
    metrics.recordObjects({}, problems.counts);
  };
  const announcing = startAnnouncing({ settings, api, log, metrics, user: null, onProblems: tell });
  const onSnapshot = (snapshot: Snapshot): void => {
    if (!source.want({ names: NO_NAMES, secrets: announcing.secretsFor(snapshot) })) return;
    const plan = addresses.update(snapshot, api === null ? 'decides' : 'follows');
    fromObjects = [snapshot.problems, plan.problems];
    announcing.update(snapshot, plan);
    tell();
  };
  let admin: AdminServer | null = null;
  const stop = async (): Promise<void> => {
    sign.draining();
    await announcing.stop();
    await Promise.all([source.close(), addresses.close(), admin?.close()]);
    log.info('stopped', 'nothing is announced any more');
  };
  try {
    admin = await openAdmin(settings, false, {
      version: version(),
      metrics,
      readiness: () => sign.readiness,
      table: () => EMPTY_TABLE,
      problems: () => problems.problems,
      speaker: () => announcing.report(),
      refresh: async () => {},
    });
    await unlessStopped(stopped, source.start(onSnapshot));
  } catch (error) {
    await stop();
    throw error;
  }
  sign.ready();
  const bound = admin === null ? {} : { admin: [formatSocketAddress(admin.address, admin.port)] };
  output.ready('announcing', { addresses: bound, node: settings.speaker.nodeName });
  return stop;
}
