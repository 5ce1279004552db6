/**
 * Layer 2 runs in a thread of its own: a main thread that translates a large change, or collects garbage, would be
 * taken for dead by the other speakers, and its hosts would wait for an answer to ARP.
 */
import { RestartingThread } from '../restarting-thread.ts';
import type { Layer2Events, Layer2Settings, Layer2Wanted } from './speaker.ts';
import type { Layer2Conflict, Layer2Status } from './status.ts';

export type ToLayer2Thread =
  | { readonly kind: 'apply'; readonly wanted: Layer2Wanted }
  | { readonly kind: 'released'; readonly address: string }
  | { readonly kind: 'stop' };

export type FromLayer2Thread =
  | { readonly kind: 'status'; readonly status: Layer2Status }
  | { readonly kind: 'conflict'; readonly conflict: Layer2Conflict }
  | { readonly kind: 'problem'; readonly text: string }
  | { readonly kind: 'release' | 'retain'; readonly address: string }
  | { readonly kind: 'stopped' };

export class Layer2Thread {
  readonly #thread: RestartingThread<ToLayer2Thread, FromLayer2Thread>;
  readonly #events: Layer2Events;

  constructor(settings: Layer2Settings, events: Layer2Events) {
    this.#events = events;
    const options = { name: 'layer2', workerData: settings };
    this.#thread = new RestartingThread(new URL('./thread-worker.ts', import.meta.url), options, {
      onMessage: (message) => this.#onMessage(message),
      onBroken: (why) => events.onProblem(`the layer 2 thread broke and starts again: ${why}`),
    });
  }

  /** From here on this is how it should be. */
  set(wanted: Layer2Wanted): void {
    this.#thread.tell({ kind: 'apply', wanted });
  }

  /** What {@link Layer2Events.onRelease} asked for is done. */
  released(address: string): void {
    this.#thread.tell({ kind: 'released', address });
  }

  /** Resolves when other speakers have our addresses, or after five seconds; the thread has ended then. */
  stop(): Promise<void> {
    return this.#thread.stop({ kind: 'stop' });
  }

  #onMessage(message: FromLayer2Thread): void {
    switch (message.kind) {
      case 'status':
        return this.#events.onStatus(message.status);
      case 'conflict':
        return this.#events.onConflict(message.conflict);
      case 'problem':
        return this.#events.onProblem(message.text);
      case 'release':
        return this.#events.onRelease(message.address);
      case 'retain':
        return this.#events.onRetain(message.address);
      case 'stopped':
        return this.#thread.hasStopped();
      default:
        return message satisfies never;
    }
  }
}
