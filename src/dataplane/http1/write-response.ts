/** Response heads for HTTP/1.x clients, written anew from one framing decision. Hot path. */
import { type OwnAnswer, reasonPhrase } from '../exchange/own-answer.ts';
import { DATE, NOT_COPIED_IN_RESPONSE, NOT_COPIED_WITH_HSTS, SERVER } from '../message/field-names.ts';
import type { ResponseHead } from '../message/response-head.ts';

/** How the client learns where a response ends (RFC 9112 6.3). */
export const NO_BODY = 0;
export const BY_LENGTH = 1;
export const BY_CHUNKS = 2;
export const BY_CLOSE = 3;

let dateSecond = 0;
let dateText = '';

/** `Date: …` line, made once a second. */
export function dateLine(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateText;
}

/** What the `Connection` line says; NONE is the default of HTTP/1.1. */
export const CONNECTION_NONE = '';
export const CONNECTION_CLOSE = 'Connection: close\r\n';
export const CONNECTION_KEEP_ALIVE = 'Connection: keep-alive\r\n';

/**
 * The head of a forwarded response, up to and including the empty line. `serverLine` stands in for a missing
 * Server, `hstsLine` in the place of the backend's Strict-Transport-Security unless it is ''.
 */
export function forwardedResponse(
  head: ResponseHead,
  framing: number,
  connection: string,
  serverLine: string,
  hstsLine: string,
): string {
  const fields = head.fields;
  const dropped = hstsLine === '' ? NOT_COPIED_IN_RESPONSE : NOT_COPIED_WITH_HSTS;
  let out = statusLine(head) + fields.copyExcept(dropped, head.listed) + hstsLine;
  if (serverLine !== '' && fields.indexOf(SERVER) < 0) out += serverLine;
  if (fields.indexOf(DATE) < 0) out += dateLine();
  if (framing === BY_CHUNKS) out += 'Transfer-Encoding: chunked\r\n';
  // 1xx and 204 never carry a length (RFC 9110 8.6); HEAD and 304 carry the one the backend told.
  else if (head.contentLength >= 0 && head.status !== 204) out += `Content-Length: ${head.contentLength}\r\n`;
  else if (head.noContent) out += 'Content-Length: 0\r\n';
  return `${out}${connection}\r\n`;
}

/** A 1xx response other than 101. */
export function informationalResponse(head: ResponseHead): string {
  return `${statusLine(head) + head.fields.copyExcept(NOT_COPIED_IN_RESPONSE, head.listed)}\r\n`;
}

/** A whole response of our own. */
export function ownResponse(
  answer: OwnAnswer,
  headOnly: boolean,
  connection: string,
  serverLine: string,
): string {
  const type = answer.contentType === '' ? '' : `Content-Type: ${answer.contentType}\r\n`;
  return (
    `HTTP/1.1 ${answer.status} ${reasonPhrase(answer.status)}\r\n${serverLine}${dateLine()}${type}` +
    `Content-Length: ${answer.body.length}\r\n${answer.fields}${connection}\r\n${headOnly ? '' : answer.body}`
  );
}

/** 101 for the protocol the backend switched to. */
export function switchingResponse(head: ResponseHead): string {
  const copied = head.fields.copyExcept(NOT_COPIED_IN_RESPONSE, head.listed);
  return `${statusLine(head)}${copied}Connection: upgrade\r\nUpgrade: ${head.upgrade}\r\n\r\n`;
}

function statusLine(head: ResponseHead): string {
  return head.status === 200 && head.reason === 'OK'
    ? 'HTTP/1.1 200 OK\r\n'
    : `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
}
