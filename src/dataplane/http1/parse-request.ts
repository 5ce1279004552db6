/** HTTP/1.x request heads (RFC 9112 3, RFC 9110 7.2). Hot path. */

import { isAuthority } from '../message/authority.ts';
import {
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  HOST,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../message/field-names.ts';
import { latin1 } from '../message/latin1.ts';
import type { RequestHead } from '../message/request-head.ts';
import { isToken, TARGET, TOKEN } from './grammar.ts';
import {
  type ConnectionOptions,
  parseContentLength,
  parseFields,
  readConnection,
  TOO_MANY,
  withoutProtected,
} from './parse-fields.ts';

export interface RequestLimits {
  readonly requestLineBytes: number;
  readonly requestHeadBytes: number;
  readonly fieldCount: number;
}

/** Longest method that is still taken for one. */
const METHOD_BYTES = 64;

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'];

/**
 * Reads a request head from `bytes[start, end)` into `head`; `secure`: it came over TLS. Returns the position behind it (> 0), 0 when
 * bytes are missing, or minus the status to refuse it with: 400, 405, 414, 417, 431, 501, 505. A refused
 * request leaves the connection in doubt, so it must be closed.
 */
export function parseRequestHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: RequestLimits,
  head: RequestHead,
  secure = false,
): number {
  let i = start;
  // Up to two empty lines before a request are forgiven (RFC 9112 2.2).
  for (let skipped = 0; skipped < 2 && i < end && bytes[i] === 13; skipped++) {
    if (i + 1 >= end) return 0;
    if (bytes[i + 1] !== 10) return -400;
    i += 2;
  }
  const base = i;
  const lineLimit = base + limits.requestLineBytes;

  while (i < end && TOKEN[bytes[i]!] !== 0) i++;
  const methodEnd = i;
  if (methodEnd - base > METHOD_BYTES) return -501;
  if (i >= end) return 0;
  if (bytes[i] !== 32 || methodEnd === base) return -400;

  const targetStart = ++i;
  let plain = true;
  let queryStart = -1;
  let previous = 0;
  for (;;) {
    if (i >= end) return i > lineLimit ? -414 : 0;
    const c = bytes[i]!;
    if (TARGET[c] === 0) break;
    if (queryStart < 0) {
      if (c === 63) queryStart = i;
      else if (c === 37 || (previous === 47 && (c === 47 || c === 46))) plain = false;
    }
    previous = c;
    i++;
  }
  const targetEnd = i;
  if (bytes[i] !== 32 || targetEnd === targetStart) return targetEnd > lineLimit ? -414 : -400;
  i++;
  const version = parseVersion(bytes, i, end);
  if (version < 0) return version;
  if (version === VERSION_INCOMPLETE) return i > lineLimit ? -414 : 0;
  if (i + 8 > lineLimit) return -414;
  i += 10;

  const fields = head.fields;
  const next = parseFields(bytes, i, end, base, limits.fieldCount, fields);
  const headLimit = base + limits.requestHeadBytes;
  if (next <= 0) {
    if (next === TOO_MANY) return -431;
    if (next < 0) return -400;
    return end >= headLimit ? -431 : 0;
  }
  if (next > headLimit) return -431;

  const text = latin1(bytes, base, next);
  fields.text = text;
  head.method = methodName(text, methodEnd - base);
  head.minorVersion = version;
  head.target = text.slice(targetStart - base, targetEnd - base);
  head.pathLength = (queryStart < 0 ? targetEnd : queryStart) - targetStart;
  head.plainPath = plain;
  const refused = interpret(head, secure);
  return refused === 0 ? next : refused;
}

const VERSION_INCOMPLETE = 99;

/** 0 or 1 for `HTTP/1.x` and its line end at `i`; VERSION_INCOMPLETE; or minus a status. */
function parseVersion(bytes: Uint8Array, i: number, end: number): number {
  const have = end - i;
  if (have < 10) {
    // Refuse early what can no longer become a version.
    for (let k = 0; k < have; k++) {
      const c = bytes[i + k]!;
      if (
        k < 5 ? c !== HTTP_SLASH[k] : k === 6 ? c !== 46 : k === 8 ? c !== 13 : k !== 9 && (c < 48 || c > 57)
      )
        return -400;
    }
    return VERSION_INCOMPLETE;
  }
  for (let k = 0; k < 5; k++) if (bytes[i + k] !== HTTP_SLASH[k]) return -400;
  const major = bytes[i + 5]! - 48;
  const minor = bytes[i + 7]! - 48;
  if (major < 0 || major > 9 || minor < 0 || minor > 9 || bytes[i + 6] !== 46) return -400;
  if (bytes[i + 8] !== 13 || bytes[i + 9] !== 10) return -400;
  if (major !== 1) return -505;
  return minor === 0 ? 0 : 1;
}

const HTTP_SLASH = Buffer.from('HTTP/', 'latin1');

/** The method as one of a few shared strings where it is common. */
function methodName(text: string, length: number): string {
  for (let i = 0; i < METHODS.length; i++) {
    const name = METHODS[i]!;
    if (name.length === length && text.startsWith(name)) return name;
  }
  return text.slice(0, length);
}

