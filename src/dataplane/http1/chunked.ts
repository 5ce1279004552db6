/**
 * The chunked transfer coding (RFC 9112 7.1), decoded strictly: CRLF only, 1 to 16 hexadecimal digits, bounded
 * extensions (dropped) and trailers. Hot path for chunked bodies: bytes are handed on in place.
 */
import { FORBIDDEN_IN_TRAILERS } from '../message/field-names.ts';
import { FieldBlock } from '../message/fields.ts';
import { latin1 } from '../message/latin1.ts';
import { HEX } from './grammar.ts';
import { parseFields } from './parse-fields.ts';

export interface ChunkedLimits {
  readonly chunkExtensionBytes: number;
  readonly trailerBytes: number;
  readonly trailerCount: number;
}

/** Takes body bytes; they are valid during the call only. */
export interface BodySink {
  /** `last`: the body ends with them. Where it is in chunks that is told by their end only. */
  onBody(bytes: Buffer, start: number, end: number, last: boolean): void;
}

/** The message is complete; {@link ChunkedDecoder.consumed} says where. */
export const DONE = 1;
/** All bytes were used, more are needed. */
export const MORE = 0;
/** Not chunked coding as we accept it. The connection is in doubt. */
export const BAD = -1;
/** Extensions or trailers over their limit. */
export const TOO_LARGE = -2;

const SIZE_START = 0;
const SIZE = 1;
const EXTENSION = 2;
const SIZE_LF = 3;
const DATA = 4;
const DATA_CR = 5;
const DATA_LF = 6;
const TRAILERS = 7;

/** One for all decoders: trailers are parsed in one step when they are complete. */
const trailerFields = new FieldBlock();
const EMPTY = Buffer.alloc(0);

export class ChunkedDecoder {
  /** After DONE: position behind the message. */
  consumed = 0;
  /** After DONE: trailer lines that may be passed on, each ended by CRLF; '' when there are none. */
  trailers = '';
  readonly #limits: ChunkedLimits;
  #state = SIZE_START;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #quoted = false;
  #escaped = false;
  #trailerBytes: Buffer = EMPTY;

  constructor(limits: ChunkedLimits) {
    this.#limits = limits;
  }

  /** Decodes `bytes[start, end)`, handing data to `sink`. Returns DONE, MORE, BAD or TOO_LARGE. */
  feed(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    let i = start;
    while (i < end) {
      if (this.#state === DATA) {
        const stop = end - i < this.#size ? end : i + this.#size;
        this.#size -= stop - i;
        if (this.#size === 0) this.#state = DATA_CR;
        sink.onBody(bytes, i, stop, false);
        i = stop;
        continue;
      }
      if (this.#state === TRAILERS) return this.#feedTrailers(bytes, i, end);
      const verdict = this.#step(bytes[i]!);
      if (verdict !== MORE) return verdict;
      i++;
    }
    return MORE;
  }

  #step(c: number): number {
    switch (this.#state) {
      case SIZE_START:
        if (HEX[c] === 255) return BAD;
        this.#size = HEX[c]!;
        this.#digits = 1;
        this.#state = SIZE;
        return MORE;
      case SIZE:
        if (HEX[c] !== 255) {
          this.#size = this.#size * 16 + HEX[c]!;
          return ++this.#digits > 16 || this.#size > Number.MAX_SAFE_INTEGER ? BAD : MORE;
        }
        if (c === 13) this.#state = SIZE_LF;
        else if (c === 59) this.#state = EXTENSION;
        else return BAD;
        return MORE;
      case EXTENSION:
        return this.#extension(c);
      case SIZE_LF:
        if (c !== 10) return BAD;
        this.#state = this.#size === 0 ? TRAILERS : DATA;
        return MORE;
      case DATA_CR:
        this.#state = DATA_LF;
        return c === 13 ? MORE : BAD;
      default:
        this.#state = SIZE_START;
        return c === 10 ? MORE : BAD;
    }
  }

  /** A line end always ends the extension, even inside quotes (Netty CVE-2026-33870), where it is refused. */
  #extension(c: number): number {
    if (++this.#extensionBytes > this.#limits.chunkExtensionBytes) return TOO_LARGE;
    if (c === 13) {
      this.#state = SIZE_LF;
      return this.#quoted ? BAD : MORE;
    }
    if ((c < 32 && c !== 9) || c === 127) return BAD;
    if (this.#escaped) this.#escaped = false;
    else if (c === 92) this.#escaped = this.#quoted;
    else if (c === 34) this.#quoted = !this.#quoted;
    return MORE;
  }

  #feedTrailers(bytes: Buffer, start: number, end: number): number {
    let from = start;
    let to = end;
    let block = bytes;
    const kept = this.#trailerBytes.length;
    if (kept > 0) {
      block = Buffer.concat([this.#trailerBytes, bytes.subarray(start, end)]);
      from = 0;
      to = block.length;
    }
    const next = parseFields(block, from, to, from, this.#limits.trailerCount, trailerFields);
    if (next < 0) return next === -2 ? TOO_LARGE : BAD;
    const size = (next === 0 ? to : next) - from;
    if (size > this.#limits.trailerBytes) return TOO_LARGE;
    if (next === 0) {
      this.#trailerBytes = Buffer.from(block.subarray(from, to));
      return MORE;
    }
    trailerFields.text = latin1(block, from, next);
    this.trailers = trailerFields.copyExcept(FORBIDDEN_IN_TRAILERS, null);
    this.consumed = start + size - kept;
    return DONE;
  }
}

/** The line before a chunk of `size` bytes (> 0). */
export function chunkHead(size: number): string {
  return `${size.toString(16)}\r\n`;
}
