/**
 * Answers of our own to gRPC calls. gRPC tells of failure in fields behind the response, and takes any other answer
 * for a broken server: so each becomes a response of trailers only, with HTTP status 200 (gRPC over HTTP/2,
 * "Responses").
 */
import { type OwnAnswer, reasonPhrase } from './own-answer.ts';

const INTERNAL = 13;
const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const UNKNOWN = 2;

/**
 * What a client makes of an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping"). Also 504 is UNAVAILABLE there:
 * DEADLINE_EXCEEDED would speak of a deadline that the client has set, and ours is another.
 */
const BY_STATUS: Readonly<Record<number, number>> = {
  400: INTERNAL,
  401: UNAUTHENTICATED,
  403: PERMISSION_DENIED,
  404: UNIMPLEMENTED,
  429: UNAVAILABLE,
  502: UNAVAILABLE,
  503: UNAVAILABLE,
  504: UNAVAILABLE,
};

export function grpcStatus(httpStatus: number): number {
  return BY_STATUS[httpStatus] ?? UNKNOWN;
}

/** Whether a head's text is that of a gRPC call; gRPC-Web (`application/grpc-web`) is none. */
export function isGrpc(headText: string): boolean {
  return /\r\ncontent-type:[ \t]*application\/grpc[+; \t\r]/i.test(headText);
}

/** The answer that means this HTTP status. */
export function grpcAnswer(httpStatus: number, requestId: string): OwnAnswer {
  const id = requestId === '' ? '' : `X-Request-ID: ${requestId}\r\n`;
  const message = percentEncoded(`${reasonPhrase(httpStatus)} (HTTP ${httpStatus}, from the proxy)`);
  const fields = `grpc-status: ${grpcStatus(httpStatus)}\r\ngrpc-message: ${message}\r\n${id}`;
  return { status: 200, contentType: 'application/grpc', body: '', fields };
}

/** As gRPC writes `grpc-message`: printable ASCII but `%` as it is, all else byte by byte. */
export function percentEncoded(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
