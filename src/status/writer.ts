/** Carries out the writes of a queue while we lead. */
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { ApiResult } from '../kubernetes/result.ts';
import { type Outcome, type QueueLimits, type Write, WriteQueue, type WriteRequest } from './write-queue.ts';

export interface WriterOptions {
  readonly api: KubernetesApi;
  readonly limits: QueueLimits;
  /** By the clock: after a pause of the process an answer may come before the timer that ends the term. */
  readonly isLeading: () => boolean;
  /** Told of each answer, for metrics. */
  readonly onOutcome: (kind: Outcome['kind']) => void;
  /** A write failed; each kind of failure is told every ten minutes at most. */
  readonly onTrouble: (message: string) => void;
}

/** The answer comes well before a leader that cannot renew steps down, and that before another one is elected. */
const TIMEOUT_MS = 4000;
const TELL_AGAIN_MS = 600_000;

export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: WriteQueue;
  #term: AbortSignal | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running = 0;
  #whenIdle: (() => void)[] = [];
  /** When a kind of failure was told last. */
  readonly #troubles = new Map<string, number>();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#queue = new WriteQueue(options.limits);
  }

  /** Writes from now on until `term` aborts. Nothing is remembered from the term before. */
  lead(term: AbortSignal): void {
    this.#term = term;
    term.addEventListener('abort', () => this.#end(term), { once: true });
  }

  /** All that is to be written, in the place of what waits; nothing happens without a term. */
  replace(writes: Iterable<Write>): void {
    if (this.#term === null) return;
    this.#queue.replace(writes, performance.now());
    this.#run();
  }

  put(write: Write): void {
    if (this.#term === null) return;
    this.#queue.put(write, performance.now());
    this.#run();
  }

  /** Resolves when nothing waits that could be sent, and nothing runs. */
  async idle(): Promise<void> {
    if (this.#running === 0 && this.#queue.wakeAt(performance.now()) === null) return;
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #end(term: AbortSignal): void {
    if (this.#term !== term) return;
    this.#term = null;
    this.#queue.clear();
    this.#tellIdle();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #run(): void {
    const term = this.#term;
    if (term === null || !this.#mayWrite(term)) return;
    const now = performance.now();
    for (const write of this.#queue.next(now)) void this.#carryOut(write, term);
    if (this.#timer !== null) clearTimeout(this.#timer);
    const at = this.#queue.wakeAt(now);
    this.#timer = at === null ? null : setTimeout(() => this.#run(), Math.max(1, Math.ceil(at - now)));
    if (at === null && this.#running === 0) this.#tellIdle();
  }

  async #carryOut(write: Write, term: AbortSignal): Promise<void> {
    this.#running++;
    let result = await this.#send(write.request, term);
    const { fallback } = write;
    if (!result.ok && fallback !== undefined && result.status === fallback.status && this.#mayWrite(term)) {
      result = await this.#send(fallback.request, term);
    }
    this.#running--;
    if (term.aborted) return;
    const outcome = outcomeOf(result);
    this.#options.onOutcome(outcome.kind);
    this.#tellTrouble(write, result, outcome);
    this.#queue.settle(write, outcome, performance.now(), Math.random());
    this.#run();
  }

  #mayWrite(term: AbortSignal): boolean {
    return !term.aborted && this.#options.isLeading();
  }

  #send({ method, path, query, contentType, body }: WriteRequest, signal: AbortSignal): Promise<ApiResult> {
    return this.#options.api.request(method, path, {
      timeoutMs: TIMEOUT_MS,
      signal,
      ...(query && { query }),
      ...(contentType !== undefined && { contentType }),
      ...(body !== undefined && { body }),
    });
  }

  #tellTrouble(write: Write, result: ApiResult, outcome: Outcome): void {
    if (result.ok || outcome.kind === 'gone') return;
    // One missing right fails every write with a message of its own: the kind of failure is what counts.
    const kind = `${write.request.method} ${result.status} ${result.reason}`;
    const now = performance.now();
    if (now - (this.#troubles.get(kind) ?? -Infinity) < TELL_AGAIN_MS) return;
    this.#troubles.set(kind, now);
    this.#options.onTrouble(`${write.key}: ${result.reason}: ${result.message}`);
  }

  #tellIdle(): void {
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}

function outcomeOf(result: ApiResult): Outcome {
  if (result.ok) return { kind: 'done' };
  if (result.status === 404) return { kind: 'gone' };
  const { status, retryAfterMs } = result;
  const later = status === 0 || status === 401 || status === 409 || status === 429 || status >= 500;
  return later ? { kind: 'retry', afterMs: retryAfterMs ?? 0 } : { kind: 'refused' };
}
