/**
 * The field lines of one message head, as positions in one latin1 text. Nothing is split or lower-cased; a
 * line is copied onwards by slicing the text between lines that must not be.
 *
 * A parser owns one FieldBlock and fills it again for each message: its contents are valid until then.
 */
const CAPACITY = 256;

export class FieldBlock {
  /** The whole head; positions below count from its start. */
  text = '';
  count = 0;
  /** End of the last field line: where the empty line starts. */
  end = 0;
  readonly ids: Uint8Array;
  readonly nameStart: Int32Array;
  readonly nameEnd: Int32Array;
  readonly valueStart: Int32Array;
  readonly valueEnd: Int32Array;

  constructor(capacity = CAPACITY) {
    this.ids = new Uint8Array(capacity);
    this.nameStart = new Int32Array(capacity);
    this.nameEnd = new Int32Array(capacity);
    this.valueStart = new Int32Array(capacity);
    this.valueEnd = new Int32Array(capacity);
  }

  /** A block of its own with the same lines, to which none can be added. */
  copy(): FieldBlock {
    const { count } = this;
    const copy = new FieldBlock(count);
    copy.text = this.text;
    copy.count = count;
    copy.end = this.end;
    copy.ids.set(this.ids.subarray(0, count));
    copy.nameStart.set(this.nameStart.subarray(0, count));
    copy.nameEnd.set(this.nameEnd.subarray(0, count));
    copy.valueStart.set(this.valueStart.subarray(0, count));
    copy.valueEnd.set(this.valueEnd.subarray(0, count));
    return copy;
  }

  /** Value of line `i`, without surrounding white space. */
  value(i: number): string {
    return this.text.slice(this.valueStart[i], this.valueEnd[i]);
  }

  /** Name of line `i` as it was sent. */
  name(i: number): string {
    return this.text.slice(this.nameStart[i], this.nameEnd[i]);
  }

  /** Index of the first line with this number, -1 when there is none. */
  indexOf(id: number): number {
    const { ids, count } = this;
    for (let i = 0; i < count; i++) if (ids[i] === id) return i;
    return -1;
  }

  /** Value of the first line with this number, '' when there is none. */
  first(id: number): string {
    const i = this.indexOf(id);
    return i < 0 ? '' : this.value(i);
  }

  /** All values of lines with this number joined by `, ` (RFC 9110 5.3), '' when there is none. */
  joined(id: number): string {
    let out = '';
    for (let i = 0; i < this.count; i++) {
      if (this.ids[i] === id) out = out === '' ? this.value(i) : `${out}, ${this.value(i)}`;
    }
    return out;
  }

  /** Value of the first line with this lower-case name, which need not be one with a number. */
  lookup(lowerName: string): string {
    for (let i = 0; i < this.count; i++) {
      if (
        this.nameEnd[i]! - this.nameStart[i]! === lowerName.length &&
        this.name(i).toLowerCase() === lowerName
      ) {
        return this.value(i);
      }
    }
    return '';
  }

  /**
   * The lines whose number is not in `skip` and whose name is not in `alsoSkip`, as they were sent. The
   * parser has validated exactly these bytes as whole, well-formed lines.
   */
  copyExcept(skip: Uint8Array, alsoSkip: readonly string[] | null): string {
    const { ids, nameStart, text, count } = this;
    let out = '';
    let runStart = -1;
    for (let i = 0; i < count; i++) {
      if (skip[ids[i]!] !== 1 && (alsoSkip === null || !this.#named(i, alsoSkip))) {
        if (runStart < 0) runStart = nameStart[i]!;
      } else if (runStart >= 0) {
        out += text.slice(runStart, nameStart[i]);
        runStart = -1;
      }
    }
    if (runStart >= 0) out += text.slice(runStart, this.end);
    return out;
  }

  /**
   * Adds a line that is known to be well-formed: `name: value` and CRLF, `id` the number of its name. False when
   * there is no room.
   */
  append(id: number, nameLength: number, valueLength: number, line: string): boolean {
    const i = this.count;
    if (i >= this.ids.length) return false;
    const start = this.text.length;
    const valueStart = start + nameLength + 2;
    this.ids[i] = id;
    this.nameStart[i] = start;
    this.nameEnd[i] = start + nameLength;
    this.valueStart[i] = valueStart;
    this.valueEnd[i] = valueStart + valueLength;
    this.text += line;
    this.count = i + 1;
    this.end = this.text.length;
    return true;
  }

  #named(i: number, names: readonly string[]): boolean {
    return names.includes(this.name(i).toLowerCase());
  }
}

export const FIELD_CAPACITY = CAPACITY;
