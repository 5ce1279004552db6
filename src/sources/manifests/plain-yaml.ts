/**
 * A fast reader for the YAML that manifests are written in: block maps and lists, one-line scalars, literal blocks
 * and one-line flow collections. It is about ten times as fast as a full YAML parser, which counts with 10,000
 * files.
 *
 * It never guesses: whatever it is not certain about (anchors, tags, escapes, folded text, floats, odd indentation,
 * duplicate keys, every error) makes it give up, and the full parser decides. So for each text it gives exactly what
 * the full parser gives, or nothing; a property test holds it to that.
 */
import { giveUp, isSpecialKey, MAX_DEPTH, NOT_PLAIN, REST, readValue } from './plain-value.ts';

export interface PlainDocument {
  readonly value: unknown;
  /** 1-based line of the first content. */
  readonly line: number;
  /** The lines of maps that are elements of lists. */
  readonly lines: ReadonlyMap<object, number>;
}

/** Reads one document; null when it is not plain. An optional `---` line may lead it. */
export function parsePlainYaml(text: string): PlainDocument | null {
  if (text.includes('\r') || text.includes('\uFEFF')) return null;
  try {
    return new PlainReader(text.split('\n')).document();
  } catch (error) {
    if (error === NOT_PLAIN) return null;
    throw error;
  }
}

const KEY = /^(?:([A-Za-z_][\w./-]*)|"([^"\\]*)"|'([^']*)'):(?: +|$)/;
const LITERAL = new RegExp(`^\\|(-?)${REST}`);

class PlainReader {
  readonly #lines: string[];
  /** The line being read. */
  #at = 0;
  /** Its indentation and what stands behind it. */
  #indent = -1;
  #text = '';
  #depth = 0;
  readonly #positions = new Map<object, number>();

  constructor(lines: string[]) {
    this.#lines = lines;
  }

  document(): PlainDocument {
    if (/^--- *(?: #.*)?$/.test(this.#lines[0] ?? '')) this.#at = 1;
    this.#load();
    const line = this.#at + 1;
    if (this.#atEnd()) return { value: null, line, lines: this.#positions };
    if (this.#indent !== 0) giveUp();
    const value = this.#block(0);
    if (!this.#atEnd()) giveUp();
    return { value, line, lines: this.#positions };
  }

  /** Finds the next line with content, from `#at` on. At the end `#indent` is -1. */
  #load(): void {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!; // #at is below the length
      let indent = 0;
      while (line.charCodeAt(indent) === 32) indent++;
      if (indent === line.length || line[indent] === '#') continue;
      if (line.includes('\t') || (indent === 0 && /^(?:---|\.\.\.|%)/.test(line))) giveUp();
      this.#indent = indent;
      this.#text = line.slice(indent);
      return;
    }
    this.#indent = -1;
  }

  #atEnd(): boolean {
    return this.#indent === -1;
  }

  #next(): void {
    this.#at++;
    this.#load();
  }

  /** The map or list that starts on this line. */
  #block(indent: number): unknown {
    if (++this.#depth > MAX_DEPTH) giveUp();
    const value = isItem(this.#text) ? this.#list(indent) : this.#map(indent);
    this.#depth--;
    if (this.#indent > indent) giveUp();
    return value;
  }

  #list(indent: number): unknown[] {
    const list: unknown[] = [];
    while (this.#indent === indent && isItem(this.#text)) {
      const line = this.#at + 1;
      const item = this.#item(indent);
      if (typeof item === 'object' && item !== null) this.#positions.set(item, line);
      list.push(item);
    }
    return list;
  }

  #item(indent: number): unknown {
    const rest = this.#text.slice(1).trimStart();
    if (rest === '' || rest.startsWith('#')) {
      this.#next();
      return this.#indent > indent ? this.#block(this.#indent) : null;
    }
    if (isItem(rest)) giveUp();
    if (!KEY.test(rest)) return this.#value(rest, indent);
    // `- key: value`: a map that starts in the middle of the line.
    this.#indent += this.#text.length - rest.length;
    this.#text = rest;
    return this.#block(this.#indent);
  }

  #map(indent: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    while (this.#indent === indent && !isItem(this.#text)) {
      const match = KEY.exec(this.#text) ?? giveUp();
      const key = match[1] ?? match[2] ?? match[3] ?? '';
      if (Object.hasOwn(map, key) || isSpecialKey(key, match[1] !== undefined)) giveUp();
      map[key] = this.#mapValue(this.#text.slice(match[0].length), indent);
    }
    return map;
  }

  #mapValue(rest: string, indent: number): unknown {
    if (rest !== '' && !rest.startsWith('#')) return this.#value(rest, indent);
    this.#next();
    if (this.#indent > indent) return this.#block(this.#indent);
    return this.#indent === indent && isItem(this.#text) ? this.#list(indent) : null;
  }

  /** A value that starts on this line, inside a block that is indented by `indent`. */
  #value(text: string, indent: number): unknown {
    const literal = LITERAL.exec(text);
    if (literal) return this.#literal(indent, literal[1] === '-');
    const value = readValue(text);
    this.#next();
    // A deeper line would continue this value.
    if (this.#indent > indent) giveUp();
    return value;
  }

  #literal(parent: number, strip: boolean): string {
    this.#at++;
    const indent = indentOf(this.#lines[this.#at] ?? '');
    if (indent === null || indent <= parent) giveUp();
    const content: string[] = [];
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!; // #at is below the length
      const depth = indentOf(line);
      if (depth !== null && depth < indent) break;
      if (depth === null && line.length > indent) giveUp();
      content.push(line.slice(indent));
    }
    while (content.at(-1) === '') content.pop();
    this.#load();
    if (this.#indent > parent) giveUp();
    return strip ? content.join('\n') : `${content.join('\n')}\n`;
  }
}

function isItem(text: string): boolean {
  return text === '-' || text.startsWith('- ');
}

/** Spaces at the start of a line; null for a line of nothing else. */
function indentOf(line: string): number | null {
  let indent = 0;
  while (line.charCodeAt(indent) === 32) indent++;
  return indent === line.length ? null : indent;
}
