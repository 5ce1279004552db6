/** TLS on the streams of the portable transport: node:tls. */
import { TLSSocket } from 'node:tls';
import { type ClientIdentity, type ShownCertificate, shownCertificate } from '../tls/client-identity.ts';
import { adoptAccepted, disown, NetStream, tell } from './net.ts';
import type { ByteStream, SecureStream, StreamOwner, TlsServer, TlsSettings } from './stream.ts';

class TlsStream extends NetStream implements SecureStream {
  readonly #tls: TLSSocket;
  readonly #wire: NetStream['socket'];
  established = false;
  identity?: ClientIdentity;

  constructor(socket: TLSSocket, wire: NetStream['socket']) {
    super(socket, true);
    this.#tls = socket;
    this.#wire = wire;
  }

  get protocol(): string {
    return this.#tls.alpnProtocol || '';
  }

  get serverName(): string {
    // Typed as if it were always there; false or null when the client sent none.
    return (this.#tls as { servername?: string | false | null }).servername || '';
  }

  get resumed(): boolean {
    return this.#tls.isSessionReused();
  }

  clientCertificate(): ShownCertificate | null {
    return shownCertificate(this.#tls);
  }

  /** Only the socket below can be reset; its end ends the TLS socket too. */
  override reset(): void {
    this.pending = '';
    this.#wire.resetAndDestroy();
  }
}

function secure(
  plain: ByteStream,
  received: Buffer,
  settings: TlsSettings,
  owner: StreamOwner,
): SecureStream {
  const wire = disown(plain as NetStream);
  plain.pause();
  wire.pause();
  // What was read already is the first that OpenSSL gets.
  wire.unshift(received);
  const socket = new TLSSocket(wire, {
    isServer: true,
    secureContext: settings.context,
    ALPNProtocols: [...settings.protocols],
    requestCert: settings.askCertificate,
    rejectUnauthorized: false,
  });
  const stream = adoptAccepted(new TlsStream(socket, wire));
  stream.owner = owner;
  socket.once('secure', () => {
    stream.established = true;
    tell(stream, 'onConnect');
  });
  socket.on('_tlsError', (error: NodeJS.ErrnoException) => {
    stream.error ??= error.code ?? 'ERR_SSL';
    // Node itself closes what breaks within the handshake, after its alert is on the way.
    if (stream.established) socket.destroy();
  });
  return stream;
}

export const netTls: TlsServer = { secure };
