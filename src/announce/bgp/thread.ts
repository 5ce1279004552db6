/**
 * BGP and BFD run in a thread of their own: neither requests nor translation may delay a keepalive or the
 * detection of a lost peer, and what BFD finds reaches the sessions without passing the main thread.
 */
import { Worker } from 'node:worker_threads';
import type { BfdStatus } from '../bfd/status.ts';
import type { ListenAddress } from './listener.ts';
import type { SessionStatus } from './session.ts';
import type { BgpPlan } from './speaker.ts';

export type StopHow =
  /** As if it had crashed. */
  | { readonly kind: 'silent' }
  /** Back soon: peers with graceful restart keep the routes, the others are told `text`. */
  | { readonly kind: 'restart'; readonly text: string }
  | { readonly kind: 'shutdown'; readonly text: string };

export type ToRoutingThread =
  | { readonly kind: 'listen'; readonly addresses: readonly ListenAddress[] }
  | { readonly kind: 'apply'; readonly plan: BgpPlan }
  | { readonly kind: 'stop'; readonly how: StopHow };

export type FromRoutingThread =
  | { readonly kind: 'status'; readonly status: SessionStatus }
  | { readonly kind: 'bfd'; readonly status: BfdStatus }
  | { readonly kind: 'problem'; readonly text: string }
  | { readonly kind: 'stopped' };

export interface RoutingEvents {
  /** A session's state changed, or it reports its counters. */
  onStatus(status: SessionStatus): void;
  onBfd(status: BfdStatus): void;
  /** What an operator should know: a port in use, an option that the system refuses. */
  onProblem(text: string): void;
}

/** A thread that broke comes back after this long. */
const RESTART_MS = 1000;
/** Withdrawals, their transmission and the last words. */
const STOP_MS = 5000;

export class RoutingThread {
  readonly #events: RoutingEvents;
  #worker: Worker;
  #listen: ToRoutingThread | null = null;
  #apply: ToRoutingThread | null = null;
  #stopped: (() => void) | null = null;

  constructor(events: RoutingEvents) {
    this.#events = events;
    this.#worker = this.#start();
  }

  /** Takes connections that peers open; what does not work is told as a problem. */
  listen(addresses: readonly ListenAddress[]): void {
    this.#listen = { kind: 'listen', addresses };
    this.#worker.postMessage(this.#listen);
  }

  /** From here on this is how it should be. */
  apply(plan: BgpPlan): void {
    this.#apply = { kind: 'apply', plan };
    this.#worker.postMessage(this.#apply);
  }

  /** Resolves when all peers know, or after five seconds; the thread has ended then. */
  async stop(how: StopHow): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    const late = setTimeout(resolve, STOP_MS);
    this.#worker.postMessage({ kind: 'stop', how } satisfies ToRoutingThread);
    await promise;
    clearTimeout(late);
    await this.#worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./thread-worker.ts', import.meta.url), { name: 'routing' });
    worker.on('message', (message: FromRoutingThread) => this.#onMessage(message));
    worker.on('error', (error) => {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#events.onProblem(`the BGP thread broke and starts again: ${why}`);
    });
    worker.on('exit', () => this.#onExit());
    return worker;
  }

  #onExit(): void {
    if (this.#stopped !== null) return this.#stopped();
    setTimeout(() => {
      if (this.#stopped !== null) return;
      this.#worker = this.#start();
      for (const message of [this.#listen, this.#apply])
        if (message !== null) this.#worker.postMessage(message);
    }, RESTART_MS);
  }

  #onMessage(message: FromRoutingThread): void {
    switch (message.kind) {
      case 'status':
        return this.#events.onStatus(message.status);
      case 'bfd':
        return this.#events.onBfd(message.status);
      case 'problem':
        return this.#events.onProblem(message.text);
      case 'stopped':
        return this.#stopped?.();
      default:
        return message satisfies never;
    }
  }
}
