/**
 * Cuts a byte stream into frames (RFC 9113 4.1). A frame that lies whole in what arrived is handed on in place; one
 * in pieces is put together in a buffer of its own. Pure: no sockets. Hot path.
 */
import { FRAME_HEAD, MAX_PAYLOAD } from './frames.ts';

export interface FrameSink {
  /** `bytes[start, end)` is the payload, valid during the call. False: read no further, ever. */
  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean;
}

export const OK = 0;
/** The sink wants no more. */
export const STOPPED = -1;
/** A payload over MAX_PAYLOAD: FRAME_SIZE_ERROR. */
export const TOO_LARGE = -2;

export class FrameReader {
  /** The start of a frame; null between frames, so that an idle connection holds no buffer. */
  #partial: Buffer | null = null;
  #have = 0;

  feed(bytes: Buffer, start: number, end: number, sink: FrameSink): number {
    let i = start;
    if (this.#partial !== null) {
      i = this.#complete(bytes, start, end, sink);
      if (i < 0) return i;
    }
    while (end - i >= FRAME_HEAD) {
      const length = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
      if (length > MAX_PAYLOAD) return TOO_LARGE;
      const next = i + FRAME_HEAD + length;
      if (next > end) break;
      if (!hand(sink, bytes, i, next)) return STOPPED;
      i = next;
    }
    if (i < end) this.#keep(bytes, i, end);
    return OK;
  }

  /** Adds to the frame in pieces; returns where the next one starts, or a verdict below 0. */
  #complete(bytes: Buffer, start: number, end: number, sink: FrameSink): number {
    let i = start;
    let partial = this.#partial!;
    while (this.#have < FRAME_HEAD && i < end) partial[this.#have++] = bytes[i++]!;
    if (this.#have < FRAME_HEAD) return i;
    const length = partial.readUIntBE(0, 3);
    if (length > MAX_PAYLOAD) return TOO_LARGE;
    const size = FRAME_HEAD + length;
    if (partial.length < size) {
      partial = Buffer.allocUnsafeSlow(size);
      this.#partial!.copy(partial, 0, 0, this.#have);
      this.#partial = partial;
    }
    const stop = end - i < size - this.#have ? end : i + size - this.#have;
    bytes.copy(partial, this.#have, i, stop);
    this.#have += stop - i;
    if (this.#have < size) return stop;
    this.#partial = null;
    return hand(sink, partial, 0, size) ? stop : STOPPED;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    this.#have = end - start;
    const whole = this.#have < FRAME_HEAD ? FRAME_HEAD : FRAME_HEAD + bytes.readUIntBE(start, 3);
    this.#partial = Buffer.allocUnsafeSlow(whole);
    bytes.copy(this.#partial, 0, start, end);
  }
}

function hand(sink: FrameSink, bytes: Buffer, at: number, end: number): boolean {
  const id =
    ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
  return sink.onFrame(bytes[at + 3]!, bytes[at + 4]!, id, bytes, at + FRAME_HEAD, end);
}
