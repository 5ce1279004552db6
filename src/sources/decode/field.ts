/**
 * Reading of JSON that nobody has checked: a Field is one place in it, knows its path, and gives typed values.
 *
 * What does not fit becomes an Issue in a list shared by the whole object, and reading goes on with a harmless
 * value, so that one pass finds every mistake; a decoder's result counts only when the list stayed empty. As in
 * the Kubernetes API, null is the same as absent. Only own properties are read.
 */

export interface Issue {
  /** `spec.rules[0].host`; '' for the object as a whole. */
  readonly field: string;
  /** What is wrong and what was expected, without a full stop, to be completed with what happens now. */
  readonly message: string;
}

/** What a text must look like. */
export interface Syntax {
  /** Completes "must be …". */
  readonly expected: string;
  /** In UTF-16 units. */
  readonly maxLength: number;
  test(text: string): boolean;
}

/** Further issues of one object are dropped: nobody reads more, and hostile input could make millions. */
const MAX_ISSUES = 20;

export const ANY_TEXT: Syntax = { expected: 'a string', maxLength: 4096, test: () => true };

export class Field {
  readonly path: string;
  readonly #value: unknown;
  readonly #issues: Issue[];
  readonly #confidential: boolean;

  constructor(value: unknown, issues: Issue[], path = '', confidential = false) {
    this.path = path;
    this.#value = value;
    this.#issues = issues;
    this.#confidential = confidential;
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  get isNumber(): boolean {
    return typeof this.#value === 'number';
  }

  /** The same place, whose value (and those below) no message may quote. */
  confidential(): Field {
    return new Field(this.#value, this.#issues, this.path, true);
  }

  get(key: string): Field {
    const path = this.path === '' ? key : `${this.path}.${key}`;
    const object = this.#object();
    return this.#child(object && Object.hasOwn(object, key) ? object[key] : undefined, path);
  }

  /** The elements of a list; none when it is absent. */
  list(maxLength: number): Field[] {
    if (!this.present) return [];
    if (!Array.isArray(this.#value)) {
      this.mustBe('a list');
      return [];
    }
    if (this.#value.length > maxLength) {
      this.fail(`has ${this.#value.length} elements, more than the ${maxLength} that are allowed`);
      return [];
    }
    return this.#value.map((element, index) => this.#child(element, `${this.path}[${index}]`));
  }

  /** The entries of a map whose keys are free; none when it is absent. */
  entries(maxLength: number): [key: string, value: Field][] {
    const object = this.#object();
    if (object === undefined) return [];
    const keys = Object.keys(object);
    if (keys.length > maxLength) {
      this.fail(`has ${keys.length} entries, more than the ${maxLength} that are allowed`);
      return [];
    }
    return keys.map((key) => [key, this.#child(object[key], `${this.path}[${key}]`)]);
  }

  /** A text that must be there and not be empty. */
  text(syntax: Syntax = ANY_TEXT): string {
    if (!this.present || this.#value === '') {
      this.fail(`is required, ${syntax.expected}`);
      return '';
    }
    return this.#text(syntax);
  }

  /** A text, or `fallback` when it is absent or empty (which the API treats alike). */
  textOr<T extends string | null>(fallback: T, syntax: Syntax = ANY_TEXT): string | T {
    return this.present && this.#value !== '' ? this.#text(syntax) : fallback;
  }

  /** Any text, the empty one (which null stands for) too: the values of labels, annotations and data. */
  freeText(maxLength: number): string {
    if (!this.present) return '';
    return this.#text({ ...ANY_TEXT, maxLength });
  }

  integer(min: number, max: number): number {
    const value = this.#value;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    const expected = `a whole number from ${min} to ${max}`;
    if (this.present) this.mustBe(expected);
    else this.fail(`is required, ${expected}`);
    return min;
  }

  /** A whole number, or `fallback` when it is absent. */
  integerOr(fallback: number, min: number, max: number): number {
    return this.present ? this.integer(min, max) : fallback;
  }

  /** A count that may be any int64; what is above 2^53 - 1 is given as that. */
  countOr(fallback: number): number {
    if (typeof this.#value === 'number' && this.#value > Number.MAX_SAFE_INTEGER)
      return Number.MAX_SAFE_INTEGER;
    return this.integerOr(fallback, 0, Number.MAX_SAFE_INTEGER);
  }

  booleanOr(fallback: boolean): boolean {
    if (typeof this.#value === 'boolean') return this.#value;
    if (this.present) this.mustBe('true or false');
    return fallback;
  }

  /** One of the given words; `fallback` when absent, or a problem when there is no fallback. */
  oneOf<T extends string>(words: readonly T[], fallback: T | null = null): T {
    const found = words.find((word) => word === this.#value);
    if (found !== undefined) return found;
    const absent = !this.present || this.#value === '';
    if (absent && fallback !== null) return fallback;
    const expected = `one of ${words.join(', ')}`;
    if (absent) this.fail(`is required, ${expected}`);
    else this.mustBe(expected);
    return words[0]!; // every caller gives words
  }

  /** Reports that this value is not what `expected` says. */
  mustBe(expected: string): void {
    this.fail(`must be ${expected}, not ${this.#confidential ? kindOf(this.#value) : describe(this.#value)}`);
  }

  /** Reports a problem with this field; only the first one of a field counts. */
  fail(message: string): void {
    if (this.#issues.length >= MAX_ISSUES || this.#issues.some((issue) => issue.field === this.path)) return;
    this.#issues.push({ field: this.path, message });
  }

  #text(syntax: Syntax): string {
    const value = this.#value;
    if (typeof value !== 'string') {
      // The commonest slip of all: `key: 8` or `key: true` where YAML wants quotes.
      const hint = typeof value === 'number' || typeof value === 'boolean' ? ' (put it in quotes)' : '';
      this.mustBe(`a string${hint}`);
      return '';
    }
    if (value.length > syntax.maxLength) {
      this.fail(`has ${value.length} characters, more than the ${syntax.maxLength} that are allowed`);
      return '';
    }
    if (!syntax.test(value)) this.mustBe(syntax.expected);
    return value;
  }

  #object(): Readonly<Record<string, unknown>> | undefined {
    if (!this.present) return undefined;
    if (isObject(this.#value)) return this.#value;
    this.mustBe('an object');
    return undefined;
  }

  #child(value: unknown, path: string): Field {
    return new Field(value, this.#issues, path, this.#confidential);
  }
}

/** True for what JSON calls an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${value}`;
  return kindOf(value);
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'this text';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'a boolean';
    case 'object':
      return 'an object';
    default:
      return 'nothing';
  }
}
