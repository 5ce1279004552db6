/**
 * BGP and BFD run in a thread of their own: neither requests nor translation may delay a keepalive or the
 * detection of a lost peer, and what BFD finds reaches the sessions without passing the main thread.
 */
import type { BfdStatus } from '../bfd/status.ts';
import { RestartingThread } from '../restarting-thread.ts';
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

export class RoutingThread {
  readonly #thread: RestartingThread<ToRoutingThread, FromRoutingThread>;
  readonly #events: RoutingEvents;

  constructor(events: RoutingEvents) {
    this.#events = events;
    this.#thread = new RestartingThread(
      new URL('./thread-worker.ts', import.meta.url),
      { name: 'routing' },
      {
        onMessage: (message) => this.#onMessage(message),
        onBroken: (why) => events.onProblem(`the BGP thread broke and starts again: ${why}`),
      },
    );
  }

  /** Takes connections that peers open; what does not work is told as a problem. */
  listen(addresses: readonly ListenAddress[]): void {
    this.#thread.tell({ kind: 'listen', addresses });
  }

  /** From here on this is how it should be. */
  apply(plan: BgpPlan): void {
    this.#thread.tell({ kind: 'apply', plan });
  }

  /** Resolves when all peers know, or after five seconds; the thread has ended then. */
  stop(how: StopHow): Promise<void> {
    return this.#thread.stop({ kind: 'stop', how });
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
        return this.#thread.hasStopped();
      default:
        return message satisfies never;
    }
  }
}
