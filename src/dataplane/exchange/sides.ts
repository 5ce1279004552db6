/**
 * What an exchange asks of its two sides. The client's side is one object per exchange at a time (an HTTP/1
 * connection, an HTTP/2 stream); the upstream's side likewise. Either may be of any protocol.
 */

import type { ResponseHead } from '../message/response-head.ts';
import type { Endpoint, PooledConnection } from '../upstream/endpoint.ts';
import type { Exchange } from './exchange.ts';
import type { OwnAnswer } from './own-answer.ts';

export interface Downstream {
  sendInformational(head: ResponseHead): void;
  /** `hasBody`: body bytes follow (length or chunks by `head`); otherwise the head is the whole message. */
  sendHead(head: ResponseHead, hasBody: boolean): void;
  sendBody(bytes: Buffer, start: number, end: number): void;
  /** The response is complete. `trailers` are whole lines, '' for none. */
  sendEnd(trailers: string): void;
  sendOwn(answer: OwnAnswer, headOnly: boolean): void;
  /** The response cannot be completed: the client must see that it is cut. */
  cut(): void;
  /** 101 was received: bytes flow both ways from now on. */
  startTunnel(head: ResponseHead): void;
  sendTunnel(bytes: Buffer, start: number, end: number): void;
  endTunnel(): void;
  /** Stop or go on handing in body (or tunnel) bytes. */
  pauseBody(): void;
  resumeBody(): void;
  /** The exchange is over; the side is free for the next. */
  exchangeDone(): void;
}

export interface UpstreamSide extends PooledConnection {
  readonly endpoint: Endpoint<UpstreamSide>;
  /** Begins to serve `exchange`: sends the head and, when `ended`, nothing more. */
  sendHead(exchange: Exchange, text: string, ended: boolean): void;
  sendBody(bytes: Buffer, start: number, end: number): void;
  sendEnd(trailers: string): void;
  sendTunnel(bytes: Buffer, start: number, end: number): void;
  endTunnel(): void;
  pause(): void;
  resume(): void;
  /** The exchange wants nothing more of it: the connection is closed. */
  abandon(): void;
}

/**
 * How an upstream attempt failed. Whether another attempt is safe follows from what was sent before (RFC 9110
 * 9.2.2) and from the kind.
 */
export type UpstreamFailure =
  | 'connect-failed'
  | 'connect-timeout'
  /** Closed or reset before the first byte of a response. */
  | 'closed'
  | 'response-timeout'
  | 'send-timeout'
  /** Not a response that may be passed on. */
  | 'bad-response'
  /** Broke off within the response. */
  | 'truncated';
