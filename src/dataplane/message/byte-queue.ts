/**
 * Bytes kept in the order in which they came: those that wait for a window, or may have to be sent again. Small pieces
 * are put together, because whoever sends a byte at a time shall not make us keep a hundred for each. Hot path.
 */

/** From the second piece on. */
const LEAST_CHUNK = 4096;

export class ByteQueue {
  size = 0;
  readonly #chunks: Buffer[] = [];
  /** Of the first chunk, what was dropped; of the last, what is filled. */
  #offset = 0;
  #filled = 0;

  /** Copies `bytes[start, end)`. */
  push(bytes: Buffer, start: number, end: number): void {
    const last = this.#chunks.at(-1);
    if (last === undefined) {
      // Often the only one: no more than its size.
      this.#filled = end - start;
      this.#chunks.push(Buffer.from(bytes.subarray(start, end)));
    } else this.#append(last, bytes, start, end);
    this.size += end - start;
  }

  #append(last: Buffer, bytes: Buffer, start: number, end: number): void {
    const copied = Math.min(last.length - this.#filled, end - start);
    bytes.copy(last, this.#filled, start, start + copied);
    this.#filled += copied;
    const rest = end - start - copied;
    if (rest === 0) return;
    const chunk = Buffer.allocUnsafeSlow(Math.max(rest, LEAST_CHUNK));
    bytes.copy(chunk, 0, start + copied, end);
    this.#filled = rest;
    this.#chunks.push(chunk);
  }

  /** Chunks that bytes lie in: chunk `i` from {@link start} to {@link end}. */
  get count(): number {
    return this.#chunks.length;
  }

  chunk(i: number): Buffer {
    return this.#chunks[i]!;
  }

  start(i: number): number {
    return i === 0 ? this.#offset : 0;
  }

  end(i: number): number {
    return i === this.#chunks.length - 1 ? this.#filled : this.#chunks[i]!.length;
  }

  /** Drops the first `size` bytes, of the first chunk at most. Its memory is not written to again. */
  drop(size: number): void {
    this.size -= size;
    this.#offset += size;
    if (this.#offset < this.end(0)) return;
    this.#chunks.shift();
    this.#offset = 0;
  }

  clear(): void {
    this.size = 0;
    this.#chunks.length = 0;
    this.#offset = 0;
  }
}
