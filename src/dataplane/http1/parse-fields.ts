/** Field lines of heads and trailers (RFC 9112 5), strictly. Hot path: called for every message. */
import { fieldId, fieldIdOf, PROTECTED_FROM_CONNECTION, UNDERSCORE } from '../message/field-names.ts';
import { FIELD_CAPACITY, type FieldBlock } from '../message/fields.ts';
import { TOKEN, VALUE } from './grammar.ts';

/** More bytes are needed. */
export const INCOMPLETE = 0;
/** A line that RFC 9112 does not allow. */
export const MALFORMED = -1;
/** More lines than allowed. */
export const TOO_MANY = -2;

/**
 * Reads field lines from `bytes[from, end)` up to and including the empty line. Positions are stored relative
 * to `base`, where the head starts. Returns the position behind the empty line, or INCOMPLETE, MALFORMED or
 * TOO_MANY. Bare CR, bare LF, white space before the colon or the name (obs-fold) and control bytes are
 * malformed, whatever the RFC lets a recipient repair.
 */
export function parseFields(
  bytes: Uint8Array,
  from: number,
  end: number,
  base: number,
  maxCount: number,
  out: FieldBlock,
): number {
  const limit = Math.min(maxCount, FIELD_CAPACITY);
  const { ids, nameStart, nameEnd, valueStart, valueEnd } = out;
  let count = 0;
  let i = from;
  for (;;) {
    if (i >= end) return INCOMPLETE;
    if (bytes[i] === 13) {
      if (i + 1 >= end) return INCOMPLETE;
      if (bytes[i + 1] !== 10) return MALFORMED;
      out.count = count;
      out.end = i - base;
      return i + 2;
    }
    if (count === limit) return TOO_MANY;
    const lineStart = i;
    let seen = 0;
    // Every index below stays under `end`, which is inside the buffer: the `!` are safe.
    for (let kind = TOKEN[bytes[i]!]!; kind !== 0; kind = TOKEN[bytes[i]!]!) {
      seen |= kind;
      if (++i >= end) return INCOMPLETE;
    }
    if (bytes[i] !== 58 || i === lineStart) return MALFORMED;
    nameStart[count] = lineStart - base;
    nameEnd[count] = i - base;
    ids[count] = (seen & 2) !== 0 ? UNDERSCORE : fieldIdOf(bytes, lineStart, i);
    i++;
    while (i < end && (bytes[i] === 32 || bytes[i] === 9)) i++;
    const first = i;
    while (i < end && VALUE[bytes[i]!] === 1) i++;
    if (i + 1 >= end) return i < end && bytes[i] !== 13 ? MALFORMED : INCOMPLETE;
    if (bytes[i] !== 13 || bytes[i + 1] !== 10) return MALFORMED;
    let last = i;
    while (last > first && (bytes[last - 1] === 32 || bytes[last - 1] === 9)) last--;
    valueStart[count] = first - base;
    valueEnd[count] = last - base;
    count++;
    i += 2;
  }
}

/**
 * A Content-Length value in `text[start, end)`: 1*DIGIT up to 2^53-1, else -1 (RFC 9110 8.6). No sign, no
 * list, no white space.
 */
export function parseContentLength(text: string, start: number, end: number): number {
  if (start === end || end - start > 16) return longContentLength(text, start, end);
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

/** Leading zeros are legal (and dropped when the value is written anew); everything else this long is not. */
function longContentLength(text: string, start: number, end: number): number {
  let i = start;
  while (i < end && text.charCodeAt(i) === 48) i++;
  return start === end || end - i > 16 ? -1 : i === end ? 0 : parseContentLength(text, i, end);
}

/**
 * Seconds that the sender keeps an idle connection, from a `Keep-Alive` value in `text[start, end)`: its parameter
 * `timeout` (RFC 2068 19.7.1.1). -1 when it says none that makes sense.
 */
export function keepAliveSeconds(text: string, start: number, end: number): number {
  let i = start;
  while (i < end) {
    while (i < end && isBlank(text.charCodeAt(i))) i++;
    if (startsWithTimeout(text, i)) return wholeSeconds(text, i + TIMEOUT.length, end);
    const comma = text.indexOf(',', i);
    if (comma < 0) return -1;
    i = comma + 1;
  }
  return -1;
}

const TIMEOUT = 'timeout=';

function startsWithTimeout(text: string, at: number): boolean {
  if (text.startsWith(TIMEOUT, at)) return true;
  return text.charCodeAt(at) === 84 && text.slice(at, at + TIMEOUT.length).toLowerCase() === TIMEOUT;
}

function wholeSeconds(text: string, start: number, end: number): number {
  let value = 0;
  let i = start;
  for (; i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    value = Math.min(value * 10 + digit, LONGEST_SECONDS);
  }
  if (i === start) return -1;
  const next = i < end ? text.charCodeAt(i) : 44;
  return next === 44 || isBlank(next) ? value : -1;
}

/** Beyond every limit of ours. */
const LONGEST_SECONDS = 1_000_000;

/** What a `Connection` field asks for (RFC 9110 7.6.1). */
export interface ConnectionOptions {
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
  /** Other listed names, lower case: field lines that end at this hop. null when there are none. */
  listed: string[] | null;
}

/** Each name that Connection lists is looked for among all field lines: a few thousand would cost 10 ms a message. */
const MOST_LISTED = 32;

/** Adds the options of one `Connection` value to `out`. False when there are more names than anybody needs. */
export function readConnection(value: string, out: ConnectionOptions): boolean {
  if (value === 'keep-alive' || value === 'Keep-Alive') {
    out.keepAlive = true;
    return true;
  }
  for (let start = 0; start < value.length; ) {
    const comma = value.indexOf(',', start);
    const end = comma < 0 ? value.length : comma;
    if (end > start && !addOption(withoutBlanks(value.slice(start, end)).toLowerCase(), out)) return false;
    start = end + 1;
  }
  return true;
}

function addOption(option: string, out: ConnectionOptions): boolean {
  if (option === '') return true;
  if (option === 'close') out.close = true;
  else if (option === 'keep-alive') out.keepAlive = true;
  else if (option === 'upgrade') out.upgrade = true;
  else if (out.listed === null) out.listed = [option];
  else return out.listed.push(option) <= MOST_LISTED;
  return true;
}

/** The listed names that may really be removed; null when none is left. */
export function withoutProtected(listed: string[] | null): string[] | null {
  if (listed === null) return null;
  const kept = listed.filter((name) => PROTECTED_FROM_CONNECTION[fieldId(name)] !== 1);
  return kept.length === 0 ? null : kept;
}

/** Only SP and HTAB are white space here; `trim` would take \xa0 too. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9;
}
