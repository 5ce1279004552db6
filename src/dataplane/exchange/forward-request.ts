/** The head that goes upstream, written anew for HTTP/1.1 from what the parser decided. Hot path. */
import {
  CLIENT_CERTIFICATE_FIELDS,
  MAX_FORWARDS,
  NOT_COPIED_IN_REQUEST,
  VIA,
  X_FORWARDED_CLIENT_CERT,
  X_REQUEST_ID,
} from '../message/field-names.ts';
import type { FieldBlock } from '../message/fields.ts';
import type { RequestHead } from '../message/request-head.ts';
import { requestId } from '../request-id.ts';
import { forwardedLine, type Origin, type Peer } from './peer.ts';

const PSEUDONYM = 'tidegate';
const VIA_LINE = ['1.0', '1.1', '2.0'].map((version) => `Via: ${version} ${PSEUDONYM}\r\n`);
/** Passing through ourselves more often than this is a loop. */
const MOST_VISITS = 8;

/** The request id: a trusted peer's own, when it is one we could have made or a UUID, else a new one. */
export function idFor(head: RequestHead, peer: Peer): string {
  if (!peer.trusted) return requestId();
  const sent = head.fields.first(X_REQUEST_ID);
  return /^[\w.:+/=-]{1,128}$/.test(sent) ? sent : requestId();
}

/** How often the request already passed through a Tidegate. */
export function isLoop(head: RequestHead): boolean {
  if (head.fields.indexOf(VIA) < 0) return false;
  const via = head.fields.joined(VIA);
  let visits = 0;
  for (let at = via.indexOf(PSEUDONYM); at >= 0; at = via.indexOf(PSEUDONYM, at + 1)) {
    if (endsWord(via, at - 1) && endsWord(via, at + PSEUDONYM.length)) visits++;
  }
  return visits >= MOST_VISITS;
}

function endsWord(text: string, at: number): boolean {
  const c = at < 0 || at >= text.length ? 44 : text.charCodeAt(at);
  return c === 44 || c === 32 || c === 9;
}

/**
 * The request's head for an HTTP/1.1 upstream, up to and including the empty line. `target` is what was
 * matched; `origin` is what a trusted peer tells of the client, else null; `upgrade` is the protocol offered or ''; the body's framing is the parser's, never the sent fields.
 */
export function forwardedHead(
  head: RequestHead,
  target: string,
  upgrade: string,
  id: string,
  peer: Peer,
  origin: Origin | null,
  fallbackHost: string,
): string {
  const fields = head.fields;
  const authority = head.authority === '' ? fallbackHost : head.authority;
  let out = `${head.method} ${target} HTTP/1.1\r\nHost: ${authority}\r\n${fields.copyExcept(NOT_COPIED_IN_REQUEST, notCopied(head))}`;
  if (origin !== null) {
    out += `${origin.fields}X-Forwarded-Host: ${origin.host}\r\nX-Request-ID: ${id}\r\n`;
    const certificate = fields.joined(X_FORWARDED_CLIENT_CERT);
    if (certificate !== '') out += `X-Forwarded-Client-Cert: ${certificate}\r\n`;
  } else {
    out += `${peer.fields}X-Forwarded-Host: ${authority}\r\nX-Request-ID: ${id}\r\n`;
  }
  if (peer.client.fields !== '') out += peer.client.fields;
  else if (peer.trusted) out += clientCertificateLines(fields);
  if (peer.forwarded !== '') out += forwardedLine(head, peer);
  const via = fields.indexOf(VIA) < 0 ? '' : fields.joined(VIA);
  out +=
    via === ''
      ? VIA_LINE[head.http2 ? 2 : head.minorVersion === 0 ? 0 : 1]
      : `Via: ${via}, ${head.http2 ? '2.0' : `1.${head.minorVersion}`} ${PSEUDONYM}\r\n`;
  if (head.chunked) out += 'Transfer-Encoding: chunked\r\n';
  else if (head.contentLength >= 0) out += `Content-Length: ${head.contentLength}\r\n`;
  if (head.expectContinue && head.hasBody()) out += 'Expect: 100-continue\r\n';
  if (upgrade !== '') return `${out}Connection: upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
  if (head.trailersWanted) out += 'Connection: TE\r\nTE: trailers\r\n';
  if (head.method === 'OPTIONS') out += forwardsLeft(head);
  return `${out}\r\n`;
}

/** What a trusted proxy says about the certificate of the client. */
function clientCertificateLines(fields: FieldBlock): string {
  let out = '';
  for (const [id, name] of CLIENT_CERTIFICATE_FIELDS) {
    const value = fields.first(id);
    if (value !== '') out += `${name}: ${value}\r\n`;
  }
  return out;
}

/** Names beyond the fixed set that end here: those Connection lists, and Max-Forwards where it is counted. */
function notCopied(head: RequestHead): string[] | null {
  if (head.method !== 'OPTIONS') return head.listed;
  return head.listed === null ? COUNTED : [...head.listed, ...COUNTED];
}

const COUNTED = ['max-forwards'];

/** Max-Forwards less one (RFC 9110 7.6.2); '' when there is none. */
function forwardsLeft(head: RequestHead): string {
  const sent = head.fields.first(MAX_FORWARDS);
  return /^\d{1,9}$/.test(sent) ? `Max-Forwards: ${Math.max(0, Number(sent) - 1)}\r\n` : '';
}

/**
 * The upgrade to offer upstream, '' for none (RFC 9110 7.8): one allowed protocol, never h2c, without a body,
 * and WebSocket only by GET (RFC 6455 4.1).
 */
export function offeredUpgrade(head: RequestHead, allowed: readonly string[]): string {
  const protocol = head.upgrade.toLowerCase();
  if (protocol === '' || head.hasBody()) return '';
  const name = protocol.split('/', 1)[0]!;
  if (name === 'h2c' || name === 'h2' || !/^[\w!#$%&'*+.^`|~/-]+$/.test(protocol)) return '';
  if (!allowed.includes('*') && !allowed.includes(protocol) && !allowed.includes(name)) return '';
  if (name === 'websocket' && head.method !== 'GET') return '';
  return head.upgrade;
}
