/**
 * HTTP/2 with prior knowledge on a cleartext listener (RFC 9113 3.3): looks at the first bytes of a connection and
 * gives it to the codec they belong to. No HTTP/1 method begins with `PRI` and a space.
 */
import type { ClientConnection, ClientListener } from '../exchange/client-listener.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, StreamOwner } from '../transport/stream.ts';
import { PREFACE } from './frames.ts';

const TELLING_BYTES = 4;

export type MakeOwner = (stream: ByteStream) => StreamOwner;

export class CleartextSniffer implements StreamOwner, ClientConnection, Timed {
  readonly #listener: ClientListener;
  readonly stream: ByteStream;
  readonly #http1: MakeOwner;
  readonly #http2: MakeOwner;
  #seen = 0;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(listener: ClientListener, stream: ByteStream, http1: MakeOwner, http2: MakeOwner) {
    this.#listener = listener;
    this.stream = stream;
    this.#http1 = http1;
    this.#http2 = http2;
    listener.connections.add(this);
    listener.dataplane.wheel.set(this, listener.dataplane.config.timeouts.requestHead);
  }

  onConnect(): void {}

  onData(bytes: Buffer, start: number, end: number): void {
    const before = this.#seen;
    let i = start;
    while (i < end && this.#seen < TELLING_BYTES) {
      if (bytes[i++] !== PREFACE[this.#seen]) return this.#handOver(this.#http1, before, bytes, start, end);
      this.#seen++;
    }
    if (this.#seen === TELLING_BYTES) this.#handOver(this.#http2, before, bytes, start, end);
  }

  #handOver(make: MakeOwner, before: number, bytes: Buffer, start: number, end: number): void {
    this.#leave();
    const owner = make(this.stream);
    this.stream.owner = owner;
    // What came earlier was the preface's beginning.
    if (before > 0) owner.onData(PREFACE, 0, before);
    owner.onData(bytes, start, end);
  }

  #leave(): void {
    this.#listener.connections.delete(this);
    this.#listener.dataplane.wheel.remove(this);
  }

  onBlocked(): void {}
  onDrain(): void {}

  onEnd(): void {
    this.stream.end();
  }

  onClose(): void {
    this.#leave();
  }

  drain(): void {
    const { wheel, config } = this.#listener.dataplane;
    wheel.set(this, config.timeouts.drainIdle);
  }

  get idle(): boolean {
    return false;
  }

  onDeadline(): void {
    this.#listener.dataplane.stats.counters['limit_hits_total:request_head_timeout']++;
    this.stream.destroy();
  }
}
