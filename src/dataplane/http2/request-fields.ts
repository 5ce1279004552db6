/**
 * The fields of one decoded block into a RequestHead, by the rules of RFC 9113 8.2 and 8.3: the same head that an
 * HTTP/1 parser makes, so that all behind it is the same. Hot path.
 */
import { parseContentLength } from '../http1/parse-fields.ts';
import { isAuthority } from '../message/authority.ts';
import { CONTENT_LENGTH, COOKIE, FORBIDDEN_IN_TRAILERS, HOST, TE } from '../message/field-names.ts';
import { RequestHead } from '../message/request-head.ts';
import {
  AUTHORITY,
  type Field,
  MALFORMED,
  METHOD,
  makeField,
  PATH,
  PROTOCOL,
  REGULAR,
  SCHEME,
  STATUS,
} from './field.ts';
import type { FieldSink } from './hpack-decode.ts';

export interface FieldLimits {
  readonly requestLineBytes: number;
  /** Bounds the decoded fields as HPACK counts them: names, values, and 32 for each. */
  readonly requestHeadBytes: number;
  readonly fieldCount: number;
  readonly trailerBytes: number;
  readonly trailerCount: number;
}

/** The request is malformed: PROTOCOL_ERROR on its stream (RFC 9113 8.1.1). */
export const MALFORMED_REQUEST = -1;
/** It may start. Any other verdict is the status to refuse it with. */
export const FINE = 0;

/** So that a search for `\r\nname:` in the text finds the first line too. */
const TEXT_START = '\r\n';

/** One for all connections: a block is decoded in one go. */
export class RequestFields implements FieldSink {
  /** Valid until the next {@link begin}. */
  readonly head = new RequestHead();
  /** `:protocol` of an extended CONNECT (RFC 8441), else ''. */
  protocol = '';
  /** Trailer lines that may be passed on, each ended by CRLF. */
  trailers = '';
  /** Decoding was stopped because of the block's size. */
  overflowed = false;
  readonly #limits: FieldLimits;
  #inTrailers = false;
  #malformed = false;
  #tooLarge = false;
  #regularSeen = false;
  #size = 0;
  #lines = 0;
  #method = '';
  #scheme = '';
  #path = '';
  #cookie: Field | null = null;
  #hostSeen = false;
  #expectUnknown = false;

  constructor(limits: FieldLimits) {
    this.#limits = limits;
    this.head.http2 = true;
  }

  /** Before a block is decoded into it. */
  begin(inTrailers: boolean): void {
    const { head } = this;
    this.#inTrailers = inTrailers;
    this.#malformed = false;
    this.#tooLarge = false;
    this.overflowed = false;
    this.#regularSeen = false;
    this.#size = 0;
    this.#lines = 0;
    this.#method = '';
    this.#scheme = '';
    this.#path = '';
    this.#cookie = null;
    this.#hostSeen = false;
    this.#expectUnknown = false;
    this.protocol = '';
    this.trailers = '';
    head.fields.text = TEXT_START;
    head.fields.count = 0;
    head.fields.end = TEXT_START.length;
    head.authority = '';
    head.contentLength = -1;
    head.chunked = false;
    head.upgrade = '';
    head.expectContinue = false;
    head.trailersWanted = false;
  }

  /** False when so much was decoded that the connection is not worth keeping. */
  onField(field: Field): boolean {
    this.#size += field.size;
    const { requestHeadBytes, trailerBytes, trailerCount, fieldCount } = this.#limits;
    if (this.#size > (this.#inTrailers ? trailerBytes : requestHeadBytes)) {
      this.#tooLarge = true;
      // The tables must stay in step, so decoding goes on for a while; nothing is stored.
      this.overflowed = this.#size > 2 * requestHeadBytes;
      return !this.overflowed;
    }
    const { kind } = field;
    if (kind === MALFORMED || kind === STATUS) this.#malformed = true;
    else if (kind > MALFORMED && kind <= PROTOCOL) this.#pseudo(field);
    else {
      this.#regularSeen = true;
      if (++this.#lines > (this.#inTrailers ? trailerCount : fieldCount) && field.id !== COOKIE) {
        this.#tooLarge = true;
      } else if (this.#inTrailers) this.#trailer(field);
      else if (kind === REGULAR) this.append(field);
      else this.#special(field);
    }
    return true;
  }

  #pseudo(field: Field): void {
    const { value } = field;
    if (this.#regularSeen || this.#inTrailers) this.#malformed = true;
    else if (field.kind === METHOD) this.#method = this.#once(this.#method, value);
    else if (field.kind === SCHEME) this.#scheme = this.#once(this.#scheme, value);
    else if (field.kind === AUTHORITY) this.head.authority = this.#once(this.head.authority, value);
    else if (field.kind === PATH) this.#path = this.#once(this.#path, value);
    else this.protocol = this.#once(this.protocol, value);
  }

  #once(before: string, value: string): string {
    if (before !== '') this.#malformed = true;
    return value;
  }

