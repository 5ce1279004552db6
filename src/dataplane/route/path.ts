/**
 * The two forms of a request path: the one that is forwarded and the one that rules are matched against. They
 * come from one pass, so that a backend never sees a path other than the one that was matched.
 */

export interface NormalPath {
  /** What goes upstream: the bytes as received, without dot segments. */
  readonly forward: string;
  /**
   * What rules are looked up with: `forward` with runs of `/` merged and escapes decoded once, to bytes (one
   * character each). `%2F`, `%5C` and `%25` stay escapes, in upper case: decoded, they would turn into
   * separators or into new escapes.
   */
  readonly match: string;
}

const SLASH = 47;
const DOT = 46;
const PERCENT = 37;

/**
 * Takes the path of a request target, without query, printable ASCII. Gives null for what must be answered
 * with 400: not starting with `/`, a malformed escape, an encoded NUL, `..` that climbs above the root.
 */
export function normalizePath(path: string): NormalPath | null {
  if (isPlainPath(path)) return path.charCodeAt(0) === SLASH ? { forward: path, match: path } : null;
  if (path.charCodeAt(0) !== SLASH || REFUSED_ESCAPE.test(path)) return null;
  const forward = MAYBE_DOT_SEGMENT.test(path) ? removeDotSegments(path) : path;
  return forward === null ? null : { forward, match: matchForm(forward) };
}

/** Whether both forms of the path are the path itself. May say no for one that is (`/.well-known`). */
export function isPlainPath(path: string): boolean {
  return !path.includes('%') && !path.includes('//') && !path.includes('/.');
}

/**
 * The match form of a path as a user wrote it in a rule: Unicode text in which escapes may, but need not, be
 * used. Null for a path that no request can match.
 */
export function normalizeRulePath(path: string): string | null {
  return normalizePath(Buffer.from(path, 'utf8').toString('latin1'))?.match ?? null;
}

const REFUSED_ESCAPE = /%(?:00|(?![0-9a-fA-F]{2}))/;
const MAYBE_DOT_SEGMENT = /\/(?:\.|%2e)/i;

/** RFC 3986 section 5.2.4, with `%2e` read as a dot, and null instead of stopping at the root. */
function removeDotSegments(path: string): string | null {
  const segments = path.slice(1).split('/');
  const kept: string[] = [];
  for (const segment of segments) {
    const dots = dotCount(segment);
    if (dots === 0) kept.push(segment);
    if (dots === 2 && kept.pop() === undefined) return null;
  }
  // A dot segment at the end names a directory: `/a/.` and `/a/b/..` are both `/a/`.
  if (dotCount(segments.at(-1)!) > 0) kept.push('');
  return `/${kept.join('/')}`;
}

/** 1 for `.`, 2 for `..`, 0 for an ordinary segment. A target may have thousands: no regular expression here. */
function dotCount(segment: string): number {
  let dots = 0;
  for (let i = 0; i < segment.length; dots++) {
    if (segment.charCodeAt(i) === DOT) i++;
    else if (isEscapedDot(segment, i)) i += '%2e'.length;
    else return 0;
  }
  return dots > 2 ? 0 : dots;
}

function isEscapedDot(text: string, at: number): boolean {
  return (
    text.charCodeAt(at) === PERCENT &&
    text.charCodeAt(at + 1) === 50 &&
    (text.charCodeAt(at + 2) | 32) === 101
  );
}

function matchForm(path: string): string {
  const merged = path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
  return merged.includes('%') ? merged.replace(/%[0-9a-fA-F]{2}/g, decodeEscape) : merged;
}

function decodeEscape(triplet: string): string {
  const byte = Number.parseInt(triplet.slice(1), 16);
  return byte === 0x2f || byte === 0x5c || byte === 0x25 ? triplet.toUpperCase() : String.fromCharCode(byte);
}
