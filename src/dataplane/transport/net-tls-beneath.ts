/** Accepted TLS streams with the native TLS beneath their socket, instead of a second socket above it. */
import type net from 'node:net';
import type { SecureContext } from 'node:tls';
import { NetStream, replaceStream, SHARED, streamOf, tell } from './net.ts';
import type { SecureStream, StreamOwner } from './stream.ts';
import { putTlsBeneath, resetBeneath, socketAbove, type TlsHandle } from './tls-handle.ts';

class BeneathStream extends NetStream implements SecureStream {
  override readonly inClear = false;
  readonly #handle: TlsHandle;

  constructor(socket: net.Socket, handle: TlsHandle) {
    super(socket, true);
    this.#handle = handle;
  }

  get protocol(): string {
    return this.#handle.getALPNNegotiatedProtocol() || '';
  }

  get serverName(): string {
    return this.#handle.getServername() || '';
  }

  get resumed(): boolean {
    return this.#handle.isSessionReused();
  }

  /** Who asks clients for certificates takes a TLSSocket. */
  clientCertificate(): null {
    return null;
  }

  override reset(): void {
    this.pending = '';
    resetBeneath(this.socket, this.#handle);
  }
}

/**
 * Like `secure` of {@link TlsServer}, for clients that are asked for no certificate; `alpn` in the form of RFC 7301
 * 3.1. null when this Node.js cannot do it; the plain stream is as it was.
 */
export function secureBeneath(
  plain: NetStream,
  received: Buffer,
  context: SecureContext,
  alpn: Buffer,
  owner: StreamOwner,
): SecureStream | null {
  const { socket } = plain;
  const handle = putTlsBeneath(socket, context);
  if (handle === null) return null;
  handle.onhandshakestart = onHandshakeStart;
  handle.onhandshakedone = onHandshakeDone;
  handle.onerror = onError;
  handle.setALPNProtocols(alpn);
  if (!plain.pushes) handle.useUserBuffer(SHARED);
  const stream = new BeneathStream(socket, handle);
  stream.pushes = plain.pushes;
  stream.owner = owner;
  replaceStream(plain, stream);
  handle.receive(received);
  return stream;
}

/** OpenSSL tells of it also when there is nothing to do: renegotiation is off. */
function onHandshakeStart(): void {}

function onHandshakeDone(this: TlsHandle): void {
  tell(streamOf(socketAbove(this)), 'onConnect');
}

/** The alert was written before we are told. */
function onError(this: TlsHandle, error: NodeJS.ErrnoException): void {
  const socket = socketAbove(this);
  streamOf(socket).error ??= error.code ?? 'ERR_SSL';
  socket.destroy();
}
