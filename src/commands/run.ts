/** `tidegate run`: source → translation → workers, with logs, metrics and the admin listener beside them. */
import type { AdminServer } from '../admin/server.ts';
import type { BoundAddress } from '../dataplane/messages.ts';
import type { Supervisor } from '../dataplane/supervisor.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import { formatSocketAddress } from '../model/ip-text.ts';
import type { Log, LogOutput } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { ProblemLog } from '../observe/problem-log.ts';
import type { Settings } from '../settings/settings.ts';
import { version } from '../settings/version.ts';
import type { Source } from '../sources/source.ts';
import { createTranslator } from '../translate/translate.ts';
import { ReadySign } from './process/ready-sign.ts';
import { unlessStopped } from './process/stop-signal.ts';
import { untilStopped } from './process/until-stopped.ts';
import { Addresses } from './wiring/addresses.ts';
import { type Announcing, startAnnouncing } from './wiring/announcing.ts';
import { type Control, startControl } from './wiring/control.ts';
import { Dataplane } from './wiring/dataplane.ts';
import { fallbackCertificate } from './wiring/dataplane-config.ts';
import { openAdmin } from './wiring/open-admin.ts';
import { openSource } from './wiring/open-source.ts';
import { Pipeline } from './wiring/pipeline.ts';
import { translateOptions } from './wiring/translate-options.ts';

/** What a running Tidegate offers to whoever started it inside a process. */
export interface Running {
  /** Bound addresses by listener (`http`, `https`, `admin`), as `address:port`. */
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  readonly supervisor: Supervisor;
  /** Stops as SIGTERM does: readiness, listeners, what is in flight; resolves when all has ended. */
  stop(): Promise<void>;
}

/** Serves until it is told to stop. Sets the exit code. */
export function run(settings: Settings): Promise<void> {
  return untilStopped(settings, 'draining', async (output, stop) => {
    const running = await start(settings, output, stop);
    return () => running.stop();
  });
}

/**
 * Starts everything and resolves once the first table is live. Rejects with a message for the user, and when `stop`
 * aborts before; what had begun has then ended.
 */
export async function start(
  settings: Settings,
  output: LogOutput,
  stop = new AbortController().signal,
): Promise<Running> {
  const parts = await assemble(settings, output);
  const { dataplane, sign, admin } = parts;
  let bound: readonly BoundAddress[];
  try {
    bound = await goLive(parts, stop);
  } catch (error) {
    await giveUp(parts);
    throw error;
  }
  sign.ready();
  const addresses = addressesByListener(bound, admin);
  const { generation } = dataplane.live;
  output.ready('serving', { addresses, generation, transport: 'net', workers: settings.workers });
  return { addresses, supervisor: dataplane.supervisor, stop: () => drain(parts, settings) };
}

interface Parts {
  readonly log: Log;
  readonly sign: ReadySign;
  readonly source: Source;
  readonly addresses: Addresses;
  /** null: nothing is announced from here. */
  readonly announcing: Announcing | null;
  readonly admin: AdminServer | null;
  /** null: there is no cluster to write to. */
  readonly control: Control | null;
  readonly dataplane: Dataplane;
  readonly pipeline: Pipeline;
}

/** Puts the parts together. Nothing is read and nobody is served yet; only the admin listener answers. */
async function assemble(settings: Settings, output: LogOutput): Promise<Parts> {
  const { log } = output;
  const sign = ReadySign.starting(settings.readyFile);
  const metrics = new Metrics({
    version: version(),
    droppedLines: output.droppedLines,
    certificates: () => dataplane.live.tls.certificates.values(),
  });
  const dataplane = new Dataplane(settings, output, metrics);
  const addresses = await Addresses.open(settings.addresses, settings.source.kind, log);
  metrics.showPools(() => addresses.usage);
  const { source, api } = await openSource(settings, log, metrics);
  const problems = new ProblemLog(log);
  const { speaker } = settings;
  const announcing =
    speaker === null
      ? null
      : startAnnouncing({
          settings: { ...settings, speaker },
          api,
          log,
          metrics,
          user: dataplane.release,
          onProblems: () => pipeline.again(),
        });
  const admin = await openAdmin(settings, settings.readyFile !== null, {
    version: version(),
    metrics,
    readiness: () => sign.readiness,
    table: () => dataplane.live,
    problems: () => problems.problems,
    speaker: announcing === null ? null : () => announcing.report(),
    refresh: () => dataplane.supervisor.report(400),
  });
  const translator = createTranslator(translateOptions(settings, fallbackCertificate(settings)));
  const control = controlOf(settings, api, log, metrics);
  const parts = { log, sign, source, addresses, announcing, admin, control, dataplane };
  const pipeline = new Pipeline({ ...parts, translator, problems });
  control?.whileLeading((term) => pipeline.lead(term));
  return { ...parts, pipeline };
}

function controlOf(
  { cluster, controller }: Settings,
  api: KubernetesApi | null,
  log: Log,
  metrics: Metrics,
): Control | null {
  return api === null ? null : startControl({ settings: cluster, controller, api, log, metrics });
}

/** Resolves with the bound addresses once the first table is live. */
async function goLive(
  { source, dataplane, pipeline }: Parts,
  stop: AbortSignal,
): Promise<readonly BoundAddress[]> {
  await unlessStopped(
    stop,
    source.start((snapshot) => pipeline.update(snapshot)),
  );
  const bound = await unlessStopped(stop, dataplane.start());
  await unlessStopped(stop, dataplane.isLive());
  pipeline.announce();
  return bound;
}

async function giveUp({ announcing, control, source, dataplane, admin }: Parts): Promise<void> {
  await Promise.all([
    announcing?.stop(),
    control?.close(),
    source.close(),
    dataplane.stop(0),
    admin?.close(),
  ]);
}

async function drain(parts: Parts, { drainDelay, timeouts }: Settings): Promise<void> {
  const { log, sign, source, addresses, announcing, admin, control, dataplane, pipeline } = parts;
  sign.draining();
  pipeline.stop();
  // Who sends us traffic is told first.
  await announcing?.stop();
  // An API server that is away takes nothing from the time that there is for draining.
  const delay = new Promise((resolve) => setTimeout(resolve, drainDelay));
  await Promise.all([control?.close(), delay]);
  await dataplane.stop(timeouts.drain);
  await source.close();
  await addresses.close();
  await admin?.close();
  log.info('stopped', 'all connections are closed');
}

function addressesByListener(
  bound: readonly BoundAddress[],
  admin: AdminServer | null,
): Record<string, string[]> {
  const addresses: Record<string, string[]> = {};
  const all = admin === null ? bound : [...bound, { listener: 'admin', ...admin }];
  for (const { listener, address, port } of all) {
    addresses[listener] = [...(addresses[listener] ?? []), formatSocketAddress(address, port)];
  }
  return addresses;
}