  #special(field: Field): void {
    const { head } = this;
    switch (field.id) {
      case COOKIE:
        // Crumbs are one field (RFC 9113 8.2.3); they do not count as lines.
        this.#lines--;
        this.#crumb(field);
        return;
      case CONTENT_LENGTH: {
        const length = parseContentLength(field.value, 0, field.value.length);
        if (length < 0 || head.contentLength >= 0) this.#malformed = true;
        head.contentLength = length;
        return this.append(field);
      }
      case HOST:
        if (this.#hostSeen || !isAuthority(field.value)) this.#malformed = true;
        this.#hostSeen = true;
        if (head.authority === '') head.authority = field.value;
        else if (head.authority.toLowerCase() !== field.value.toLowerCase()) this.#malformed = true;
        return;
      case TE:
        head.trailersWanted = true;
        return this.append(field);
      default:
        // Expect.
        if (field.value.toLowerCase() === '100-continue') head.expectContinue = true;
        else this.#expectUnknown = true;
        return this.append(field);
    }
  }

  #crumb(field: Field): void {
    if (field.value === '') return;
    if (this.#cookie === null) this.#cookie = field;
    else this.#cookie = makeField('cookie', `${this.#cookie.value}; ${field.value}`);
  }

  #trailer(field: Field): void {
    if (FORBIDDEN_IN_TRAILERS[field.id] !== 1) this.trailers += field.line;
  }

  /** Adds a line to the head. */
  append(field: Field): void {
    const { name, value, line, id } = field;
    if (!this.head.fields.append(id, name.length, value.length, line)) this.#tooLarge = true;
  }

  /** After a request's block: FINE, MALFORMED_REQUEST, or the status to refuse it with. `ended`: there is no body. */
  finish(ended: boolean): number {
    const { head } = this;
    if (this.#cookie !== null) this.append(this.#cookie);
    head.method = this.#method;
    head.target = this.#path;
    if (this.#malformed || this.#method === '') return MALFORMED_REQUEST;
    if (this.#tooLarge) return 431;
    const verdict = this.#method === 'CONNECT' ? this.#finishConnect(ended) : this.#finishTarget();
    if (verdict !== FINE) return verdict;
    if (ended && head.contentLength > 0) return MALFORMED_REQUEST;
    head.chunked = !ended && head.contentLength < 0 && head.upgrade === '';
    return this.#expectUnknown ? 417 : FINE;
  }

  #finishTarget(): number {
    const { head } = this;
    if (this.protocol !== '' || this.#scheme === '' || this.#path === '') return MALFORMED_REQUEST;
    if (this.#path === '*' && this.#method !== 'OPTIONS') return MALFORMED_REQUEST;
    if (head.authority === '') return 400;
    this.#measurePath();
    return this.#path.length > this.#limits.requestLineBytes ? 414 : FINE;
  }

  /** CONNECT is for forward proxies, except the one that opens a WebSocket (RFC 8441 4). */
  #finishConnect(ended: boolean): number {
    const { head } = this;
    if (head.authority === '') return MALFORMED_REQUEST;
    const plain = this.#scheme === '' && this.#path === '';
    if (this.protocol === '') return plain ? 405 : MALFORMED_REQUEST;
    if (this.#scheme === '' || this.#path === '' || this.#path === '*') return MALFORMED_REQUEST;
    if (ended || head.contentLength >= 0) return MALFORMED_REQUEST;
    if (this.protocol !== 'websocket') return 501;
    this.#measurePath();
    head.method = 'GET';
    head.upgrade = this.protocol;
    return this.#path.length > this.#limits.requestLineBytes ? 414 : FINE;
  }

  /** What the HTTP/1 parser notes of a path on its way. */
  #measurePath(): void {
    const { head } = this;
    const path = this.#path;
    const query = path.indexOf('?');
    head.pathLength = query < 0 ? path.length : query;
    head.plainPath = isPlain(path, head.pathLength);
  }

  /** After a block of trailers: FINE, MALFORMED_REQUEST or 431. */
  finishTrailers(): number {
    return this.#malformed ? MALFORMED_REQUEST : this.#tooLarge ? 431 : FINE;
  }
}

/** Neither an escape, nor `//`, nor a segment that starts with a dot. */
function isPlain(path: string, length: number): boolean {
  let previous = 0;
  for (let i = 0; i < length; i++) {
    const c = path.charCodeAt(i);
    if (c === 37 || (previous === 47 && (c === 47 || c === 46))) return false;
    previous = c;
  }
  return true;
}
