/** What a speaker writes to the cluster: the statuses of what it announces, and Events for what is wrong. */
import { hostname } from 'node:os';
import type { KubernetesApi } from '../../kubernetes/api.ts';
import type { Problem } from '../../model/problem.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { SpeakerReport } from '../../model/speaker-report.ts';
import type { Log } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { ClusterSettings } from '../../settings/cluster.ts';
import { announcementStatuses } from '../../status/announcement-status.ts';
import { AnnouncementWriter } from '../../status/announcement-writer.ts';
import { EventLedger } from '../../status/events.ts';
import type { QueueLimits } from '../../status/write-queue.ts';
import { Writer } from '../../status/writer.ts';

export interface SpeakerWritersOptions {
  readonly api: KubernetesApi;
  readonly settings: Pick<ClusterSettings, 'events' | 'pod'>;
  readonly node: string;
  /** Where statuses are kept. */
  readonly namespace: string;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Events name it as their author. */
const CONTROLLER = 'tidegate.io/speaker';
const EVENT_LIMITS: QueueLimits = { parallel: 1, perSecond: 2, burst: 20, waiting: 500 };

export class SpeakerWriters {
  readonly #statuses: AnnouncementWriter;
  readonly #events: { readonly ledger: EventLedger; readonly writer: Writer } | null;
  readonly #end = new AbortController();
  #told: readonly Problem[] | null = null;

  constructor({ api, settings, node, namespace, log, metrics }: SpeakerWritersOptions) {
    const { pod, events } = settings;
    const onTrouble = (message: string) => log.warn('cluster-write-failed', message);
    this.#statuses = new AnnouncementWriter({
      api,
      node,
      namespace,
      // An owner has to be in the same namespace.
      owner:
        pod.name !== null && pod.uid !== null && pod.namespace === namespace
          ? { name: pod.name, uid: pod.uid }
          : null,
      onOutcome: (outcome) => metrics.countClusterWrite('status', outcome),
      onTrouble,
    });
    this.#events = events
      ? {
          ledger: new EventLedger({ controller: CONTROLLER, instance: pod.name ?? hostname() }),
          writer: new Writer({
            api,
            limits: EVENT_LIMITS,
            isLeading: () => !this.#end.signal.aborted,
            onOutcome: (outcome) => metrics.countClusterWrite('event', outcome),
            onTrouble,
          }),
        }
      : null;
    this.#events?.writer.lead(this.#end.signal);
  }

  /** What is announced now, and what is wrong with it. */
  update(report: SpeakerReport, problems: readonly Problem[], snapshot: Snapshot): void {
    this.#statuses.update(announcementStatuses(report));
    if (this.#events === null || problems === this.#told) return;
    this.#told = problems;
    const { ledger, writer } = this.#events;
    for (const write of ledger.update(problems, snapshot, performance.now(), new Date())) writer.put(write);
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#statuses.close();
  }
}
