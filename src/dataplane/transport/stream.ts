/**
 * The contract between transports and codecs.
 *
 * - Bytes given to `onData` are valid during the call only; the transport may read into them again.
 * - Writes are coalesced: they leave when the callback that is running returns, in one system call where the
 *   transport can. Bytes given to `writeBytes` may be reused by the caller as soon as it returns, if they came
 *   from `onData` of the same transport; other buffers must be left alone.
 * - Writes of no bytes are not allowed: in a chunked body they would read as its end.
 * - Backpressure is explicit: after `onBlocked` more writes are allowed but pile up in memory, until `onDrain`.
 *   No `onDrain` follows `end`. `pause` stops `onData` (one read that was under way may still come) and with it the notice of the peer's end or reset.
 */
import type { SecureContext } from 'node:tls';
import type { ClientIdentity, ShownCertificate } from '../tls/client-identity.ts';
import type { TlsTerms } from '../tls/live-tls.ts';
import type { OutgoingTls } from '../tls/outgoing.ts';

export interface ByteStream {
  owner: StreamOwner;
  /** Who the client is, where a handshake asked. */
  identity?: ClientIdentity;
  /** What a TLS connection from a client was made under. */
  terms?: TlsTerms;
  /** IP literal of the peer without scope or brackets; '' when the stream is already gone. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Bytes wait to be taken by the peer. */
  readonly blocked: boolean;
  /** Text of code units below 256, one byte each. */
  write(text: string): void;
  writeBytes(bytes: Buffer, start: number, end: number): void;
  /**
   * Lets bytes that wait to be read go straight on to `to`, behind what was written there, without `onData`: at most
   * `most` of them, and how many the transport chooses. To be called at the end of `onData`. Returns how many went, 0
   * where the transport cannot.
   */
  forward(to: ByteStream, most: number): number;
  /**
   * More, or the end, waits to be read behind what was read and forwarded until now. False where the transport cannot know.
   */
  readonly hasMore: boolean;
  /** Sends what was written, then FIN; the peer may still send. */
  end(): void;
  /** Falls with every byte that the kernel takes; 0 when it has taken all, so never once a write failed. Only good for comparing. */
  readonly unsent: number;
  /** Sends what was written, then closes without waiting for the peer. `onClose` follows. */
  destroyAfterFlush(): void;
  /** Drops what was not sent and closes. `onClose` follows. */
  destroy(): void;
  /** Like destroy, but the peer sees a reset, never a clean end. */
  reset(): void;
  pause(): void;
  resume(): void;
  /**
   * Collects what is written until the event loop's turn ends, not only the callback: for a stream that many
   * callbacks write to, each a little.
   */
  writeOncePerTurn(): void;
  /** Expect (or no longer expect) megabytes: larger read buffers, once much comes, where the transport has them. */
  expectBulk(bulk: boolean): void;
}

/** Whoever owns a stream; one object for its whole life, or handed over (protocol upgrade). */
export interface StreamOwner {
  /** The connection stands: outgoing streams and those that begin with a handshake. */
  onConnect(): void;
  onData(bytes: Buffer, start: number, end: number): void;
  onBlocked(): void;
  onDrain(): void;
  /** The peer sends no more. */
  onEnd(): void;
  /**
   * The stream is gone; `error` is a system error code like ECONNRESET, a TlsFault of an outgoing stream, or
   * null. Called once, nothing follows.
   */
  onClose(error: string | null): void;
}

export interface Listener {
  readonly address: string;
  readonly port: number;
  /** Takes no further connections, but those the kernel has already queued; resolves when closed. */
  close(): Promise<void>;
}

/** A stream whose bytes are encrypted on their way. */
export interface SecureStream extends ByteStream {
  /** What ALPN agreed on, '' for nothing. Known once the handshake is over. */
  readonly protocol: string;
  /** The server name that the handshake was about, '' for none. */
  readonly serverName: string;
  readonly resumed: boolean;
  /** What the client showed when it was asked to; null for nothing. */
  clientCertificate(): ShownCertificate | null;
}

export interface TlsSettings {
  readonly context: SecureContext;
  /** For ALPN, best first. */
  readonly protocols: readonly string[];
  /** Ask the client for a certificate; whether it is good enough is looked at after the handshake. */
  readonly askCertificate: boolean;
}

/** Begins TLS on accepted streams; what a transport can do besides is in {@link Transport}. */
export interface TlsServer {
  /**
   * Answers the ClientHello that `received` begins with, and goes on until the owner's `onConnect` says that the
   * handshake is over, or its `onClose` that it failed. The plain stream is used up.
   */
  secure(stream: ByteStream, received: Buffer, settings: TlsSettings, owner: StreamOwner): SecureStream;
}

/** Where an outgoing stream leads. */
export interface Destination {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  /** null: in clear. */
  readonly tls: OutgoingTls | null;
}

export interface Transport {
  /** Listens with SO_REUSEPORT; `accept` gives each connection its owner. Rejects with a system error. */
  listen(address: string, port: number, accept: (stream: ByteStream) => StreamOwner): Promise<Listener>;
  /** Gives the stream at once; the owner's `onConnect` says when it stands, TLS handshake included. */
  connect(to: Destination, owner: StreamOwner): ByteStream;
}
