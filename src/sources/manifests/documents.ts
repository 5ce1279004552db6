/** From the text of a manifest file to JSON values that know their line. */
import {
  Composer,
  type Document,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
  visit,
} from 'yaml';
import { isObject } from '../decode/field.ts';
import { duplicateJsonKey } from './json-keys.ts';
import { parsePlainYaml } from './plain-yaml.ts';

export interface ManifestDocument {
  /** 1-based; comments before the first `---` are no document of their own. */
  readonly index: number;
  /** 1-based line of the first content. */
  readonly line: number;
  readonly value: unknown;
  /** The line where an element of the document's `items` starts, where known. */
  lineOf(item: unknown): number;
}

export interface SyntaxProblem {
  readonly document: number;
  readonly line: number;
  /** Without a full stop. */
  readonly message: string;
}

export interface ManifestText {
  readonly documents: readonly ManifestDocument[];
  readonly errors: readonly SyntaxProblem[];
}

/** More than any tool writes; each costs memory before anything is known about it. */
const MAX_DOCUMENTS = 100_000;
/** The full parser needs about 100 times the text in memory and a second per MiB. */
const MAX_FULL_YAML_LENGTH = 4 * 1024 * 1024;
/** Anchors may be used this often in a document: enough for people, too little for a billion laughs. */
const MAX_ALIASES = 100;
/** Of flow collections in each other, and of `- ` on one line: the full parser takes a kilobyte and more for each. */
const MAX_NESTING = 500;
/** A line with something other than a comment. It takes linear time, for nothing in it may match a line break. */
const CONTENT = /^[ \t]*[^ \t\r\n#]/m;

/** Reads YAML with any number of documents, or a `.json` file with one. Never throws. */
export function parseManifest(text: string, format: 'yaml' | 'json'): ManifestText {
  if (format === 'json') return parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text);
  // Before any document of a YAML stream (1.2.2 section 5.2): files with marks may have been put together.
  return parseYaml(text.includes('\uFEFF') ? text.replaceAll(/^\uFEFF/gm, '') : text);
}

function parseJson(text: string): ManifestText {
  if (text.trim() === '') return { documents: [], errors: [] };
  try {
    const value: unknown = JSON.parse(text);
    // 8 ms per MiB, of the 16 that a file may have: twice what JSON.parse takes.
    const twice = duplicateJsonKey(text);
    if (twice !== null) {
      const line = 1 + countLines(text.slice(0, twice.offset));
      const message = `has the key ${JSON.stringify(twice.key)} twice in one object`;
      return { documents: [], errors: [{ document: 1, line, message }] };
    }
    const line = 1 + countLines(text.slice(0, text.search(/\S/)));
    return { documents: [{ index: 1, line, value, lineOf: () => line }], errors: [] };
  } catch (error) {
    const { message } = error as Error;
    const line = Number(/line (\d+)/.exec(message)?.[1] ?? 1);
    return { documents: [], errors: [{ document: 1, line, message: `is not valid JSON: ${message}` }] };
  }
}

function parseYaml(text: string): ManifestText {
  const documents: ManifestDocument[] = [];
  const errors: SyntaxProblem[] = [];
  let index = 0;
  for (const part of splitDocuments(text)) {
    if (++index > MAX_DOCUMENTS) {
      errors.push({ document: index, line: part.line, message: `has more than ${MAX_DOCUMENTS} documents` });
      break;
    }
    const plain = parsePlainYaml(part.text);
    if (plain === null) {
      const full = parseFullYaml(part.text, part.line, index);
      documents.push(...full.documents);
      errors.push(...full.errors);
      continue;
    }
    const { line, value, lines } = plain;
    const first = part.line - 1;
    const lineOf = (item: unknown): number => first + (lines.get(item as object) ?? line);
    documents.push({ index, line: first + line, value, lineOf });
  }
  return { documents, errors };
}

/**
 * Cuts at lines that start with `---`: YAML allows them nowhere but between documents (1.2.2 section 9.1.2), not
 * even inside quotes. With directives or `...` the text stays in one piece, for the full parser to cut.
 */
function* splitDocuments(text: string): Generator<{ text: string; line: number }> {
  if (/^(?:%|\.\.\.)/m.test(text)) {
    yield { text, line: 1 };
    return;
  }
  const marker = /^---(?=\s|$)/gm;
  let start = 0;
  let line = 1;
  while (start < text.length) {
    marker.lastIndex = start + 1;
    const end = marker.exec(text)?.index ?? text.length;
    const part = text.slice(start, end);
    const isPreamble = start === 0 && !part.startsWith('---') && !CONTENT.test(part);
    if (!isPreamble) yield { text: part, line };
    line += countLines(part);
    start = end;
  }
}

