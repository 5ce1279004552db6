/**
 * Forwarded request heads, which are text for HTTP/1, as HPACK blocks. All lines of such a head but the first and the
 * request id are the same for most requests of a client, so the block made of the lines on either side of the id is
 * kept under their text, within a bound. Hot path.
 */
import { withoutBlanks } from './encode-lines.ts';
import { encodeField, encodeString } from './hpack-encode.ts';

/** Two generations of at most this many blocks are kept. */
const GENERATION = 512;
/** Longer texts are not kept. */
const LONGEST_KEPT = 4096;

const ID_LINE = '\r\nX-Request-ID: ';
const LINE_END = '\r\n';

/** What HTTP/2 says by other means, or not at all (RFC 9113 8.2.2). */
const NOT_IN_HTTP2 = new Set([
  'connection',
  'transfer-encoding',
  'upgrade',
  'keep-alive',
  'proxy-connection',
]);
/** Proves an HTTP/1 handshake; there is none in HTTP/2 (RFC 8441 5). */
const SEC_WEBSOCKET_KEY = 'sec-websocket-key';

let young = new Map<string, string>();
let old = new Map<string, string>();
const starts = new Map<string, string>();

/**
 * The block of the head that `text` begins with, `headEnd` being where its empty line starts less one line end, as
 * `forwardedHead` writes it. `scheme` is that of the connection.
 */
export function requestBlock(text: string, headEnd: number, scheme: 'http' | 'https'): string {
  const lineEnd = text.indexOf(LINE_END);
  const methodEnd = text.indexOf(' ');
  const idStart = text.indexOf(ID_LINE, lineEnd);
  const path = text.slice(methodEnd + 1, lineEnd - HTTP_1_1.length);
  const start = startOf(text.slice(0, methodEnd), scheme) + encodePath(path);
  if (idStart < 0 || idStart > headEnd) return start + keptLines(text.slice(lineEnd + 2, headEnd + 2));
  const idEnd = text.indexOf(LINE_END, idStart + 2);
  const id = text.slice(idStart + ID_LINE.length, idEnd);
  return (
    start +
    keptLines(text.slice(lineEnd + 2, idStart + 2)) +
    REQUEST_ID +
    encodeString(id) +
    keptLines(text.slice(idEnd + 2, headEnd + 2))
  );
}

/** Of the four pseudo-fields, less what their lines hold anyway; a little too much for most requests. */
const PSEUDO_FIELDS = 170;

/**
 * Whether the head that `text` begins with is larger than a header list may be (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113
 * 6.5.2): names, values and 32 bytes for each field. Lines that are not passed on to HTTP/2 count too.
 */
export function isLarger(text: string, headEnd: number, bound: number): boolean {
  // A line is five characters at least and counts 28 more than it has.
  if (headEnd * 7 + PSEUDO_FIELDS <= bound) return false;
  let size = headEnd + PSEUDO_FIELDS;
  for (let at = text.indexOf(LINE_END); at >= 0 && at < headEnd; at = text.indexOf(LINE_END, at + 2))
    size += 28;
  return size > bound;
}

const HTTP_1_1 = ' HTTP/1.1';
/** A literal with a new name, up to its value. */
const REQUEST_ID = encodeField('x-request-id', '').slice(0, -1);

/** The block of an extended CONNECT (RFC 8441 4) for the upgrade that the head asks for. */
export function connectBlock(
  text: string,
  headEnd: number,
  scheme: 'http' | 'https',
  protocol: string,
): string {
  const lineEnd = text.indexOf(LINE_END);
  const path = text.slice(text.indexOf(' ') + 1, lineEnd - HTTP_1_1.length);
  const start = startOf('CONNECT', scheme) + encodeField(':protocol', protocol) + encodePath(path);
  return start + encodeRequestLines(text.slice(lineEnd + 2, headEnd + 2), SEC_WEBSOCKET_KEY);
}

/** `:method` and `:scheme`; few, unless a client makes methods up. */
function startOf(method: string, scheme: 'http' | 'https'): string {
  const key = scheme === 'http' ? method : `${method} s`;
  const known = starts.get(key);
  if (known !== undefined) return known;
  const block = encodeField(':method', method) + encodeField(':scheme', scheme);
  if (starts.size < 64) starts.set(key, block);
  return block;
}

function encodePath(path: string): string {
  return path === '/' ? ROOT : PATH + encodeString(path);
}

/** Entry 4 of the static table, and a literal with its name. */
const ROOT = '\x84';
const PATH = '\x04';

function keptLines(lines: string): string {
  const known = young.get(lines);
  if (known !== undefined) return known;
  const block = old.get(lines) ?? encodeRequestLines(lines, '');
  if (lines.length <= LONGEST_KEPT) keep(lines, block);
  return block;
}

function keep(lines: string, block: string): void {
  if (young.size >= GENERATION) {
    old = young;
    young = new Map();
  }
  young.set(lines, block);
}

/** Whole `Name: value` lines, of which `Host` comes first and becomes `:authority`. */
function encodeRequestLines(lines: string, alsoNot: string): string {
  let block = '';
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(LINE_END, at);
    const colon = lines.indexOf(':', at);
    const name = lines.slice(at, colon).toLowerCase();
    const value = withoutBlanks(lines, colon + 1, end);
    at = end + 2;
    if (name === 'host') block += encodeField(':authority', value);
    else if (!NOT_IN_HTTP2.has(name) && name !== alsoNot) block += encodeField(name, value);
  }
  return block;
}
