/** A worker thread that comes back when it broke, with what it was last told. */
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** A thread that broke comes back after this long. */
const RESTART_MS = 1000;
/** How long it may take to take its leave. */
const STOP_MS = 5000;

export interface ThreadEvents<From> {
  onMessage(message: From): void;
  /** It broke, for this reason (a stack of ours), and starts again. */
  onBroken(why: string): void;
}

export class RestartingThread<To extends { readonly kind: string }, From> {
  readonly #script: URL;
  readonly #options: WorkerOptions;
  readonly #events: ThreadEvents<From>;
  /** The last message of each kind, in the order in which the kinds were first told. */
  readonly #told = new Map<string, To>();
  #worker: Worker;
  #stopped: (() => void) | null = null;

  constructor(script: URL, options: WorkerOptions, events: ThreadEvents<From>) {
    this.#script = script;
    this.#options = options;
    this.#events = events;
    this.#worker = this.#start();
  }

  /** Tells it how things should be from here on; told again after a restart, unless another of its kind came. */
  tell(message: To): void {
    this.#told.set(message.kind, message);
    this.#worker.postMessage(message);
  }

  /** Sends its last message; resolves when {@link hasStopped} was called, it ended, or five seconds passed. It has ended then. */
  async stop(message: To): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    const late = setTimeout(resolve, STOP_MS);
    this.#worker.postMessage(message);
    await promise;
    clearTimeout(late);
    await this.#worker.terminate();
  }

  /** It said that it has done all that was left to do. */
  hasStopped(): void {
    this.#stopped?.();
  }

  #start(): Worker {
    const worker = new Worker(this.#script, this.#options);
    worker.on('message', (message: From) => this.#events.onMessage(message));
    worker.on('error', (error) =>
      this.#events.onBroken(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
    worker.on('exit', () => this.#onExit());
    return worker;
  }

  #onExit(): void {
    if (this.#stopped !== null) return this.#stopped();
    setTimeout(() => {
      if (this.#stopped !== null) return;
      this.#worker = this.#start();
      for (const message of this.#told.values()) this.#worker.postMessage(message);
    }, RESTART_MS);
  }
}
