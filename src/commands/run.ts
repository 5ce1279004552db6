/** `tidegate run`: source → translation → workers, with logs, metrics and the admin listener beside them. */
import { performance } from 'node:perf_hooks';
import { type AdminServer, startAdmin } from '../admin/server.ts';
import type { Readiness } from '../admin/view.ts';
import type { BoundAddress } from '../dataplane/messages.ts';
import { Supervisor } from '../dataplane/supervisor.ts';
import { countObjects } from '../model/object-counts.ts';
import type { Problem } from '../model/problem.ts';
import { EMPTY_TABLE, type RoutingTable } from '../model/routing-table.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../model/snapshot.ts';
import type { LogOutput } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { countProblems, logProblems } from '../observe/problem-log.ts';
import type { Settings } from '../settings/settings.ts';
import { version } from '../settings/version.ts';
import { createTranslator } from '../translate/translate.ts';
import { tellReady } from './process/ready-file.ts';
import { unlessStopped } from './process/stop-signal.ts';
import { untilStopped } from './process/until-stopped.ts';
import { Addresses, addressOptions, givenInCluster, problemJoiner } from './wiring/addresses.ts';
import { Alarm } from './wiring/alarm.ts';
import { startAnnouncing } from './wiring/announcing.ts';
import { type Control, startControl } from './wiring/control.ts';
import { dataplaneConfig, fallbackCertificate } from './wiring/dataplane-config.ts';
import { openSource } from './wiring/open-source.ts';
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
  return untilStopped(settings.logLevel, 'draining', async (output, stop) => {
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
  const { log } = output;
  tellReady(settings.readyFile, false);
  let live: RoutingTable = EMPTY_TABLE;
  const certificates = () => live.tls.certificates.values();
  const metrics = new Metrics({ version: version(), droppedLines: output.droppedLines, certificates });
  let readiness: Readiness = { ready: false, reason: 'starting' };
  let problems: readonly Problem[] = [];
  let objects: Record<string, number> = {};
  let settledAt = 0;
  let firstLive = (): void => {};
  const isLive = new Promise<void>((resolve) => {
    firstLive = resolve;
  });

  const supervisor = new Supervisor(dataplaneConfig(settings, log), settings.workers, {
    onStats: (worker, report) => metrics.addReport(worker, report),
    onAccessLog: (lines) => output.writeAccessLog(lines),
    onEvent: (level, event, fields) => log[level](event, event, fields),
    onWorkerRestart: (worker) => {
      metrics.countRestart();
      metrics.removeWorker(worker);
    },
    onLive: (table, elapsedMs, worstPauseMs) => {
      live = table;
      const seconds = (performance.now() - settledAt) / 1000;
      metrics.recordReload({
        generation: table.generation,
        seconds,
        objects,
        problems: countProblems(problems),
      });
      log.info('table-live', 'routing table is live', {
        generation: table.generation,
        hosts: table.hosts.size,
        upstreams: table.upstreams.size,
        distribute_ms: round(elapsedMs),
        total_ms: round(seconds * 1000),
        worst_pause_ms: round(worstPauseMs),
      });
      firstLive();
    },
  });
  const ownAddresses = await Addresses.open(settings.addresses, settings.source.kind, log);
  metrics.showPools(() => ownAddresses.usage);
  const { source, api } = await openSource(settings, log, metrics);
  let control: Control | null = null;
  const announced = settings.speaker;
  const onProblems = (): void => onSnapshot(newest);
  const speaker =
    announced === null
      ? null
      : startAnnouncing({ settings: { ...settings, speaker: announced }, api, log, metrics, onProblems });
  const admin = await startAdminListener(settings, {
    version: version(),
    metrics,
    readiness: () => readiness,
    table: () => live,
    problems: () => problems,
    speaker: speaker === null ? null : () => speaker.report(),
    refresh: () => supervisor.report(400),
  });

  const translator = createTranslator(translateOptions(settings, fallbackCertificate(settings)));
  let newest: Snapshot = EMPTY_SNAPSHOT;
  // Certificates become valid and expire without any object changing.
  const nextLook = new Alarm(() => onSnapshot(newest));
  const joinProblems = problemJoiner();
  let leads = false;
  const onSnapshot = (snapshot: Snapshot): void => {
    newest = snapshot;
    try {
      publish(snapshot);
    } catch (error) {
      // A mistake of ours must not take down what is being served; with nothing to serve, the start fails.
      if (current === null) throw error;
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error('internal-error', 'a change is not live, what was live before it stays', { message });
    }
  };
  const publish = (snapshot: Snapshot): void => {
    settledAt = performance.now();
    const translation = translator.translate(snapshot);
    nextLook.set(translation.nextLook);
    const secrets =
      speaker === null ? translation.secrets : translation.secrets.union(speaker.secretsFor(snapshot));
    if (!source.want({ names: translation.externalNames, secrets })) return;
    const decides = (leads || api === null) && !source.isProvisional;
    const plan = ownAddresses.update(snapshot, decides ? 'decides' : 'follows');
    const notAnnounced = speaker?.update(snapshot, plan) ?? NO_PROBLEMS;
    const found = joinProblems(translation.problems, plan.problems, notAnnounced);
    logProblems(log, problems, found);
    problems = found;
    objects = countObjects(snapshot);
    const addresses = givenInCluster(plan, addressOptions(settings.addresses, settings.source.kind));
    // Of what is left of an earlier life nothing is told: the cluster may have moved on.
    if (!source.isProvisional)
      control?.update({ snapshot, problems, ingresses: translation.ingresses, addresses });
    if (translation.table === current) return metrics.recordObjects(objects, countProblems(problems));
    current = translation.table;
    supervisor.apply(translation.table);
  };
  let current: RoutingTable | null = null;
  if (api !== null) {
    control = startControl({
      settings: settings.cluster,
      controller: settings.controller,
      api,
      log,
      metrics,
    });
    // Who begins to lead decides on addresses from what its predecessor wrote.
    control.whileLeading((term) => {
      leads = true;
      term.addEventListener('abort', () => (leads = false), { once: true });
      if (newest !== EMPTY_SNAPSHOT) onSnapshot(newest);
    });
  }
  let bound: readonly BoundAddress[];
  try {
    await unlessStopped(stop, source.start(onSnapshot));
    bound = await unlessStopped(stop, supervisor.start());
    await unlessStopped(stop, isLive);
  } catch (error) {
    await Promise.all([
      speaker?.stop(),
      control?.close(),
      source.close(),
      supervisor.stop(0),
      admin?.close(),
    ]);
    throw error;
  }
  readiness = { ready: true };
  tellReady(settings.readyFile, true);
  const addresses = addressMap(bound, admin);
  log.info('ready', 'serving', {
    addresses,
    generation: live.generation,
    transport: 'net',
    workers: settings.workers,
  });

  return {
    addresses,
    supervisor,
    stop: async () => {
      readiness = { ready: false, reason: 'draining' };
      tellReady(settings.readyFile, false);
      nextLook.stop();
      // Who sends us traffic is told first.
      await speaker?.stop();
      // An API server that is away takes nothing from the time that there is for draining.
      const delay = new Promise((resolve) => setTimeout(resolve, settings.drainDelay));
      await Promise.all([control?.close(), delay]);
      await supervisor.stop(settings.timeouts.drain);
      await source.close();
      await ownAddresses.close();
      await admin?.close();
      log.info('stopped', 'all connections are closed');
    },
  };
}

const NO_PROBLEMS: readonly Problem[] = [];

async function startAdminListener(
  settings: Settings,
  view: Parameters<typeof startAdmin>[1],
): Promise<AdminServer | null> {
  if (settings.admin === null) return null;
  const { address, port } = settings.admin;
  const waits = settings.readyFile !== null;
  return startAdmin({ address, port, name: settings.adminName, waits }, view);
}

function addressMap(bound: readonly BoundAddress[], admin: AdminServer | null): Record<string, string[]> {
  const map: Record<string, string[]> = {};
  for (const { listener, address, port } of bound) {
    map[listener] = [...(map[listener] ?? []), join(address, port)];
  }
  if (admin !== null) map['admin'] = [join(admin.address, admin.port)];
  return map;
}

function join(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
