/**
 * A small, lenient reader of HTTP/1 messages for both roles of the tests. It shares no code with the program,
 * keeps names, order and exact bytes, and judges nothing but where a message ends.
 */

export type Field = readonly [name: string, value: string];

export interface HttpMessage {
  readonly startLine: string;
  readonly fields: readonly Field[];
  readonly framing: 'none' | 'length' | 'chunked' | 'until-close';
  /** Decoded. */
  readonly body: Buffer;
  readonly trailers: readonly Field[];
  /** Sizes of the received chunks, without the last one. */
  readonly chunks: readonly number[];
  /** Exactly the bytes that were received, head and body. */
  readonly raw: Buffer;
}

export interface Head {
  readonly startLine: string;
  readonly fields: readonly Field[];
  /** Bytes up to and with the empty line. */
  readonly length: number;
}

/** All values of a field, in order; names compare without case. */
export function fieldValues(message: { readonly fields: readonly Field[] }, name: string): string[] {
  return message.fields.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The one value of a field, null without it; fails when there are several. */
export function fieldValue(message: { readonly fields: readonly Field[] }, name: string): string | null {
  const values = fieldValues(message, name);
  if (values.length > 1) throw new Error(`${values.length} fields ${name}: ${values.join(' | ')}`);
  return values[0] ?? null;
}

/** The status code of a response. */
export function statusOf(response: { readonly startLine: string }): number {
  return Number(response.startLine.split(' ')[1]);
}

/** Bytes as a one-line literal, for messages of failed tests. */
export function show(bytes: Buffer | string, limit = 600): string {
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1');
  const shown = JSON.stringify(text.slice(0, limit));
  return text.length > limit ? `${shown}… (${text.length} bytes)` : shown;
}

/** The head at the start of `bytes`; null while the empty line is missing. */
export function readHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  return { startLine, fields: lines.map(readField), length: end + 4 };
}

/** The request at the start of `bytes`; null while bytes are missing. Throws on broken chunks. */
export function readRequest(bytes: Buffer): HttpMessage | null {
  const head = readHead(bytes);
  if (head === null) return null;
  return readBody(bytes, head, framingOf(head) ?? 'none', false);
}

/** The response to a `method` request at the start of `bytes`; `ended` says that no more bytes will come. */
export function readResponse(bytes: Buffer, ended: boolean, method: string): HttpMessage | null {
  const head = readHead(bytes);
  if (head === null) return null;
  const status = statusOf(head);
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return readBody(bytes, head, bodiless ? 'none' : (framingOf(head) ?? 'until-close'), ended);
}

function readField(line: string): Field {
  const colon = line.indexOf(':');
  if (colon < 0) return [line, ''];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}

function framingOf(head: Head): 'length' | 'chunked' | null {
  if (fieldValues(head, 'transfer-encoding').some((value) => /chunked/i.test(value))) return 'chunked';
  return fieldValues(head, 'content-length').length > 0 ? 'length' : null;
}

function readBody(
  bytes: Buffer,
  head: Head,
  framing: HttpMessage['framing'],
  ended: boolean,
): HttpMessage | null {
  const { startLine, fields, length: start } = head;
  const message = (
    body: Buffer,
    end: number,
    chunks: number[] = [],
    trailers: Field[] = [],
  ): HttpMessage => ({
    startLine,
    fields,
    framing,
    body,
    trailers,
    chunks,
    raw: bytes.subarray(0, end),
  });
  switch (framing) {
    case 'none':
      return message(Buffer.alloc(0), start);
    case 'length': {
      const end = start + Number(fieldValues(head, 'content-length')[0]);
      return bytes.length < end ? null : message(bytes.subarray(start, end), end);
    }
    case 'until-close':
      return ended ? message(bytes.subarray(start), bytes.length) : null;
    case 'chunked': {
      const read = readChunks(bytes, start);
      return (
        read &&
        message(
          Buffer.concat(read.parts),
          read.end,
          read.parts.map((p) => p.length),
          read.trailers,
        )
      );
    }
    default:
      return framing satisfies never;
  }
}

function readChunks(
  bytes: Buffer,
  start: number,
): { parts: Buffer[]; end: number; trailers: Field[] } | null {
  const parts: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const line = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line))
      throw new Error(`chunk line ${show(line)} after ${show(bytes.subarray(0, at))}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return null;
    if (bytes.toString('latin1', at + size, at + size + 2) !== '\r\n')
      throw new Error('no CRLF after chunk data');
    parts.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
  if (bytes.toString('latin1', at, at + 2) === '\r\n') return { parts, end: at + 2, trailers: [] };
  const end = bytes.indexOf('\r\n\r\n', at);
  if (end < 0) return null;
  return { parts, end: end + 4, trailers: bytes.toString('latin1', at, end).split('\r\n').map(readField) };
}
