/**
 * One decoded field with everything a request needs of it, found out once: a dynamic-table entry that is referred
 * to again costs neither validation nor string work.
 */
import { TARGET, TOKEN, VALUE } from '../http1/grammar.ts';
import { isAuthority } from '../message/authority.ts';
import { CONTENT_LENGTH, COOKIE, fieldId, HOST, OTHER, TE, UNDERSCORE } from '../message/field-names.ts';

/** What a field is to a request (RFC 9113 8). */
export const REGULAR = 0;
/** Makes the message malformed. */
export const MALFORMED = 1;
export const METHOD = 2;
export const SCHEME = 3;
export const AUTHORITY = 4;
export const PATH = 5;
export const PROTOCOL = 6;
/** A regular field the request's head looks at. */
export const SPECIAL = 7;
/** Of a response: in a request it is malformed. */
export const STATUS = 8;

export interface Field {
  readonly name: string;
  readonly value: string;
  /** `name: value` and CRLF, as HTTP/1 writes it; '' for pseudo-fields and malformed ones. */
  readonly line: string;
  /** Number of the name, as in message/field-names.ts. */
  readonly id: number;
  readonly kind: number;
  /** As HPACK counts it (RFC 7541 4.1). */
  readonly size: number;
}

/** Names that speak of a connection make a request malformed (RFC 9113 8.2.2). */
const CONNECTION_SPECIFIC = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
] as const;

export function makeField(name: string, value: string): Field {
  const size = name.length + value.length + 32;
  if (name.charCodeAt(0) === 58)
    return { name, value, line: '', id: OTHER, kind: pseudoKind(name, value), size };
  const id = lowerCaseId(name);
  if (id < 0 || !isValue(value)) return { name, value, line: '', id: OTHER, kind: MALFORMED, size };
  return { name, value, line: `${name}: ${value}\r\n`, id, kind: regularKind(name, value, id), size };
}

/** The number of a lower-case token, -1 for anything else. */
function lowerCaseId(name: string): number {
  if (name === '') return -1;
  let seen = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    const kind = TOKEN[c]!;
    if (kind === 0 || (c >= 65 && c <= 90)) return -1;
    seen |= kind;
  }
  return (seen & 2) !== 0 ? UNDERSCORE : fieldId(name);
}

/** No control bytes, and no white space at either end (RFC 9113 8.2.1). */
function isValue(value: string): boolean {
  const { length } = value;
  for (let i = 0; i < length; i++) if (VALUE[value.charCodeAt(i)] === 0) return false;
  return length === 0 || (!isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1)));
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9;
}

function regularKind(name: string, value: string, id: number): number {
  if (id === OTHER || id === UNDERSCORE) return REGULAR;
  if (id === TE) return value.toLowerCase() === 'trailers' ? SPECIAL : MALFORMED;
  if ((CONNECTION_SPECIFIC as readonly string[]).includes(name)) return MALFORMED;
  return id === COOKIE || id === CONTENT_LENGTH || id === HOST || name === 'expect' ? SPECIAL : REGULAR;
}

/** Also checks what would otherwise be a way into an HTTP/1 request line or Host field. */
function pseudoKind(name: string, value: string): number {
  switch (name) {
    case ':method':
      return isMethod(value) ? METHOD : MALFORMED;
    case ':scheme':
      return value === 'http' || value === 'https' ? SCHEME : MALFORMED;
    case ':authority':
      return isAuthority(value) ? AUTHORITY : MALFORMED;
    case ':path':
      return isPath(value) ? PATH : MALFORMED;
    case ':protocol':
      return isMethod(value) ? PROTOCOL : MALFORMED;
    case ':status':
      return isStatus(value) ? STATUS : MALFORMED;
    default:
      return MALFORMED;
  }
}

/** Three digits, of which the first says what kind it is. */
function isStatus(value: string): boolean {
  if (value.length !== 3 || value < '100') return false;
  for (let i = 0; i < 3; i++) {
    const c = value.charCodeAt(i);
    if (c < 48 || c > 57) return false;
  }
  return true;
}

function isMethod(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (TOKEN[value.charCodeAt(i)] === 0) return false;
  return value !== '' && value.length <= 64;
}

/** `/…` of the characters a request target may hold, or `*`. */
function isPath(value: string): boolean {
  if (value === '*') return true;
  if (value.charCodeAt(0) !== 47) return false;
  for (let i = 1; i < value.length; i++) if (TARGET[value.charCodeAt(i)] === 0) return false;
  return true;
}
