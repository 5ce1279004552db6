/**
 * A slow, strict reader of HTTP/1.1 messages (RFC 9112), the judge of what the data plane sends. It shares no
 * code with the program and works on latin1 text with regular expressions.
 */

export type Field = readonly [name: string, value: string];

export interface StrictMessage {
  /** Method and target, or status and reason. */
  readonly start: readonly [string, string];
  readonly minor: number;
  readonly fields: readonly Field[];
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  readonly body: string;
  readonly trailers: readonly Field[];
}

/** A message and where it ends; or how far it got; or why it is none. */
export type Reading =
  | { readonly kind: 'message'; readonly message: StrictMessage; readonly end: number }
  /** The head is there when `head` is; `body` is what came of the body. */
  | { readonly kind: 'incomplete'; readonly head: StrictMessage | null }
  | { readonly kind: 'bad'; readonly why: string; readonly head: StrictMessage | null };

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/1\\.([0-9])$`);
const STATUS_LINE = /^HTTP\/1\.([0-9]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const FIELD = new RegExp(
  `^(${TOKEN}):[ \\t]*((?:[\\x21-\\x7e\\x80-\\xff](?:[\\t\\x20-\\x7e\\x80-\\xff]*[\\x21-\\x7e\\x80-\\xff])?)?)[ \\t]*$`,
);

export function values(message: { readonly fields: readonly Field[] }, name: string): string[] {
  return message.fields.filter(([n]) => n.toLowerCase() === name).map(([, value]) => value);
}

export function value(message: { readonly fields: readonly Field[] }, name: string): string | null {
  return values(message, name)[0] ?? null;
}

/** The request that begins at `at`. */
export function readStrictRequest(text: string, at: number): Reading {
  const head = readHead(text, at, (line) => {
    const parts = REQUEST_LINE.exec(line);
    return parts === null ? null : { start: [parts[1]!, parts[2]!], minor: Number(parts[3]) };
  });
  if (head.kind !== 'head') return head;
  const { message, end } = head;
  if (values(message, 'host').length !== 1 && message.minor > 0) return bad('not one Host', message);
  const framing = framingOf(message);
  if (typeof framing === 'string') return bad(framing, message);
  return readBody(text, end, message, framing ?? { kind: 'none' }, false);
}

/** The response to a `method` request that begins at `at`; `ended`: the connection ended in order. */
export function readStrictResponse(text: string, at: number, method: string, ended: boolean): Reading {
  const head = readHead(text, at, (line) => {
    const parts = STATUS_LINE.exec(line);
    return parts === null ? null : { start: [parts[2]!, parts[3] ?? ''], minor: Number(parts[1]) };
  });
  if (head.kind !== 'head') return head;
  const { message, end } = head;
  const status = Number(message.start[0]);
  const framing = framingOf(message);
  if (typeof framing === 'string') return bad(framing, message);
  if ((status < 200 || status === 204) && framing !== null)
    return bad(`framing fields in ${status}`, message);
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) {
    return readBody(text, end, message, { kind: 'none' }, ended);
  }
  return readBody(text, end, message, framing ?? { kind: 'close' }, ended);
}

type HeadReading =
  | Exclude<Reading, { kind: 'message' }>
  | { readonly kind: 'head'; readonly message: StrictMessage; readonly end: number };

function bad(why: string, head: StrictMessage | null): Reading & { kind: 'bad' } {
  return { kind: 'bad', why, head };
}

function readHead(
  text: string,
  at: number,
  first: (line: string) => { start: [string, string]; minor: number } | null,
): HeadReading {
  const stop = text.indexOf('\r\n\r\n', at);
  if (stop < 0) return { kind: 'incomplete', head: null };
  const [startLine = '', ...lines] = text.slice(at, stop).split('\r\n');
  const start = first(startLine);
  if (start === null) return bad(`first line ${JSON.stringify(startLine)}`, null);
  const fields = readFields(lines);
  if (typeof fields === 'string') return bad(fields, null);
  return {
    kind: 'head',
    message: { ...start, fields, framing: 'none', body: '', trailers: [] },
    end: stop + 4,
  };
}

function readFields(lines: readonly string[]): Field[] | string {
  const fields: Field[] = [];
  for (const line of lines) {
    const parts = FIELD.exec(line);
    if (parts === null) return `field line ${JSON.stringify(line)}`;
    fields.push([parts[1]!, parts[2]!]);
  }
  return fields;
}

type Framing = { kind: 'none' | 'chunked' | 'close' } | { kind: 'length'; length: number };

/** null: no framing fields; text: why they cannot be. */
function framingOf(message: StrictMessage): Framing | string | null {
  const lengths = values(message, 'content-length');
  const codings = values(message, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return 'several framing fields';
  if (codings.length === 1) {
    if (message.minor === 0) return 'Transfer-Encoding in HTTP/1.0';
    return codings[0]!.toLowerCase() === 'chunked' ? { kind: 'chunked' } : `coding ${codings[0]}`;
  }
  if (lengths.length === 0) return null;
  const length = Number(lengths[0]);
  return /^[0-9]+$/.test(lengths[0]!) && Number.isSafeInteger(length)
    ? { kind: 'length', length }
    : `Content-Length ${lengths[0]}`;
}

function readBody(text: string, at: number, head: StrictMessage, framing: Framing, ended: boolean): Reading {
  switch (framing.kind) {
    case 'none':
      return { kind: 'message', message: head, end: at };
    case 'length': {
      const body = text.slice(at, at + framing.length);
      const message: StrictMessage = { ...head, framing: 'length', body };
      if (body.length < framing.length) return { kind: 'incomplete', head: message };
      return { kind: 'message', message, end: at + framing.length };
    }
    case 'close': {
      const message: StrictMessage = { ...head, framing: 'close', body: text.slice(at) };
      return ended ? { kind: 'message', message, end: text.length } : { kind: 'incomplete', head: message };
    }
    case 'chunked':
      return readChunks(text, at, head);
    default:
      return framing satisfies never;
  }
}

/** Chunks with extensions (dropped), CRLF only. */
function readChunks(text: string, start: number, head: StrictMessage): Reading {
  let at = start;
  let body = '';
  const partial = (): Reading => ({ kind: 'incomplete', head: { ...head, framing: 'chunked', body } });
  for (;;) {
    const stop = text.indexOf('\r\n', at);
    if (stop < 0) return partial();
    const line = /^([0-9A-Fa-f]{1,16})(;[\t\x20-\x7e\x80-\xff]*)?$/.exec(text.slice(at, stop));
    const size = line === null ? Number.NaN : Number.parseInt(line[1]!, 16);
    if (!Number.isSafeInteger(size)) return bad(`chunk line ${JSON.stringify(text.slice(at, stop))}`, head);
    if (((line![2] ?? '').split('"').length & 1) === 0)
      return bad('a chunk extension with an open quote', head);
    at = stop + 2;
    if (size === 0) break;
    body += text.slice(at, at + size);
    at += size;
    if (text.length < at + 2)
      return '\r\n'.startsWith(text.slice(at)) ? partial() : bad('chunk too long', head);
    if (text.slice(at, at + 2) !== '\r\n') return bad('chunk too long', head);
    at += 2;
  }
  if (text.slice(at, at + 2) === '\r\n') {
    return { kind: 'message', message: { ...head, framing: 'chunked', body }, end: at + 2 };
  }
  const stop = text.indexOf('\r\n\r\n', at);
  if (stop < 0) return partial();
  const trailers = readFields(text.slice(at, stop).split('\r\n'));
  if (typeof trailers === 'string') return bad(trailers, head);
  return { kind: 'message', message: { ...head, framing: 'chunked', body, trailers }, end: stop + 4 };
}
