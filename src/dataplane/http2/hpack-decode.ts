/** Header blocks into fields (RFC 7541). Pure: no sockets, no clock. Hot path. */
import { latin1 } from '../message/latin1.ts';
import { type Field, makeField } from './field.ts';
import { DynamicTable, STATIC, STATIC_COUNT, TABLE_BYTES } from './hpack-table.ts';
import { huffmanDecode } from './huffman.ts';

export interface FieldSink {
  /** False stops decoding: the connection is lost, because the tables are out of step from here on. */
  onField(field: Field): boolean;
}

/** A name or value cannot be longer than a whole block; Huffman codes have 5 bits at least. */
const scratch = Buffer.allocUnsafeSlow(1 << 17);

/** Size updates at the start of one block; an encoder needs two at most (RFC 7541 4.2). */
const MOST_UPDATES = 2;

export class HpackDecoder {
  /** Grows with every change of the table: a block that came before means the same while this is the same. */
  version = 0;
  readonly #table = new DynamicTable();
  #at = 0;

  /**
   * Decodes a whole header block, `bytes[start, end)`, of at most 64 KiB. False when it is not one, or when the
   * sink stopped it: COMPRESSION_ERROR.
   */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): boolean {
    this.#at = start;
    let updates = 0;
    let fields = 0;
    while (this.#at < end) {
      const first = bytes[this.#at]!;
      let field: Field | null;
      if (first >= 128) field = this.#entry(this.#integer(bytes, end, 127));
      else if (first >= 64) {
        field = this.#literal(bytes, end, 63);
        this.version++;
        if (field !== null) this.#table.add(field);
      } else if (first >= 32) {
        const size = this.#integer(bytes, end, 31);
        if (size < 0 || size > TABLE_BYTES || fields > 0 || ++updates > MOST_UPDATES) return false;
        this.version++;
        this.#table.resize(size);
        continue;
      } else field = this.#literal(bytes, end, 15);
      if (field === null || !sink.onField(field)) return false;
      fields++;
    }
    return true;
  }

  #entry(index: number): Field | null {
    if (index <= 0) return null;
    return index <= STATIC_COUNT ? STATIC[index]! : this.#table.get(index - STATIC_COUNT - 1);
  }

  #literal(bytes: Buffer, end: number, mask: number): Field | null {
    const index = this.#integer(bytes, end, mask);
    if (index < 0) return null;
    let name: string | null;
    if (index === 0) name = this.#string(bytes, end);
    else {
      const entry = this.#entry(index);
      name = entry === null ? null : entry.name;
    }
    if (name === null) return null;
    const value = this.#string(bytes, end);
    return value === null ? null : makeField(name, value);
  }

  /** RFC 7541 5.1, up to 2^28: -1 for what is cut off or larger. */
  #integer(bytes: Buffer, end: number, mask: number): number {
    let value = bytes[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= end) return -1;
      const c = bytes[this.#at++]!;
      value += (c & 127) << shift;
      if (c < 128) return value;
    }
    return -1;
  }

  #string(bytes: Buffer, end: number): string | null {
    if (this.#at >= end) return null;
    const huffman = bytes[this.#at]! >= 128;
    const length = this.#integer(bytes, end, 127);
    const from = this.#at;
    if (length < 0 || length > end - from) return null;
    this.#at = from + length;
    if (!huffman) return latin1(bytes, from, from + length);
    const stop = huffmanDecode(bytes, from, from + length, scratch, 0);
    return stop < 0 ? null : latin1(scratch, 0, stop);
  }
}
