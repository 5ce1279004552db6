/**
 * Layer 2 runs in a thread of its own: a main thread that translates a large change, or collects garbage, would be
 * taken for dead by the other speakers, and its hosts would wait for an answer to ARP.
 */
import { Worker } from 'node:worker_threads';
import type { Layer2Events, Layer2Settings, Layer2Wanted } from './speaker.ts';
import type { Layer2Conflict, Layer2Status } from './status.ts';

export type ToLayer2Thread =
  | { readonly kind: 'apply'; readonly wanted: Layer2Wanted }
  | { readonly kind: 'stop' };

export type FromLayer2Thread =
  | { readonly kind: 'status'; readonly status: Layer2Status }
  | { readonly kind: 'conflict'; readonly conflict: Layer2Conflict }
  | { readonly kind: 'problem'; readonly text: string }
  | { readonly kind: 'stopped' };

/** A thread that broke comes back after this long. */
const RESTART_MS = 1000;
/** The hand-over, and the last words. */
const STOP_MS = 5000;

export class Layer2Thread {
  readonly #settings: Layer2Settings;
  readonly #events: Layer2Events;
  #worker: Worker;
  #apply: ToLayer2Thread | null = null;
  #stopped: (() => void) | null = null;

  constructor(settings: Layer2Settings, events: Layer2Events) {
    this.#settings = settings;
    this.#events = events;
    this.#worker = this.#start();
  }

  /** From here on this is how it should be. */
  set(wanted: Layer2Wanted): void {
    this.#apply = { kind: 'apply', wanted };
    this.#worker.postMessage(this.#apply);
  }

  /** Resolves when other speakers have our addresses, or after a few seconds; the thread has ended then. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    const late = setTimeout(resolve, STOP_MS);
    this.#worker.postMessage({ kind: 'stop' } satisfies ToLayer2Thread);
    await promise;
    clearTimeout(late);
    await this.#worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thread-worker.ts', import.meta.url), {
      name: 'layer2',
      workerData: this.#settings,
    });
    worker.on('message', (message: FromLayer2Thread) => this.#onMessage(message));
    worker.on('error', (error) => {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#events.onProblem(`the layer 2 thread broke and starts again: ${why}`);
    });
    worker.on('exit', () => this.#onExit());
    return worker;
  }

  #onExit(): void {
    if (this.#stopped !== null) return this.#stopped();
    setTimeout(() => {
      if (this.#stopped !== null) return;
      this.#worker = this.#start();
      if (this.#apply !== null) this.#worker.postMessage(this.#apply);
    }, RESTART_MS);
  }

  #onMessage(message: FromLayer2Thread): void {
    switch (message.kind) {
      case 'status':
        return this.#events.onStatus(message.status);
      case 'conflict':
        return this.#events.onConflict(message.conflict);
      case 'problem':
        return this.#events.onProblem(message.text);
      case 'stopped':
        return this.#stopped?.();
      default:
        return message satisfies never;
    }
  }
}
