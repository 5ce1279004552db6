/** One candidate for a Lease: the election's rules with the API server and real time. */
import { setTimeout as pause } from 'node:timers/promises';
import type { KubernetesApi } from '../api.ts';
import { resourcePath } from '../resource.ts';
import type { ApiResult } from '../result.ts';
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

export class Candidate {
  readonly #options: CandidateOptions;
  #state: ElectionState = NOT_STARTED;
  #term: AbortController | null = null;
  #timer: NodeJS.Timeout | null = null;
  #trouble = '';
  #closed = false;
  #stopped = (): void => {};

  constructor(options: CandidateOptions) {
    this.#options = options;
  }

  start(): void {
    this.#handle({ kind: 'wake' });
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
        onElected(this.#term.signal);
      } else if (action.kind === 'lost') {
        this.#term?.abort();
        this.#term = null;
        onLost(action.why);
      } else this.#stopped();
    }
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
    const result = await api.request(method, path, { timeoutMs, maxBytes, ...(body && { body }) });
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

/** Rounded up: a timer that fires early would find nothing to do. */
function untilThen(then: number): number {
  return Math.max(0, Math.ceil(then - performance.now()));
}
