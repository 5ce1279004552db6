/** The receiving side of a raw connection: collects bytes and lets a test wait for what they should become. */
import type { Socket } from 'node:net';
import { show } from './http-message.ts';
import { DEADLINE_MS } from './waiting.ts';

/** `fin`: the peer closed in order. `reset`: the connection broke. */
export type Ending = 'fin' | 'reset';

export class Inbox {
  readonly #socket: Socket;
  /** Everything received, also what was already taken. */
  #all: Buffer = Buffer.alloc(0);
  #taken = 0;
  #ending: Ending | null = null;
  readonly #wakers = new Set<() => void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#all = Buffer.concat([this.#all, bytes]);
      this.#wake();
    });
    socket.on('end', () => this.#end('fin'));
    socket.on('error', () => this.#end('reset'));
    socket.on('close', () => this.#end('reset'));
  }

  /** Every byte received so far. */
  get all(): Buffer {
    return this.#all;
  }

  /** What has been received and not yet been taken as part of a message. */
  get rest(): Buffer {
    return this.#all.subarray(this.#taken);
  }

  /** How many bytes were taken. */
  get taken(): number {
    return this.#taken;
  }

  get ending(): Ending | null {
    return this.#ending;
  }

  /**
   * Waits until `read` finds something in the bytes that are not yet taken, and takes `used` bytes. Rejects at the
   * deadline, or as soon as the connection ended and `read` still finds nothing.
   */
  async take<T>(
    what: string,
    read: (rest: Buffer, ended: boolean) => { readonly value: T; readonly used: number } | null,
    ms = DEADLINE_MS,
  ): Promise<T> {
    const found = await this.#until(what, ms, () => {
      const result = read(this.rest, this.#ending !== null);
      if (result === null && this.#ending !== null) {
        throw new Error(`the connection ended (${this.#ending}) before ${what}; received ${show(this.#all)}`);
      }
      return result;
    });
    this.#taken += found.used;
    return found.value;
  }

  /** Waits until the peer has closed its side. */
  async ended(ms = DEADLINE_MS): Promise<Ending> {
    const { ending } = await this.#until('the end of the connection', ms, () =>
      this.#ending === null ? null : { ending: this.#ending },
    );
    return ending;
  }

  async #until<T>(what: string, ms: number, check: () => T | null): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const result = check();
      if (result !== null) return result;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`waited ${ms} ms for ${what}; received ${show(this.#all)}`);
      await this.#news(left);
    }
  }

  #news(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wakers.add(() => {
      clearTimeout(timer);
      resolve();
    });
    return promise;
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }

  /** Stops reading, so that the peer's sends fill the kernel's buffers. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
