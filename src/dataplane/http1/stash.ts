/** Bytes kept for later: the start of a head that came in pieces, or a request behind the running one. */
export class Stash {
  bytes: Buffer;
  /** How many of {@link bytes} are filled. */
  length: number;

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
}

/** Grows by doubling, so that a head that comes byte by byte is copied a few times, not thousands. */
function roomFor(length: number): number {
  let room = 1024;
  while (room < length) room *= 2;
  return room;
}
