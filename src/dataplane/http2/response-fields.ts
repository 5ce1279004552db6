/**
 * The fields of one decoded block into a ResponseHead, by the rules of RFC 9113 8.2 and 8.3: the same head that the
 * HTTP/1 parser makes, so that all behind it is the same. Hot path.
 */
import { STATUS_CODES } from 'node:http';
import { parseContentLength } from '../http1/parse-fields.ts';
import { CONTENT_LENGTH, FORBIDDEN_IN_RESPONSE_TRAILERS } from '../message/field-names.ts';
import { ResponseHead } from '../message/response-head.ts';
import { type Field, REGULAR, SPECIAL, STATUS } from './field.ts';
import type { FieldSink } from './hpack-decode.ts';

export interface ResponseFieldLimits {
  /** Bounds the decoded fields as HPACK counts them: names, values, and 32 for each. */
  readonly responseHeadBytes: number;
  readonly fieldCount: number;
  readonly trailerBytes: number;
  readonly trailerCount: number;
}

export const FINE = 0;
/** Not a response that may be passed on. */
export const MALFORMED_RESPONSE = -1;
/** Over a limit. */
export const TOO_LARGE = -2;

/** What the text of a head begins with: kept blocks are found by the text, so the status is in it. */
const STATUS_LINES: string[] = [];

function statusLine(status: number): string {
  STATUS_LINES[status] ??= `HTTP/2.0 ${status} \r\n`;
  return STATUS_LINES[status];
}

/** One for all connections: a block is decoded in one go. */
export class ResponseFields implements FieldSink {
  /** Valid until the next {@link begin}. */
  readonly head = new ResponseHead();
  /** Trailer lines that may be passed on, each ended by CRLF. */
  trailers = '';
  /** Decoding was stopped because of the block's size. */
  overflowed = false;
  #limits: ResponseFieldLimits | null = null;
  #inTrailers = false;
  #malformed = false;
  #tooLarge = false;
  #size = 0;
  #lines = 0;

  constructor() {
    this.head.http2 = true;
  }

  /** Before a block is decoded into it. */
  begin(inTrailers: boolean, limits: ResponseFieldLimits): void {
    const { head } = this;
    this.#limits = limits;
    this.#inTrailers = inTrailers;
    this.#malformed = false;
    this.#tooLarge = false;
    this.overflowed = false;
    this.#size = 0;
    this.#lines = 0;
    this.trailers = '';
    head.fields.text = '';
    head.fields.count = 0;
    head.fields.end = 0;
    head.status = 0;
    head.contentLength = -1;
  }

  /** False when so much was decoded that the connection is not worth keeping. */
  onField(field: Field): boolean {
    const { responseHeadBytes, fieldCount, trailerBytes, trailerCount } = this.#limits!;
    this.#size += field.size;
    if (this.#size > (this.#inTrailers ? trailerBytes : responseHeadBytes)) {
      this.#tooLarge = true;
      // The tables must stay in step, so decoding goes on for a while; nothing is stored.
      this.overflowed = this.#size > 2 * responseHeadBytes;
      return !this.overflowed;
    }
    const { kind } = field;
    if (kind === STATUS) this.#status(field.value);
    else if (kind !== REGULAR && kind !== SPECIAL) this.#malformed = true;
    else if (++this.#lines > (this.#inTrailers ? trailerCount : fieldCount)) this.#tooLarge = true;
    else if (this.#inTrailers) this.#trailer(field);
    else this.#regular(field);
    return true;
  }

  #status(value: string): void {
    const { head } = this;
    // It comes once and first (RFC 9113 8.3).
    if (this.#inTrailers || head.status !== 0 || this.#lines > 0) this.#malformed = true;
    head.status = Number(value);
    head.fields.text = statusLine(head.status);
  }

  #regular(field: Field): void {
    const { head } = this;
    const { id, name, value, line } = field;
    if (id === CONTENT_LENGTH) {
      const length = parseContentLength(value, 0, value.length);
      if (length < 0 || (head.contentLength >= 0 && head.contentLength !== length)) this.#malformed = true;
      head.contentLength = length;
    }
    if (!head.fields.append(id, name.length, value.length, line)) this.#tooLarge = true;
  }

  #trailer(field: Field): void {
    if (FORBIDDEN_IN_RESPONSE_TRAILERS[field.id] !== 1) this.trailers += field.line;
  }

  get tooLarge(): boolean {
    return this.#tooLarge;
  }

  /** The head as it is now, to be kept. */
  copyOfHead(): ResponseHead {
    const { head } = this;
    const copy = new ResponseHead(head.fields.copy());
    copy.http2 = true;
    copy.status = head.status;
    copy.reason = head.reason;
    copy.contentLength = head.contentLength;
    return copy;
  }

  /** After a block: FINE, MALFORMED_RESPONSE or TOO_LARGE. */
  finish(): number {
    if (this.#malformed) return MALFORMED_RESPONSE;
    if (this.#tooLarge) return TOO_LARGE;
    if (this.#inTrailers) return FINE;
    const { head } = this;
    if (head.status === 0) return MALFORMED_RESPONSE;
    head.reason = reasonOf(head.status);
    return FINE;
  }
}

/** HTTP/2 has none; an HTTP/1 client may be shown the usual one. */
function reasonOf(status: number): string {
  return status === 200 ? 'OK' : (STATUS_CODES[status] ?? '');
}
