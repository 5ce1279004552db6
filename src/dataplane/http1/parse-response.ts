/** HTTP/1.x response heads (RFC 9112 4), as strictly as requests: a backend can be hostile too. Hot path. */
import {
  CONNECTION,
  CONTENT_LENGTH,
  KEEP_ALIVE,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../message/field-names.ts';
import { latin1 } from '../message/latin1.ts';
import type { ResponseHead } from '../message/response-head.ts';
import { VALUE } from './grammar.ts';
import {
  type ConnectionOptions,
  keepAliveSeconds,
  parseContentLength,
  parseFields,
  readConnection,
  withoutProtected,
} from './parse-fields.ts';

export interface ResponseLimits {
  readonly responseHeadBytes: number;
  readonly fieldCount: number;
}

const HTTP_1 = Buffer.from('HTTP/1.', 'latin1');

/**
 * Reads a response head from `bytes[start, end)` into `head`. Returns the position behind it (> 0), 0 when
 * bytes are missing, -1 when it is not a response that may be passed on (502, and the connection is closed).
 */
export function parseResponseHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: ResponseLimits,
  head: ResponseHead,
): number {
  const have = end - start;
  for (let k = 0; k < 7 && k < have; k++) if (bytes[start + k] !== HTTP_1[k]) return -1;
  // `HTTP/1.x NNN` and at least a line end.
  if (have < 14) return 0;
  const minor = bytes[start + 7]! - 48;
  if (minor < 0 || minor > 9 || bytes[start + 8] !== 32) return -1;
  let status = 0;
  for (let k = 9; k < 12; k++) {
    const digit = bytes[start + k]! - 48;
    if (digit < 0 || digit > 9) return -1;
    status = status * 10 + digit;
  }
  if (status < 100) return -1;
  let i = start + 12;
  // The space before an empty reason is required by the grammar and left out by many servers.
  if (bytes[i] === 32) i++;
  else if (bytes[i] !== 13) return -1;
  const reasonStart = i;
  while (i < end && VALUE[bytes[i]!] === 1) i++;
  const limit = start + limits.responseHeadBytes;
  if (i + 1 >= end) return end >= limit || (i < end && bytes[i] !== 13) ? -1 : 0;
  if (bytes[i] !== 13 || bytes[i + 1] !== 10) return -1;
  const reasonEnd = i;
  const fields = head.fields;
  const next = parseFields(bytes, i + 2, end, start, limits.fieldCount, fields);
  if (next <= 0) return next < 0 || end >= limit ? -1 : 0;
  if (next > limit) return -1;

  const text = latin1(bytes, start, next);
  fields.text = text;
  head.status = status;
  head.minorVersion = minor === 0 ? 0 : 1;
  head.reason =
    status === 200 && reasonEnd - reasonStart === 2
      ? 'OK'
      : text.slice(reasonStart - start, reasonEnd - start);
  return interpret(head) ? next : -1;
}

const options = { close: false, keepAlive: false, upgrade: false, listed: null } as ConnectionOptions;

/** Decides framing and connection options. False when they contradict each other. */
function interpret(head: ResponseHead): boolean {
  const fields = head.fields;
  const { ids, valueStart, valueEnd, count, text } = fields;
  head.contentLength = -1;
  head.chunked = false;
  head.upgrade = '';
  head.keepAliveSeconds = -1;
  head.listed = null;
  let upgradeLine = -1;
  options.close = false;
  options.keepAlive = false;
  options.upgrade = false;
  options.listed = null;

  for (let i = 0; i < count; i++) {
    switch (ids[i]) {
      case CONTENT_LENGTH: {
        const length = parseContentLength(text, valueStart[i]!, valueEnd[i]!);
        if (length < 0 || (head.contentLength >= 0 && head.contentLength !== length)) return false;
        head.contentLength = length;
        break;
      }
      case TRANSFER_ENCODING:
        if (head.chunked || head.minorVersion === 0 || fields.value(i).toLowerCase() !== 'chunked')
          return false;
        head.chunked = true;
        break;
      case CONNECTION:
        if (!readConnection(fields.value(i), options)) return false;
        break;
      case KEEP_ALIVE:
        head.keepAliveSeconds = keepAliveSeconds(text, valueStart[i]!, valueEnd[i]!);
        break;
      case UPGRADE:
        upgradeLine = i;
        break;
      default:
    }
  }
  if (head.chunked && head.contentLength >= 0) {
    // RFC 9112 6.3: Transfer-Encoding wins; a server that sends both is not trusted with another request.
    head.contentLength = -1;
    options.close = true;
  }
  head.close = options.close || (head.minorVersion === 0 && !options.keepAlive);
  head.keepAlive = options.keepAlive;
  if (options.upgrade && upgradeLine >= 0) head.upgrade = fields.value(upgradeLine);
  head.listed = withoutProtected(options.listed);
  return true;
}
