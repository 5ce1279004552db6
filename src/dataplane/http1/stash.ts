/** Bytes kept for later: the start of a head that came in pieces, or a request behind the running one. */
export class Stash {
  bytes: Buffer;
  /** How many of {@link bytes} are filled. */
  length: number;
  /** How far the end of the head was looked for, and where the line begins that was not ended there. */
  #scanned = 0;
  #line = 0;
  #parseAt = 0;

  constructor(bytes: Buffer, start: number, end: number) {
    this.length = end - start;
    this.bytes = Buffer.allocUnsafeSlow(roomFor(this.length));
    bytes.copy(this.bytes, 0, start, end);
  }

  append(bytes: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(roomFor(length));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    bytes.copy(this.bytes, this.length, start, end);
    this.length = length;
  }

  /** Its bytes were parsed and are the beginning of a head, for which `limit` bytes would be too many. */
  incomplete(limit: number): void {
    this.#parseAt = this.length < limit ? Math.min(this.length * 2, limit) : this.length * 2;
  }

  /**
   * Whether to parse it anew after {@link incomplete}: the head may have ended, is certainly malformed, may be too long,
   * or is twice as long as it was. So a head costs the same however many pieces it dribbles in; what else is wrong with it
   * is found a little later.
   */
  worthParsing(): boolean {
    return this.#mayHaveEnded() || this.length >= this.#parseAt;
  }

  /** An empty line, or CR or LF alone, which the parser refuses. Looks at each byte once. */
  #mayHaveEnded(): boolean {
    const { bytes, length } = this;
    for (let i = this.#scanned; i < length; i++) {
      const afterReturn = i > 0 && bytes[i - 1] === 13;
      if (bytes[i] !== 10) {
        if (!afterReturn) continue;
      } else if (afterReturn && i - 1 > this.#line) {
        this.#line = i + 1;
        continue;
      } else this.#line = i + 1;
      this.#scanned = i + 1;
      return true;
    }
    this.#scanned = length;
    return false;
  }
}

/** Grows by doubling, so that a head that comes byte by byte is copied a few times, not thousands. */
function roomFor(length: number): number {
  let room = 1024;
  while (room < length) room *= 2;
  return room;
}
