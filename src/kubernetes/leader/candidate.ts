/** One candidate for a Lease: the election's rules with the API server and real time. */
import { setTimeout as pause } from 'node:timers/promises';
import type { KubernetesApi } from '../api.ts';
import { resourcePath } from '../resource.ts';
import { type ApiResult, isRecord } from '../result.ts';
import {
  advance,
  type ElectionConfig,
  type ElectionEvent,
  type ElectionRequest,
  type ElectionState,
  leads,
  NOT_STARTED,
} from './election.ts';
import { LEASES, type LeaseName, readLease, writeLease } from './lease.ts';

export interface CandidateOptions {
  readonly api: KubernetesApi;
  readonly lease: LeaseName;
  readonly election: ElectionConfig;
  /** We lead until `term` aborts: whatever is done as leader ends with it. */
  readonly onElected: (term: AbortSignal) => void;
  readonly onLost: (why: string) => void;
  /** A request failed for another reason than that somebody else leads; told at each change of the reason. */
  readonly onTrouble: (message: string) => void;
}

/** A Lease that is held changes every few seconds. */
const WATCH_IDLE_MS = 60_000;
const FORBIDDEN_MS = 300_000;

export class Candidate {
  readonly #options: CandidateOptions;
  #state: ElectionState = NOT_STARTED;
  #term: AbortController | null = null;
  #timer: NodeJS.Timeout | null = null;
  #watch: AbortController | null = null;
  #trouble = '';
  #closed = false;
  #stopped = (): void => {};

  constructor(options: CandidateOptions) {
    this.#options = options;
  }

  start(): void {
    this.#handle({ kind: 'wake' });
    this.#followLease();
  }

  get leading(): boolean {
    return leads(this.#state, performance.now());
  }

  /** Steps down and lets the others know, so that they need not wait; gives up on that after `patienceMs`. */
  async stop(patienceMs = 2000): Promise<void> {
    const done = new Promise<void>((resolve) => {
      this.#stopped = resolve;
    });
    const patience = new AbortController();
    this.#handle({ kind: 'stop' });
    const waited = pause(patienceMs, undefined, { signal: patience.signal }).catch(() => {});
    await Promise.race([done, waited]);
    patience.abort();
    this.#closed = true;
    this.#watch?.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #handle(event: ElectionEvent): void {
    if (this.#closed) return;
    const { election, onElected, onLost } = this.#options;
    const { state, actions, wakeAt } = advance(
      this.#state,
      event,
      election,
      performance.now(),
      Math.random(),
    );
    this.#state = state;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer =
      wakeAt === null ? null : setTimeout(() => this.#handle({ kind: 'wake' }), untilThen(wakeAt));
    for (const action of actions) {
      if (action.kind === 'request') void this.#carryOut(action.request);
      else if (action.kind === 'elected') {
        this.#term = new AbortController();
        this.#watch?.abort();
        onElected(this.#term.signal);
      } else if (action.kind === 'lost') {
        this.#term?.abort();
        this.#term = null;
        onLost(action.why);
        this.#followLease();
      } else this.#stopped();
    }
  }

  /** While another leads: a watch spares the API server our looks, and us the wait when the Lease is given back. */
  #followLease(): void {
    if (this.#closed || this.#state.stopping || this.#watch !== null) return;
    const watch = new AbortController();
    this.#watch = watch;
    void this.#watchLease(watch.signal).then(() => {
      if (this.#watch === watch) this.#watch = null;
    });
  }

  async #watchLease(signal: AbortSignal): Promise<void> {
    const { api, lease, election } = this.#options;
    while (!signal.aborted) {
      const end = await api.watchLines(resourcePath(LEASES, { namespace: lease.namespace }), {
        query: { fieldSelector: `metadata.name=${lease.name}` },
        idleMs: Math.max(WATCH_IDLE_MS, 2 * election.leaseDuration),
        signal,
        onOpen: () => this.#handle({ kind: 'watching', on: true }),
        onLine: (line) => this.#noticed(line),
        onTooLong: () => {},
      });
      this.#handle({ kind: 'watching', on: false });
      // Without the right to watch there are still the looks.
      const wait = !end.ok && end.status === 403 ? FORBIDDEN_MS : election.retryPeriod;
      await pause(wait, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** A line of the watch; what is no event of a Lease says nothing. */
  #noticed(line: string): void {
    const event = parsed(line);
    if (!isRecord(event)) return;
    const { type, object } = event;
    if (type === 'DELETED') return this.#handle({ kind: 'seen', lease: null });
    const lease = type === 'ADDED' || type === 'MODIFIED' ? readLease(object) : null;
    if (lease !== null) this.#handle({ kind: 'seen', lease });
  }

  async #carryOut(request: ElectionRequest): Promise<void> {
    const { api, lease, election } = this.#options;
    const collection = { namespace: lease.namespace };
    const path = resourcePath(LEASES, request.kind === 'create' ? collection : lease);
    const body = request.kind === 'read' ? undefined : writeLease(request, lease, election, new Date());
    const method = request.kind === 'read' ? 'GET' : request.kind === 'create' ? 'POST' : 'PUT';
    // Half the deadline, so that a request that hangs leaves time for another one.
    const timeoutMs = election.renewDeadline / 2;
    const maxBytes = 1024 * 1024;
    // Behind Secrets or lists that get no answer the leadership would be lost, and nobody else could get it.
    const options = { timeoutMs, maxBytes, isUrgent: true, ...(body && { body }) };
    const result = await api.request(method, path, options);
    this.#handle(this.#eventOf(request, result));
  }

  #eventOf(request: ElectionRequest, result: ApiResult): ElectionEvent {
    if (!result.ok) {
      if (result.status === 404) {
        if (request.kind === 'read') return { kind: 'read', lease: null };
        if (request.kind !== 'create') return { kind: 'failed', why: 'missing' };
      }
      if (result.status === 409) return { kind: 'failed', why: 'conflict' };
      this.#tellTrouble(`${request.kind}: ${result.reason}: ${result.message}`);
      return { kind: 'failed', why: 'other' };
    }
    const lease = readLease(result.body);
    if (lease === null) {
      this.#tellTrouble(`${request.kind}: the answer is no Lease`);
      return { kind: 'failed', why: 'other' };
    }
    this.#trouble = '';
    return request.kind === 'read' ? { kind: 'read', lease } : { kind: 'written', lease };
  }

  #tellTrouble(message: string): void {
    if (message === this.#trouble) return;
    this.#trouble = message;
    const { namespace, name } = this.#options.lease;
    this.#options.onTrouble(`Lease ${namespace}/${name}: ${message}`);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** Rounded up: a timer that fires early would find nothing to do. */
function untilThen(then: number): number {
  return Math.max(0, Math.ceil(then - performance.now()));
}
