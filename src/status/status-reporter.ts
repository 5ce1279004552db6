/** While we lead: keeps the status of Ingresses and Services and the Events at what was translated last. */
import type { KubernetesApi } from '../kubernetes/api.ts';
import { type Resource, resourcePath } from '../kubernetes/resource.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import type { Ingress, Snapshot } from '../model/snapshot.ts';
import { addressWrites, type GivenInCluster } from './address-writes.ts';
import { type Publishing, publishedAddresses } from './addresses.ts';
import { applying } from './apply.ts';
import { EventLedger, type EventReporter } from './events.ts';
import {
  type IngressStatus,
  ingressStatusObject,
  planIngressStatuses,
  planWithdrawal,
} from './ingress-status.ts';
import type { Outcome, QueueLimits, Write } from './write-queue.ts';
import { Writer } from './writer.ts';

/** What follows from a snapshot, as far as the cluster is told of it. */
export interface Reported {
  readonly snapshot: Snapshot;
  readonly problems: readonly Problem[];
  /** Those of our class. */
  readonly ingresses: ReadonlyMap<ObjectKey, Ingress>;
  readonly addresses: GivenInCluster;
}

export interface StatusReporterOptions {
  readonly api: KubernetesApi;
  /** Our field manager. */
  readonly manager: string;
  readonly isLeading: () => boolean;
  /** null: the status of Ingresses is not ours to write. */
  readonly publishing: Publishing | null;
  /** null: no Events. */
  readonly events: EventReporter | null;
  readonly onOutcome: (what: 'status' | 'event', kind: Outcome['kind']) => void;
  readonly onTrouble: (message: string) => void;
  /** Why there is no address to publish; told when it changes, null when there is one again. */
  readonly onUnpublished: (problem: Problem | null) => void;
}

const INGRESSES: Resource = { group: 'networking.k8s.io', version: 'v1', plural: 'ingresses' };
/** 10,000 new Ingresses in a few minutes, and no more than the SQLite below a small k3s can take. */
const STATUS_LIMITS: QueueLimits = { parallel: 4, perSecond: 50, burst: 100, waiting: 200_000 };
/** Events are the first thing to go without. */
const EVENT_LIMITS: QueueLimits = { parallel: 2, perSecond: 5, burst: 50, waiting: 1000 };
/** Changes that come together are one plan. */
const SETTLE_MS = 100;

export class StatusReporter {
  readonly #options: StatusReporterOptions;
  readonly #statuses: Writer;
  readonly #events: Writer;
  readonly #ledger: EventLedger | null;
  #reported: Reported | null = null;
  #told: readonly Problem[] | null = null;
  #term: AbortSignal | null = null;
  #settling: NodeJS.Timeout | null = null;
  #repeating: NodeJS.Timeout | null = null;
  #unpublished = '';

  constructor(options: StatusReporterOptions) {
    this.#options = options;
    const { api, isLeading, events, onTrouble } = options;
    const writer = (what: 'status' | 'event', limits: QueueLimits) =>
      new Writer({ api, limits, isLeading, onTrouble, onOutcome: (kind) => options.onOutcome(what, kind) });
    this.#statuses = writer('status', STATUS_LIMITS);
    this.#events = writer('event', EVENT_LIMITS);
    this.#ledger = events === null ? null : new EventLedger(events);
  }

  /** Begins a term of leadership; it ends when `term` aborts. */
  lead(term: AbortSignal): void {
    this.#term = term;
    this.#told = null;
    this.#ledger?.clear();
    this.#statuses.lead(term);
    this.#events.lead(term);
    term.addEventListener('abort', () => this.#end(term), { once: true });
    this.#settle();
  }

  update(reported: Reported): void {
    this.#reported = reported;
    this.#settle();
  }

  /** Takes back every status of ours, for the end of the last replica. Gives up after `patienceMs`. */
  async withdraw(patienceMs: number): Promise<void> {
    if (this.#reported === null || this.#term === null) return;
    this.#stopTimers();
    const { manager } = this.#options;
    this.#statuses.replace(writesOf(planWithdrawal(this.#reported.snapshot, manager), manager));
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([this.#statuses.idle(), patience]);
    clearTimeout(timer);
  }

  #end(term: AbortSignal): void {
    if (this.#term !== term) return;
    this.#term = null;
    this.#stopTimers();
  }

  #stopTimers(): void {
    if (this.#settling !== null) clearTimeout(this.#settling);
    if (this.#repeating !== null) clearTimeout(this.#repeating);
    this.#settling = this.#repeating = null;
  }

  #settle(): void {
    if (this.#term === null || this.#settling !== null) return;
    this.#settling = setTimeout(() => {
      this.#settling = null;
      if (this.#reported === null) return;
      this.#writeStatuses(this.#reported);
      this.#writeEvents(this.#reported);
    }, SETTLE_MS);
  }

  #writeStatuses(reported: Reported): void {
    const { manager } = this.#options;
    const ofAddresses = addressWrites(reported.snapshot, reported.addresses, manager, Date.now());
    this.#statuses.replace([...this.#ingressWrites(reported), ...ofAddresses]);
  }

  #ingressWrites({ snapshot, ingresses }: Reported): Iterable<Write> {
    const { publishing, manager } = this.#options;
    if (publishing === null) return [];
    const { addresses, problem } = publishedAddresses(publishing, snapshot);
    this.#tellUnpublished(problem);
    return writesOf(planIngressStatuses(snapshot, ingresses, manager, addresses), manager);
  }

  #writeEvents({ snapshot, problems }: Reported): void {
    const ledger = this.#ledger;
    if (ledger === null) return;
    const now = performance.now();
    const repeatAt = ledger.repeatAt();
    if (problems !== this.#told || (repeatAt !== null && now >= repeatAt)) {
      this.#told = problems;
      for (const write of ledger.update(problems, snapshot, now, new Date())) this.#events.put(write);
    }
    if (this.#repeating !== null) clearTimeout(this.#repeating);
    const next = ledger.repeatAt();
    this.#repeating = next === null ? null : setTimeout(() => this.#settle(), Math.max(0, next - now));
  }

  #tellUnpublished(problem: Problem | null): void {
    const message = problem?.message ?? '';
    if (message === this.#unpublished) return;
    this.#unpublished = message;
    this.#options.onUnpublished(problem);
  }
}

function* writesOf(statuses: ReadonlyMap<ObjectKey, IngressStatus>, manager: string): Generator<Write> {
  for (const [key, status] of statuses) {
    const { namespace, name } = status.ingress.meta;
    const path = resourcePath(INGRESSES, { namespace, name, subresource: 'status' });
    yield applying(`Ingress ${key}`, status.ingress, path, ingressStatusObject(status), manager);
  }
}
