/** Remembers how the last few hundred streams ended, which decides what a late frame for one of them means. Pure. */

const REMEMBERED = 512;

/** Not remembered: long gone, or skipped by the client. */
export const UNKNOWN = 0;
/** The client ended its side, so it may send nothing more but window updates and the like. */
export const ENDED = 1;
/** We reset it: what the client sent meanwhile is to be ignored (RFC 9113 5.1). */
export const RESET = 2;

export class ClosedStreams {
  /** Made when they are needed: an idle connection shall be small. */
  #ids: Int32Array | null = null;
  #how: Uint8Array | null = null;

  add(id: number, how: number): void {
    const slot = (id >> 1) % REMEMBERED;
    this.#ids ??= new Int32Array(REMEMBERED);
    this.#how ??= new Uint8Array(REMEMBERED);
    this.#ids[slot] = id;
    this.#how[slot] = how;
  }

  /** UNKNOWN, ENDED or RESET. */
  get(id: number): number {
    const slot = (id >> 1) % REMEMBERED;
    return this.#ids?.[slot] === id ? this.#how![slot]! : UNKNOWN;
  }
}
