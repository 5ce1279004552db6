/**
 * Puts together a header block that comes in HEADERS and CONTINUATION frames (RFC 9113 4.3), within bounds: endless
 * CONTINUATIONs cost a client its connection (CVE-2024-27316 and its kin). Pure.
 */

const MOST_BYTES = 65_536;
const MOST_CONTINUATIONS = 16;

export class HeaderBlock {
  /** The stream it belongs to; 0 when no block is open. */
  id = 0;
  /** Of the HEADERS frame. */
  flags = 0;
  selfDependent = false;
  bytes: Buffer | null = null;
  size = 0;
  #continuations = 0;

  /** A HEADERS frame without END_HEADERS. */
  begin(id: number, flags: number, selfDependent: boolean, bytes: Buffer, start: number, end: number): void {
    this.id = id;
    this.flags = flags;
    this.selfDependent = selfDependent;
    this.#continuations = 0;
    this.bytes = Buffer.from(bytes.subarray(start, end));
    this.size = end - start;
  }

  /** A CONTINUATION of it. False when it is one too many. */
  add(bytes: Buffer, start: number, end: number): boolean {
    const size = this.size + end - start;
    if (++this.#continuations > MOST_CONTINUATIONS || size > MOST_BYTES) return false;
    const grown = Buffer.allocUnsafeSlow(size);
    this.bytes!.copy(grown, 0, 0, this.size);
    bytes.copy(grown, this.size, start, end);
    this.bytes = grown;
    this.size = size;
    return true;
  }

  end(): void {
    this.id = 0;
    this.bytes = null;
  }
}
