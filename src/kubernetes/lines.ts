/** Cuts a byte stream into lines of bounded length. */

const LF = 10;

export class LineReader {
  readonly #maxBytes: number;
  readonly #onLine: (line: string) => void;
  readonly #onTooLong: () => void;
  #pieces: Buffer[] = [];
  #length = 0;
  #dropping = false;

  /** A line of more than `maxBytes` is dropped to its end and told to `onTooLong` once. */
  constructor(maxBytes: number, onLine: (line: string) => void, onTooLong: () => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
    this.#onTooLong = onTooLong;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(LF, from);
      if (end === -1) break;
      this.#add(chunk.subarray(from, end));
      this.#finish();
      from = end + 1;
    }
    if (from < chunk.length) this.#add(chunk.subarray(from));
  }

  /** Whether the stream ended inside a line. */
  get isInside(): boolean {
    return this.#length > 0 || this.#dropping;
  }

  #add(piece: Buffer): void {
    if (this.#dropping || piece.length === 0) return;
    if (this.#length + piece.length > this.#maxBytes) {
      this.#dropping = true;
      this.#pieces = [];
      this.#length = 0;
      this.#onTooLong();
      return;
    }
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  #finish(): void {
    const { length } = this.#pieces;
    const line = length === 1 ? this.#pieces[0]!.toString() : Buffer.concat(this.#pieces).toString();
    this.#pieces = [];
    this.#length = 0;
    if (this.#dropping) this.#dropping = false;
    else if (line !== '') this.#onLine(line);
  }
}
