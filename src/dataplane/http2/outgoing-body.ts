/**
 * The body that one stream sends, of either role: its window, the bytes that wait for windows, and its end. Hot path.
 */
import { ByteQueue } from '../message/byte-queue.ts';
import type { ByteStream } from '../transport/stream.ts';
import { encodeLines } from './encode-lines.ts';
import type { FloodGuard } from './flood-guard.ts';
import { DATA, END_STREAM, frameHead, MAX_PAYLOAD, MAX_WINDOW } from './frames.ts';
import type { Sender, SendFlow } from './send-flow.ts';

/** The connection, as its streams see it. */
export interface Link {
  readonly stream: ByteStream;
  readonly flow: SendFlow;
  readonly guard: FloodGuard;
  writeHeaders(id: number, block: string, flags: number): void;
}

/** The stream a body belongs to. */
export interface BodyOwner {
  readonly id: number;
  /** The stream is gone: nothing is sent for it any more. */
  readonly closed: boolean;
  /** Waiting bytes came or went: a timer may have to be set. */
  onQueueChange(): void;
  /** More bytes would only wait, or need no longer. */
  onBodyBlocked(blocked: boolean): void;
  /** END_STREAM is written. */
  onBodySent(): void;
}

const EMPTY = Buffer.alloc(0);

export class OutgoingBody implements Sender {
  /** END_STREAM is written. */
  ended = false;
  /** The body is complete behind what is queued. */
  endQueued = false;
  /** Bytes still to come to make up Content-Length; -1 when the end is told otherwise. */
  remaining = -1;
  /** What the peer takes on this stream; may be negative (RFC 9113 6.9.2). */
  window: number;
  readonly #link: Link;
  readonly #owner: BodyOwner;
  #trailers = '';
  /** Made when it is needed. */
  #queue: ByteQueue | null = null;
  /** What the owner was last told. */
  #blocked = false;

  constructor(link: Link, owner: BodyOwner, window: number) {
    this.#link = link;
    this.#owner = owner;
    this.window = window;
  }

  get queuedBytes(): number {
    return this.#queue === null ? 0 : this.#queue.size;
  }

  /** `last`: nothing follows, not even trailers. */
  send(bytes: Buffer, start: number, end: number, last = false): void {
    if (this.#owner.closed || this.ended) return;
    const { flow, stream } = this.#link;
    const size = end - start;
    if (this.remaining >= 0) {
      this.remaining -= size;
      if (this.remaining === 0) this.endQueued = true;
    }
    if (last) this.endQueued = true;
    let sent = 0;
    if (this.queuedBytes === 0 && !stream.blocked) {
      sent = Math.max(0, Math.min(size, this.window, flow.window));
      if (sent > 0) this.#sendNow(bytes, start, start + sent, sent === size);
    }
    if (sent < size) this.#putAside(bytes, start + sent, end);
  }

  /** A whole body of at most one frame, as latin1 text. */
  sendWhole(text: string): void {
    const { flow, stream, guard } = this.#link;
    const size = text.length;
    if (size > this.window || size > flow.window || size > MAX_PAYLOAD || stream.blocked) {
      this.endQueued = true;
      return this.send(Buffer.from(text, 'latin1'), 0, size);
    }
    this.window -= size;
    flow.window -= size;
    stream.write(frameHead(size, DATA, END_STREAM, this.#owner.id) + text);
    guard.sentData();
    this.#ended();
  }

  /** The body is complete. `trailers` are whole lines, '' for none. */
  sendEnd(trailers: string): void {
    if (this.#owner.closed || this.ended) return;
    // With a length the end is known before: a later word about it changes nothing.
    if (!this.endQueued) this.#trailers = trailers;
    this.endQueued = true;
    if (this.queuedBytes === 0) this.#sendEndNow();
  }

  #sendNow(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const { flow, guard } = this.#link;
    const ends = isLast && this.endQueued && this.#trailers === '';
    this.window -= end - start;
    flow.writeData(this.#owner.id, bytes, start, end, ends ? END_STREAM : 0);
    guard.sentData();
    if (ends) this.#ended();
    else if (isLast && this.endQueued) this.#sendEndNow();
  }

  #sendEndNow(): void {
    const { id } = this.#owner;
    if (this.#trailers === '') this.#link.flow.writeData(id, EMPTY, 0, 0, END_STREAM);
    else this.#link.writeHeaders(id, encodeLines(this.#trailers), END_STREAM);
    this.#ended();
  }

  #ended(): void {
    this.ended = true;
    this.#owner.onBodySent();
  }

  #putAside(bytes: Buffer, start: number, end: number): void {
    const { flow } = this.#link;
    this.#queue ??= new ByteQueue();
    if (this.#queue.size === 0) flow.wait(this);
    this.#queue.push(bytes, start, end);
    flow.noteQueued(end - start);
    this.#owner.onQueueChange();
    this.tellBlocked();
  }

  sendQueued(): boolean {
    const { flow } = this.#link;
    const queue = this.#queue;
    if (queue === null || queue.size === 0) return false;
    const first = queue.chunk(0);
    const start = queue.start(0);
    const size = Math.min(queue.end(0) - start, this.window, flow.window, MAX_PAYLOAD);
    if (size <= 0) return false;
    queue.drop(size);
    this.#sendNow(first, start, start + size, queue.size === 0);
    flow.noteQueued(-size);
    if (this.#owner.closed) return true;
    this.#owner.onQueueChange();
    this.tellBlocked();
    return true;
  }

  /** Drops what waits: the stream is gone. */
  drop(): void {
    this.#link.flow.forget(this);
    this.#queue = null;
  }

  /** False when the window would grow over its bound. */
  widen(increment: number): boolean {
    this.window += increment;
    return this.window <= MAX_WINDOW;
  }

  /** Tells the owner when that has changed. */
  tellBlocked(): void {
    const blocked = this.queuedBytes > 0 || this.#link.flow.choked;
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.#owner.onBodyBlocked(blocked);
  }
}
