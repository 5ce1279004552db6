/**
 * Reads a TLS ClientHello (RFC 8446 4.1.2) out of the first bytes of a connection, before anything is decided
 * about the connection: which certificate, which client-certificate policy, terminated or passed through. Only
 * what those decisions need is read; OpenSSL reads the same bytes again and has the last word on them.
 */

/** What the first bytes of a connection are. */
export type FirstBytes =
  | { readonly kind: 'hello'; readonly hello: ClientHello }
  /** The hello is not complete yet. */
  | { readonly kind: 'more' }
  /** Letters where a TLS record begins: somebody speaks plain HTTP to the TLS port. */
  | { readonly kind: 'plaintext' }
  | { readonly kind: 'invalid' };

export interface ClientHello {
  /** Lower case, without final dot; '' when none was sent. */
  readonly serverName: string;
  /** The protocols offered by ALPN, in the client's order. */
  readonly protocols: readonly string[];
  /** The first 16 bytes of the session ticket as latin1, which name the key that it is encrypted with; '' for none. */
  readonly ticketKeyName: string;
}

const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
/** RFC 8446 5.1 allows 2^14 bytes of plaintext in a record. */
const MAX_RECORD = 16_384;
const RANDOM_BYTES = 32;
const TICKET_KEY_NAME_BYTES = 16;

const EXT_SERVER_NAME = 0;
const EXT_ALPN = 16;
const EXT_SESSION_TICKET = 35;
const EXT_PRE_SHARED_KEY = 41;

const MORE: FirstBytes = { kind: 'more' };
const INVALID: FirstBytes = { kind: 'invalid' };
const PLAINTEXT: FirstBytes = { kind: 'plaintext' };

/** Takes everything received so far; a hello may come in several records. */
export function readClientHello(bytes: Buffer): FirstBytes {
  if (bytes.length === 0) return MORE;
  const first = bytes[0]!;
  if (first !== HANDSHAKE_RECORD) return isLetter(first) ? PLAINTEXT : INVALID;
  const message = handshakeMessage(bytes);
  if ('kind' in message) return message;
  const hello = parseHello(new Cursor(message, 0, message.length));
  return hello === null ? INVALID : { kind: 'hello', hello };
}

function isLetter(byte: number): boolean {
  return (byte | 32) >= 97 && (byte | 32) <= 122;
}

/** The body of the first handshake message, joined over records. */
function handshakeMessage(bytes: Buffer): Buffer | FirstBytes {
  const parts: Buffer[] = [];
  let joined = 0;
  let length = -1;
  for (let at = 0; ; ) {
    if (bytes.length - at < RECORD_HEADER) return MORE;
    // The record version is 3.x in every version of TLS (RFC 8446 5.1).
    if (bytes[at] !== HANDSHAKE_RECORD || bytes[at + 1] !== 3) return INVALID;
    const size = bytes.readUInt16BE(at + 3);
    if (size === 0 || size > MAX_RECORD) return INVALID;
    const end = Math.min(at + RECORD_HEADER + size, bytes.length);
    parts.push(bytes.subarray(at + RECORD_HEADER, end));
    joined += end - at - RECORD_HEADER;
    if (length < 0 && joined >= HANDSHAKE_HEADER) {
      const head = Buffer.concat(parts);
      if (head[0] !== CLIENT_HELLO) return INVALID;
      length = head.readUIntBE(1, 3);
      if (length > MAX_RECORD) return INVALID;
    }
    if (length >= 0 && joined >= HANDSHAKE_HEADER + length) {
      return Buffer.concat(parts).subarray(HANDSHAKE_HEADER, HANDSHAKE_HEADER + length);
    }
    if (end < at + RECORD_HEADER + size) return MORE;
    at = end;
  }
}

function parseHello(hello: Cursor): ClientHello | null {
  hello.skip(2 + RANDOM_BYTES);
  hello.block(1); // session id
  hello.block(2); // cipher suites
  hello.block(1); // compression methods
  let serverName: string | null = '';
  let protocols: readonly string[] = [];
  let ticketKeyName = '';
  const extensions = hello.left === 0 ? hello : hello.block(2);
  while (extensions.left > 0 && !extensions.broken) {
    const type = extensions.number(2);
    const body = extensions.block(2);
    if (type === EXT_SERVER_NAME) serverName = readServerName(body);
    else if (type === EXT_ALPN) protocols = readProtocols(body);
    else if (type === EXT_SESSION_TICKET) ticketKeyName = body.text(TICKET_KEY_NAME_BYTES);
    else if (type === EXT_PRE_SHARED_KEY) ticketKeyName = body.block(2).block(2).text(TICKET_KEY_NAME_BYTES);
  }
  if (serverName === null || hello.broken || extensions.broken) return null;
  return { serverName, protocols, ticketKeyName };
}

/** RFC 6066 section 3: a list that holds one host name. null when it is none. */
function readServerName(body: Cursor): string | null {
  const list = body.block(2);
  const type = list.number(1);
  const name = list.block(2);
  if (list.broken || type !== 0 || name.left === 0 || name.left > 255) return null;
  const text = name.text(name.left).toLowerCase();
  if (text.includes('\0')) return null;
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

function readProtocols(body: Cursor): string[] {
  const protocols: string[] = [];
  const list = body.block(2);
  while (list.left > 0 && !list.broken) {
    const name = list.block(1);
    protocols.push(name.text(name.left));
  }
  return protocols;
}

/** Reads numbers and length-prefixed blocks; once it ran over its end it is broken and gives zeros. */
class Cursor {
  broken = false;
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  skip(count: number): void {
    if (count > this.left) this.#break();
    else this.#at += count;
  }

  number(width: 1 | 2): number {
    if (width > this.left) {
      this.#break();
      return 0;
    }
    const value = width === 1 ? this.#bytes[this.#at]! : this.#bytes.readUInt16BE(this.#at);
    this.#at += width;
    return value;
  }

  /** What follows a length of `width` bytes; reading goes on behind it. */
  block(width: 1 | 2): Cursor {
    const length = this.number(width);
    const start = this.#at;
    this.skip(length);
    const block = new Cursor(this.#bytes, start, this.#at);
    block.broken = this.broken;
    return block;
  }

  /** At most `length` bytes as latin1. */
  text(length: number): string {
    return this.#bytes.latin1Slice(this.#at, Math.min(this.#at + length, this.#end));
  }

  #break(): void {
    this.broken = true;
    this.#at = this.#end;
  }
}
