/**
 * Response heads as HPACK blocks. Backends repeat themselves, so the block made of a head is kept under the head's
 * raw text, within a bound. Hot path.
 */

import type { OwnAnswer } from '../exchange/own-answer.ts';
import { dateLine } from '../http1/write-response.ts';
import { DATE, NOT_COPIED_IN_RESPONSE, SERVER } from '../message/field-names.ts';
import type { ResponseHead } from '../message/response-head.ts';
import { encodeLines } from './encode-lines.ts';
import { encodeField } from './hpack-encode.ts';

/** Two generations of at most this many blocks are kept. */
const GENERATION = 256;
/** Longer heads are not kept. */
const LONGEST_KEPT = 4096;

let lastDateLine = '';
let dateBlock = '';

/** The `date` field, encoded once a second. */
function date(): string {
  const line = dateLine();
  if (line !== lastDateLine) {
    lastDateLine = line;
    dateBlock = encodeField('date', line.slice(6, -2));
  }
  return dateBlock;
}

export class ResponseBlocks {
  /** `Server` of responses that have none, encoded; '' for no such field. */
  readonly #server: string;
  /** `Strict-Transport-Security` of ours, encoded; '' for none. */
  readonly #hsts: string;
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  /** `serverName` is '' when responses get no `Server`, `hsts` when they keep their own Strict-Transport-Security. */
  constructor(serverName: string, hsts: string) {
    this.#server = serverName === '' ? '' : encodeField('server', serverName);
    this.#hsts = hsts === '' ? '' : encodeField('strict-transport-security', hsts);
  }

  /** The block of a forwarded response. */
  forwarded(head: ResponseHead): string {
    const { text } = head.fields;
    const known = this.#young.get(text) ?? this.#old.get(text);
    const block = known ?? this.#encode(head);
    if (known === undefined && text.length <= LONGEST_KEPT) this.#keep(text, block);
    return head.fields.indexOf(DATE) < 0 ? block + date() : block;
  }

  #encode(head: ResponseHead): string {
    const own = this.#hsts === '' ? '' : 'strict-transport-security';
    let block = encodeField(':status', String(head.status)) + copied(head, own) + this.#hsts;
    if (head.fields.indexOf(SERVER) < 0) block += this.#server;
    if (head.contentLength >= 0 && head.status !== 204) {
      block += encodeField('content-length', String(head.contentLength));
    }
    return block;
  }

  #keep(text: string, block: string): void {
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, block);
  }

  /** The block of a response of our own. */
  own(answer: OwnAnswer): string {
    let block = encodeField(':status', String(answer.status)) + this.#server + date();
    if (answer.contentType !== '') block += encodeField('content-type', answer.contentType);
    // Without a body END_STREAM says it all, and gRPC would take a length for metadata.
    if (answer.body !== '') block += encodeField('content-length', String(answer.body.length));
    return block + encodeLines(answer.fields);
  }

  /** The block of a response without content. */
  bare(status: number): string {
    return encodeField(':status', String(status)) + this.#server + date();
  }
}

/** A 1xx response. */
export function informationalBlock(head: ResponseHead): string {
  return encodeField(':status', String(head.status)) + copied(head);
}

/** What a tunnel begins with: the 101 of HTTP/1 is a 200 here (RFC 8441 5). */
export function tunnelBlock(head: ResponseHead): string {
  return encodeField(':status', '200') + copied(head, SEC_WEBSOCKET_ACCEPT);
}

/** Proves the key of an HTTP/1 handshake; there is none in HTTP/2. */
const SEC_WEBSOCKET_ACCEPT = 'sec-websocket-accept';

/** The fields that are passed on. */
function copied(head: ResponseHead, alsoNot = ''): string {
  const { fields, listed } = head;
  let block = '';
  for (let i = 0; i < fields.count; i++) {
    if (NOT_COPIED_IN_RESPONSE[fields.ids[i]!] === 1) continue;
    const name = fields.name(i).toLowerCase();
    if (name === alsoNot || listed?.includes(name) === true) continue;
    block += encodeField(name, fields.value(i));
  }
  return block;
}
