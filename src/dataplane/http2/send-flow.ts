/**
 * The sending side of one connection: the connection's window, the streams whose bytes wait for a window, and the
 * DATA frames themselves. Hot path.
 */
import type { ByteStream } from '../transport/stream.ts';
import {
  DATA,
  DEFAULT_WINDOW,
  FRAME_HEAD,
  frameHead,
  MAX_PAYLOAD,
  MAX_WINDOW,
  writeFrameHead,
} from './frames.ts';

/**
 * Bytes that wait for windows, above which all streams of the connection are asked to wait. Large, because a client
 * may leave some streams unread (a paused video) and still want the others.
 */
const CHOKE_BYTES = 8 << 20;

/** A stream with bytes to send. */
export interface Sender {
  readonly queuedBytes: number;
  /** Sends at most one frame of what waits; false when its own window lets nothing out. */
  sendQueued(): boolean;
}

/** A stream that may have to wait for all the others. */
export interface Chokable {
  /** {@link SendFlow.choked} changed. */
  onChoke(): void;
}

export class SendFlow {
  readonly #stream: ByteStream;
  readonly #senders: ReadonlyMap<number, Chokable>;
  /** Bytes the peer takes on the whole connection. */
  window = DEFAULT_WINDOW;
  /** Nobody is to give us more for now: the transport is full, or too much waits for windows. */
  choked = false;
  /** In the order of their turns. */
  readonly #waiting: Sender[] = [];
  #queued = 0;

  /** `senders` are all streams of the connection, to be told when it chokes. */
  constructor(stream: ByteStream, senders: ReadonlyMap<number, Chokable>) {
    this.#stream = stream;
    this.#senders = senders;
  }

  /** False when the window would grow over its bound (RFC 9113 6.9.1). */
  widen(increment: number): boolean {
    this.window += increment;
    return this.window <= MAX_WINDOW;
  }

  /** `sender` put its first bytes aside. */
  wait(sender: Sender): void {
    this.#waiting.push(sender);
  }

  /** More (or, negative, fewer) bytes wait. */
  noteQueued(change: number): void {
    this.#queued += change;
    this.checkChoke();
  }

  checkChoke(): void {
    const bound = this.choked ? CHOKE_BYTES / 2 : CHOKE_BYTES;
    const choked = this.#stream.blocked || this.#queued > bound;
    if (choked === this.choked) return;
    this.choked = choked;
    for (const sender of this.#senders.values()) sender.onChoke();
  }

  forget(sender: Sender): void {
    const i = this.#waiting.indexOf(sender);
    if (i >= 0) this.#waiting.splice(i, 1);
    if (sender.queuedBytes > 0) this.noteQueued(-sender.queuedBytes);
  }

  /** Lets the waiting streams send in turns, a frame each, as far as windows and transport allow. */
  pump(): void {
    const waiting = this.#waiting;
    let idle = 0;
    while (idle < waiting.length && this.window > 0 && !this.#stream.blocked) {
      const sender = waiting.shift()!;
      const sent = sender.sendQueued();
      if (sender.queuedBytes > 0) waiting.push(sender);
      idle = sent ? 0 : idle + 1;
    }
  }

  /** Writes bytes as DATA frames; they must fit the windows. `flags` go on the last frame. */
  writeData(id: number, bytes: Buffer, start: number, end: number, flags: number): void {
    const size = end - start;
    this.window -= size;
    const stream = this.#stream;
    if (size <= MAX_PAYLOAD) {
      stream.write(frameHead(size, DATA, flags, id));
      if (size > 0) stream.writeBytes(bytes, start, end);
      return;
    }
    // One buffer and one write cost less than two writes for each frame.
    const framed = Buffer.allocUnsafeSlow(size + FRAME_HEAD * Math.ceil(size / MAX_PAYLOAD));
    let at = 0;
    for (let i = start; i < end; i += MAX_PAYLOAD) {
      const stop = end - i > MAX_PAYLOAD ? i + MAX_PAYLOAD : end;
      writeFrameHead(framed, at, stop - i, DATA, stop === end ? flags : 0, id);
      bytes.copy(framed, at + FRAME_HEAD, i, stop);
      at += FRAME_HEAD + stop - i;
    }
    stream.writeBytes(framed, 0, at);
  }
}
