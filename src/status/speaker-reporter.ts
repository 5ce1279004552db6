/** What a speaker writes to the cluster: the statuses of what it announces, and Events for what is wrong. */
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Problem } from '../model/problem.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { SpeakerReport } from '../model/speaker-report.ts';
import { announcementStatuses } from './announcement-status.ts';
import { AnnouncementWriter } from './announcement-writer.ts';
import { EventLedger, type EventReporter } from './events.ts';
import type { Outcome, QueueLimits } from './write-queue.ts';
import { Writer } from './writer.ts';

export interface SpeakerReporterOptions {
  readonly api: KubernetesApi;
  readonly node: string;
  /** Where statuses are kept. */
  readonly namespace: string;
  /** The Pod that they belong to, in the same namespace; null outside of one. */
  readonly owner: { readonly name: string; readonly uid: string } | null;
  /** null: no Events. */
  readonly events: EventReporter | null;
  readonly onOutcome: (what: 'status' | 'event', kind: Outcome['kind']) => void;
  readonly onTrouble: (message: string) => void;
}

const EVENT_LIMITS: QueueLimits = { parallel: 1, perSecond: 2, burst: 20, waiting: 500 };

export class SpeakerReporter {
  readonly #statuses: AnnouncementWriter;
  readonly #events: { readonly ledger: EventLedger; readonly writer: Writer } | null;
  readonly #end = new AbortController();
  #told: readonly Problem[] | null = null;

  constructor(options: SpeakerReporterOptions) {
    const { api, node, namespace, owner, events, onOutcome, onTrouble } = options;
    this.#statuses = new AnnouncementWriter({
      api,
      node,
      namespace,
      owner,
      onOutcome: (kind) => onOutcome('status', kind),
      onTrouble,
    });
    this.#events = events
      ? {
          ledger: new EventLedger(events),
          writer: new Writer({
            api,
            limits: EVENT_LIMITS,
            // Every speaker tells of its own node.
            isLeading: () => !this.#end.signal.aborted,
            onOutcome: (kind) => onOutcome('event', kind),
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

  /** Takes the statuses back. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#statuses.close();
  }
}
