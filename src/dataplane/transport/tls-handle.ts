/**
 * The native TLS stream of node:tls, put beneath an accepted socket. This file alone leans on the inside of Node;
 * docs/decisions/008-tls-beneath-the-socket.md says why, and what happens where the inside is another one.
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';

/** The native stream, as far as it is used. */
export interface TlsHandle extends Connection {
  readonly _parent: Connection;
  onhandshakestart: () => void;
  onhandshakedone: (this: TlsHandle) => void;
  onerror: (this: TlsHandle, error: NodeJS.ErrnoException) => void;
  setALPNProtocols(protocols: Buffer): void;
  getALPNNegotiatedProtocol(): string | false | undefined;
  getServername(): string | false | undefined;
  isSessionReused(): boolean;
  /** Takes bytes as if the connection had brought them. */
  receive(bytes: Buffer): void;
  /** What is decrypted is put there, instead of into memory of its own for each read. */
  useUserBuffer(bytes: Buffer): void;
  destroySSL(): void;
}

/** The native stream of a TCP connection. */
interface Connection {
  /** Tells the owner, which Node keeps below a symbol of its own, of what was read. */
  onread: unknown;
  [owner: symbol]: unknown;
}

interface Inside {
  _handle: Connection | null;
  /** What Node releases when the handle closes. */
  ssl: TlsHandle | null;
}

/** What `_wrapHandle` expects of a TLSSocket. */
class Wrapped {
  readonly _tlsOptions: { readonly isServer: true; readonly secureContext: SecureContext };

  constructor(secureContext: SecureContext) {
    this._tlsOptions = { isServer: true, secureContext };
  }

  /** It asks whether its listener for `close` is there already: none is wanted. */
  listenerCount(): number {
    return 1;
  }
}

type WrapHandle = (this: Wrapped, wrap: null, connection: Connection, writing: boolean) => TlsHandle;

const { _wrapHandle: wrapHandle } = TLSSocket.prototype as unknown as { _wrapHandle?: WrapHandle };

/** The version whose inside this file was written for. */
const KNOWN_MAJOR = '26';

/** Below which symbol handles keep their sockets; null until one was seen. */
let ownerKey: symbol | null = null;

/** The symbol below which the handle of this socket keeps it; null when Node of this version is not known inside. */
export function findOwnerKey(socket: Socket, version: string): symbol | null {
  const { _handle: handle } = socket as unknown as Inside;
  if (version.split('.', 1)[0] !== KNOWN_MAJOR || typeof wrapHandle !== 'function') return null;
  if (handle === null || typeof handle.onread !== 'function') return null;
  return Object.getOwnPropertySymbols(handle).find((key) => handle[key] === socket) ?? null;
}

/**
 * Makes a connected socket the server's side of TLS: what is written to it and read from it is in clear, what goes over
 * its connection is not. null, and nothing was done: where Node is not known inside, and for a socket that writes or
 * is closed.
 */
export function putTlsBeneath(socket: Socket, context: SecureContext): TlsHandle | null {
  const inside = socket as unknown as Inside;
  const connection = inside._handle;
  if (connection === null || socket.writableLength > 0) return null;
  ownerKey ??= findOwnerKey(socket, process.versions.node);
  if (ownerKey === null) return null;
  const handle = wrapHandle!.call(new Wrapped(context), null, connection, false);
  handle[ownerKey] = socket;
  handle.onread = connection.onread;
  inside._handle = handle;
  inside.ssl = handle;
  return handle;
}

/** The socket that the handle was put beneath. */
export function socketAbove(handle: TlsHandle): Socket {
  return handle[ownerKey!] as Socket;
}

/** Closes the connection with a reset; Node resets only sockets right above their connection. */
export function resetBeneath(socket: Socket, handle: TlsHandle): void {
  const inside = socket as unknown as Inside;
  if (inside._handle === handle) {
    inside._handle = handle._parent;
    inside.ssl = null;
    socket.once('close', () => handle.destroySSL());
  }
  socket.resetAndDestroy();
}
