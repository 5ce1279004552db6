/**
 * The bodies of the load test: bytes that follow from a seed, so that whoever receives them can tell whether
 * they are all there, in order and of the right message, without having kept what was sent.
 */
import { Random } from '../fuzz/random.ts';

/** Not a power of two, so that no buffer size of a proxy divides it. */
const BLOCK_BYTES = 1_000_003;
const block = Buffer.alloc(BLOCK_BYTES);
const random = new Random(1);
for (let at = 0; at < BLOCK_BYTES; at++) block[at] = random.int(0, 255);

const startOf = (seed: number): number => (Math.imul(seed, 7919) >>> 0) % BLOCK_BYTES;

/** How long a body is to be, in bytes: mostly small, seldom large, and often enough nothing or all of `most`. */
export function bodySize(random: Random, most: number): number {
  if (random.chance(0.05)) return 0;
  if (random.chance(0.01)) return most;
  return Math.floor(most * random.next() ** 4);
}

/** Body bytes `from` up to `end` of a seed; shared memory, not to be written to. */
export function* payload(seed: number, from: number, end: number): Generator<Buffer> {
  for (let at = from; at < end; ) {
    const inBlock = (startOf(seed) + at) % BLOCK_BYTES;
    const size = Math.min(end - at, BLOCK_BYTES - inBlock);
    yield block.subarray(inBlock, inBlock + size);
    at += size;
  }
}

/** A whole body of `size` bytes in one piece. */
export function wholePayload(seed: number, size: number): Buffer {
  return Buffer.concat([...payload(seed, 0, size)]);
}

/** Compares a body with what it should be while it arrives. */
export class PayloadCheck {
  readonly #seed: number;
  received = 0;
  /** Position of the first piece that differs; -1 while there is none. */
  wrongAt = -1;

  constructor(seed: number) {
    this.#seed = seed;
  }

  add(bytes: Buffer): void {
    let at = 0;
    for (const expected of payload(this.#seed, this.received, this.received + bytes.length)) {
      const differs = !expected.equals(bytes.subarray(at, at + expected.length));
      if (differs && this.wrongAt < 0) this.wrongAt = this.received + at;
      at += expected.length;
    }
    this.received += bytes.length;
  }

  /** What is wrong with a body that should have `size` bytes; null when nothing is. */
  verdict(size: number): string | null {
    if (this.wrongAt >= 0) return `the body differs in the piece at byte ${this.wrongAt}`;
    return this.received === size ? null : `the body has ${this.received} bytes instead of ${size}`;
  }
}
