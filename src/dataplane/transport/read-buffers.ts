/**
 * Buffers that sockets read into. A buffer may be read into again only when every byte handed on from it has
 * left the process; a buffer that some write still refers to is set aside and comes back by the write's
 * completion.
 */

export const READ_BUFFER_BYTES = 262_144;
const KEEP_FREE = 8;

export class ReadBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  /** A write did not finish in its call: the bytes must stay as they are. */
  retained = false;
  /** Writes whose completion was not yet reported. */
  pins = 0;
  /** No socket reads into it any more. */
  detached = false;
  /** The completion of one write; made once so that a write allocates nothing. */
  readonly release = (): void => {
    this.pins--;
    giveBack(this);
  };
}

const free: ReadBuffer[] = [];

export function takeReadBuffer(): ReadBuffer {
  const buffer = free.pop() ?? new ReadBuffer();
  buffer.retained = false;
  buffer.detached = false;
  return buffer;
}

/** A buffer that begins with a copy of `bytes[start, end)`, which must fit, for the one write that ends by its `release`. */
export function copyToBuffer(bytes: Buffer, start: number, end: number): ReadBuffer {
  const buffer = takeReadBuffer();
  bytes.copy(buffer.bytes, 0, start, end);
  return pinned(buffer);
}

/** A buffer that nobody reads into, for the one write that ends by its `release`. */
export function pinned(buffer: ReadBuffer): ReadBuffer {
  buffer.pins++;
  buffer.detached = true;
  return buffer;
}

/** The socket that read into it is done with it. */
export function detachReadBuffer(buffer: ReadBuffer): void {
  buffer.detached = true;
  giveBack(buffer);
}

function giveBack(buffer: ReadBuffer): void {
  if (buffer.detached && buffer.pins === 0 && free.length < KEEP_FREE) {
    buffer.detached = false;
    free.push(buffer);
  }
}