function parseFullYaml(text: string, firstLine: number, firstIndex: number): ManifestText {
  if (text.length > MAX_FULL_YAML_LENGTH) {
    const message = `has ${text.length} characters of YAML that is not plain (anchors, tags, escapes, folded text, or an error), more than the ${MAX_FULL_YAML_LENGTH} that are allowed`;
    return { documents: [], errors: [{ document: firstIndex, line: firstLine, message }] };
  }
  const documents: ManifestDocument[] = [];
  const errors: SyntaxProblem[] = [];
  let index = firstIndex;
  const counter = new LineCounter();
  const lineOfOffset = (offset: number): number => firstLine - 1 + Math.max(1, counter.linePos(offset).line);
  const fail = (offset: number, message: string): void => {
    errors.push({
      document: index,
      line: lineOfOffset(offset),
      message: `is not valid YAML: ${inPlainWords(message)}`,
    });
  };
  try {
    const tooDeep = findTooDeep(text);
    if (tooDeep !== null) {
      const line = firstLine + countLines(text.slice(0, tooDeep));
      const message = `is nested too deep, by more than ${MAX_NESTING}`;
      return { documents, errors: [{ document: index, line, message }] };
    }
    const composer = new Composer({
      prettyErrors: false,
      uniqueKeys: false,
      merge: true,
      logLevel: 'silent',
    });
    for (const document of composer.compose(new Parser(counter.addNewLine).parse(text))) {
      const error = document.errors[0] ?? duplicateKey(document);
      if (error) {
        fail(error.pos[0], error.message);
      } else {
        const start = document.contents?.range[0] ?? 0;
        const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
        documents.push({
          index,
          line: lineOfOffset(start),
          value,
          lineOf: itemLines(document, value, lineOfOffset),
        });
      }
      index++;
      if (documents.length > MAX_DOCUMENTS) break;
    }
  } catch (error) {
    // Too many aliases, or nested deeper than the stack: the parser throws.
    fail(0, (error as Error).message);
  }
  return { documents, errors };
}

/** What the parser says of its own limits helps nobody who wrote the file. */
function inPlainWords(message: string): string {
  if (message.startsWith('Maximum call stack size')) return 'it is nested too deep';
  if (!message.startsWith('Excessive alias count')) return message;
  return `it has more than ${MAX_ALIASES} aliases (uses of anchors)`;
}

/** Where the text is nested deeper than {@link MAX_NESTING}, as an offset; null where it is not. */
function findTooDeep(text: string): number | null {
  let offset = 0;
  let flow = 0;
  let onLine = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow--;
    else if (token === '-' || token === '?') onLine++;
    else if (token === '\n') onLine = 0;
    if (flow + onLine > MAX_NESTING) return offset;
    if (!MARKS.has(token)) offset += token.length;
  }
  return null;
}

/** Tokens of the lexer that stand for no text: the start of a document, the end of a flow collection, a scalar follows. */
const MARKS: ReadonlySet<string> = new Set(['\u{02}', '\u{18}', '\u{1f}']);

/** The parser's own check for this takes quadratic time. */
function duplicateKey(document: Document.Parsed): { pos: [number, number]; message: string } | undefined {
  let found: { pos: [number, number]; message: string } | undefined;
  visit(document, {
    Map(_, map) {
      const keys = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key) || key.value === '<<') continue;
        if (keys.has(key.value)) {
          const offset = key.range?.[0] ?? 0;
          found = { pos: [offset, offset], message: `the key ${JSON.stringify(key.value)} is there twice` };
          return visit.BREAK;
        }
        keys.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

function itemLines(
  document: Document.Parsed,
  value: unknown,
  lineOfOffset: (offset: number) => number,
): (item: unknown) => number {
  const documentLine = lineOfOffset(document.contents?.range[0] ?? 0);
  const nodes = document.contents === null ? undefined : document.get('items', true);
  const items = isObject(value) ? value['items'] : undefined;
  if (!isSeq<ParsedNode>(nodes) || !Array.isArray(items)) return () => documentLine;
  const lines = new Map<unknown, number>();
  for (const [index, node] of nodes.items.entries()) lines.set(items[index], lineOfOffset(node.range[0]));
  return (item) => lines.get(item) ?? documentLine;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}