const options: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, listed: null };

/** Decides framing, host and connection options from the lines read. Returns 0 or minus a status. */
function interpret(head: RequestHead, secure: boolean): number {
  const fields = head.fields;
  const { ids, valueStart, valueEnd, count, text } = fields;
  head.contentLength = -1;
  head.chunked = false;
  head.close = false;
  head.keepAlive = false;
  head.upgrade = '';
  head.listed = null;
  head.expectContinue = false;
  head.trailersWanted = false;
  let hostLine = -1;
  let upgradeLine = -1;
  let connectionSeen = false;

  for (let i = 0; i < count; i++) {
    switch (ids[i]) {
      case HOST:
        if (hostLine >= 0) return -400;
        hostLine = i;
        break;
      case CONTENT_LENGTH: {
        // Twice, even with the same value, is refused: two readers may count differently.
        if (head.contentLength >= 0) return -400;
        const length = parseContentLength(text, valueStart[i]!, valueEnd[i]!);
        if (length < 0) return -400;
        head.contentLength = length;
        break;
      }
      case TRANSFER_ENCODING:
        if (head.chunked || head.minorVersion === 0) return -400;
        if (fields.value(i).toLowerCase() !== 'chunked') return refuseCoding(fields.value(i));
        head.chunked = true;
        break;
      case CONNECTION:
        if (!connectionSeen) {
          connectionSeen = true;
          options.close = false;
          options.keepAlive = false;
          options.upgrade = false;
          options.listed = null;
        }
        if (!readConnection(fields.value(i), options)) return -431;
        break;
      case UPGRADE:
        // Two lines are one list (RFC 9110 5.3): no single protocol to switch to, so none is offered.
        upgradeLine = upgradeLine < 0 ? i : count;
        break;
      case EXPECT:
        if (fields.value(i).toLowerCase() !== '100-continue') return -417;
        head.expectContinue = head.minorVersion > 0;
        break;
      case TE:
        if (fields.value(i).toLowerCase().includes('trailers')) head.trailersWanted = true;
        break;
      default:
    }
  }
  // RFC 9112 6.3 would let Transfer-Encoding win; the pair is the classic smuggling attempt.
  if (head.chunked && head.contentLength >= 0) return -400;
  if (connectionSeen) {
    head.close = options.close;
    head.keepAlive = options.keepAlive;
    head.listed = withoutProtected(options.listed);
    if (options.upgrade && upgradeLine >= 0 && upgradeLine < count && head.minorVersion > 0) {
      head.upgrade = fields.value(upgradeLine);
    }
  }
  return resolveTarget(head, hostLine, secure);
}

/** 501 for a coding list that is well formed but not ours, 400 for anything else (RFC 9112 6.1). */
function refuseCoding(value: string): number {
  const codings = value.split(',');
  for (let i = 0; i < codings.length; i++) {
    const coding = codings[i]!.trim().toLowerCase();
    if (!isToken(coding)) return -400;
    if (coding === 'chunked' && i < codings.length - 1) return -400;
  }
  return -501;
}

/** Brings all forms of target (RFC 9112 3.2) to `authority` and an origin-form target. */
function resolveTarget(head: RequestHead, hostLine: number, secure: boolean): number {
  if (hostLine >= 0) {
    head.authority = head.fields.value(hostLine);
    if (!isAuthority(head.authority) && !(head.authority === '' && head.minorVersion === 0)) return -400;
  } else {
    if (head.minorVersion > 0) return -400;
    head.authority = '';
  }
  const target = head.target;
  if (head.method === 'CONNECT') return -405;
  if (target.charCodeAt(0) === 47) return 0;
  if (target === '*') return head.method === 'OPTIONS' ? 0 : -400;
  return absoluteForm(head, target, secure);
}

/** RFC 9112 3.2.2. What asks for https without TLS is refused: the answer would be taken for a secure one. */
function absoluteForm(head: RequestHead, target: string, secure: boolean): number {
  const schemeEnd = target.indexOf('://');
  const scheme = schemeEnd < 0 ? '' : target.slice(0, schemeEnd).toLowerCase();
  if (scheme !== 'http' && !(secure && scheme === 'https')) return -400;
  const start = schemeEnd + 3;
  let end = start;
  while (end < target.length && target.charCodeAt(end) !== 47 && target.charCodeAt(end) !== 63) end++;
  const authority = target.slice(start, end);
  if (!isAuthority(authority)) return -400;
  head.authority = authority;
  const rest = target.slice(end);
  if (rest === '' && head.method === 'OPTIONS') {
    // RFC 9112 3.2.4: no path and no query means the server as a whole.
    head.target = '*';
    head.pathLength = 1;
    return 0;
  }
  head.target = rest.charCodeAt(0) === 47 ? rest : `/${rest}`;
  const query = head.target.indexOf('?');
  head.pathLength = query < 0 ? head.target.length : query;
  // The scan that set it also saw the scheme's `//`; let the normaliser look again.
  head.plainPath = false;
  return 0;
}
