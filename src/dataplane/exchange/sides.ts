/**
 * What an exchange asks of its two sides. The client's side is one object per exchange at a time (an HTTP/1
 * connection, an HTTP/2 stream); the upstream's side likewise. Either may be of any protocol.
 */

import type { ResponseHead } from '../message/response-head.ts';
import type { ByteStream } from '../transport/stream.ts';
import type { TlsFault } from '../transport/tls-fault.ts';
import type { PooledConnection } from '../upstream/endpoint.ts';
import type { Exchange } from './exchange.ts';
import type { OwnAnswer } from './own-answer.ts';

export interface Downstream {
  sendInformational(head: ResponseHead): void;
  /** `hasBody`: body bytes follow (length or chunks by `head`); otherwise the head is the whole message. */
  sendHead(head: ResponseHead, hasBody: boolean): void;
  /** `last`: nothing but the end follows; `sendEnd` still comes. */
  sendBody(bytes: Buffer, start: number, end: number, last: boolean): void;
  /** Body (or tunnel) bytes that wait at `from` go on unseen, see {@link ByteStream.forward}; 0 where they need framing. */
  forward(from: ByteStream, most: number): number;
  /** The response is complete. `trailers` are whole lines, '' for none. */
  sendEnd(trailers: string): void;
  sendOwn(answer: OwnAnswer, headOnly: boolean): void;
  /**
   * The response cannot be completed: the client must see that it is cut. `code` is what the backend reset its own
   * stream with (RFC 9113 7), else 0; `ofClient`: it is the client's own doing.
   */
  cut(code: number, ofClient: boolean): void;
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

/** A connection to an endpoint, as its pool holds it. */
export interface UpstreamConnection extends PooledConnection {
  /** False: the exchange has to wait for `onConnected`. */
  readonly connected: boolean;
  /** Takes an exchange; only while it is among the endpoint's ready ones. */
  take(exchange: Exchange): UpstreamSide;
}

export interface UpstreamSide {
  /** Begins to serve `exchange`: sends the head and, when `ended`, nothing more. May fail at once. */
  sendHead(exchange: Exchange, text: string, ended: boolean): void;
  /** `last`: nothing but the end follows; `sendEnd` still comes. */
  sendBody(bytes: Buffer, start: number, end: number, last: boolean): void;
  /** As {@link Downstream.forward}. */
  forward(from: ByteStream, most: number): number;
  sendEnd(trailers: string): void;
  sendTunnel(bytes: Buffer, start: number, end: number): void;
  endTunnel(): void;
  pause(): void;
  resume(): void;
  /** The exchange wants nothing more of it. */
  abandon(): void;
}

/**
 * How an upstream attempt failed. Whether another attempt is safe follows from what was sent before (RFC 9110
 * 9.2.2) and from the kind.
 */
export type UpstreamFailure =
  | TlsFault
  | 'connect-failed'
  | 'connect-timeout'
  /** There was nothing to connect with: not the endpoint's fault. */
  | 'out-of-sockets'
  /** Closed or reset before the first byte of a response. */
  | 'closed'
  /** The stream was reset before the first byte of a response. */
  | 'reset'
  /** The backend says that it did nothing with the request (RFC 9113 8.7): by REFUSED_STREAM, … */
  | 'refused'
  /** … or because the connection goes away. */
  | 'going-away'
  /** Whatever listens there does not speak HTTP/2: nothing was sent. */
  | 'not-http2'
  /** The backend says that it does not take heads of this size: nothing was sent. */
  | 'head-too-large'
  /** The backend does not take upgrades over HTTP/2 (RFC 8441): nothing was sent. */
  | 'upgrade-unsupported'
  | 'response-timeout'
  | 'send-timeout'
  /** Not a response that may be passed on. */
  | 'bad-response'
  /** Broke off within the response. */
  | 'truncated';
