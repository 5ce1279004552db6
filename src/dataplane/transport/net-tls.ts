/** TLS on the streams of the portable transport: node:tls. */
import net from 'node:net';
import { checkServerIdentity, connect, TLSSocket } from 'node:tls';
import {
  authoritiesBetween,
  type ClientIdentity,
  type ShownCertificate,
  shownCertificate,
} from '../tls/client-identity.ts';
import type { OutgoingTls } from '../tls/outgoing.ts';
import { adoptPushing, disown, NetStream, streamOf, tell } from './net.ts';
import { secureBeneath } from './net-tls-beneath.ts';
import type { ByteStream, Destination, SecureStream, StreamOwner, TlsServer, TlsSettings } from './stream.ts';
import { type TlsFault, tlsFault, tlsFaultOr } from './tls-fault.ts';

class TlsStream extends NetStream implements SecureStream {
  override readonly inClear = false;
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
  const alpn = alpnOf(settings.protocols);
  const beneath = settings.askCertificate
    ? null
    : secureBeneath(plain as NetStream, received, settings.context, alpn, owner);
  return beneath ?? secureAbove(plain as NetStream, received, settings, alpn, owner);
}

/** With a TLSSocket above the accepted one: it knows of client certificates, and is there in every Node.js. */
function secureAbove(
  plain: NetStream,
  received: Buffer,
  settings: TlsSettings,
  alpn: Buffer,
  owner: StreamOwner,
): SecureStream {
  const wire = disown(plain);
  plain.pause();
  wire.pause();
  // What was read already is the first that OpenSSL gets.
  wire.unshift(received);
  const socket = new TLSSocket(wire, {
    isServer: true,
    secureContext: settings.context,
    ALPNProtocols: alpn,
    requestCert: settings.askCertificate,
    rejectUnauthorized: false,
  });
  // Node waits for somebody who wants the keys: each listener that is added would be an event.
  socket.removeAllListeners('newListener');
  const stream = adoptPushing(new TlsStream(socket, wire));
  stream.owner = owner;
  socket.once('secure', onSecure);
  socket.on('_tlsError', onTlsError);
  return stream;
}

function onSecure(this: TLSSocket): void {
  const stream = streamOf(this) as TlsStream;
  stream.established = true;
  tell(stream, 'onConnect');
}

function onTlsError(this: TLSSocket, error: NodeJS.ErrnoException): void {
  const stream = streamOf(this) as TlsStream;
  stream.error ??= error.code ?? 'ERR_SSL';
  // Node itself closes what breaks within the handshake, after its alert is on the way.
  if (stream.established) this.destroy();
}

/** Lists of protocols are the same objects for all connections; as bytes (RFC 7301 3.1) Node takes them as they are. */
const alpnBytes = new WeakMap<readonly string[], Buffer>();

function alpnOf(protocols: readonly string[]): Buffer {
  let bytes = alpnBytes.get(protocols);
  if (bytes === undefined) {
    bytes = Buffer.from(protocols.map((name) => String.fromCharCode(name.length) + name).join(''), 'latin1');
    alpnBytes.set(protocols, bytes);
  }
  return bytes;
}

export const netTls: TlsServer = { secure };

export type HandshakeResult = 'full' | 'resumed' | 'failed';

/**
 * A stream to an endpoint that speaks TLS. `onConnect` comes when the handshake is over and the certificate is what
 * was asked for; not a byte of ours is sent before. A session of an earlier connection is taken up again.
 *
 * It reads like an accepted stream: node:tls has no `onread` for a socket that it is given, and only that socket can be
 * reset.
 */
export function connectTls(
  { address, port }: Destination,
  tls: OutgoingTls,
  owner: StreamOwner,
  onHandshake: (result: HandshakeResult) => void,
): ByteStream {
  const { verify } = tls.settings;
  const { session } = tls;
  const secureContext = tls.context();
  const wire = net.connect({ host: address, port, noDelay: true, allowHalfOpen: true });
  if (secureContext === null) return unusable(wire, owner);
  const socket = connect({
    socket: wire,
    secureContext,
    ALPNProtocols: [tls.protocol],
    rejectUnauthorized: verify !== null,
    checkServerIdentity: (_, certificate) =>
      verify === null ? undefined : checkServerIdentity(verify.name, certificate),
    ...(tls.serverName === '' ? {} : { servername: tls.serverName }),
    ...(session === null ? {} : { session }),
  });
  const stream = adoptPushing(new TlsStream(socket, wire));
  stream.owner = untilEstablished(owner);
  socket.on('error', () => {
    stream.error = tlsFault(stream.error ?? 'UNKNOWN', stream.established);
    if (stream.established) return;
    tls.forgetSession();
    if (tlsFaultOr(stream.error, null) !== null) onHandshake('failed');
  });
  // TLS 1.2 gives the ticket before it is known whether the certificate is good, which nobody looks at again later.
  let early: Buffer | null = null;
  socket.on('session', (ticket: Buffer) => {
    if (stream.established) tls.session = ticket;
    else early = ticket;
  });
  socket.once('secureConnect', () => {
    const fault = faultAfterHandshake(socket, tls);
    if (fault !== null) {
      stream.error = fault;
      onHandshake('failed');
      socket.destroy();
      return;
    }
    stream.established = true;
    stream.owner = owner;
    if (early !== null) tls.session = early;
    onHandshake(socket.isSessionReused() ? 'resumed' : 'full');
    tell(stream, 'onConnect');
  });
  return stream;
}

/** A peer that closes within the handshake is told of once, with the reason: by `onClose`. */
function untilEstablished(owner: StreamOwner): StreamOwner {
  return { ...NOT_YET, onClose: (error) => owner.onClose(error) };
}

const NOT_YET = { onConnect() {}, onData() {}, onBlocked() {}, onDrain() {}, onEnd() {} };

function unusable(wire: net.Socket, owner: StreamOwner): ByteStream {
  const stream = adoptPushing(new NetStream(wire, true));
  stream.owner = owner;
  stream.error = 'tls-handshake-failed' satisfies TlsFault;
  wire.destroy();
  return stream;
}

/** What OpenSSL does not look at. A session that is taken up again was found good when it was made. */
function faultAfterHandshake(socket: TLSSocket, { settings, protocol }: OutgoingTls): TlsFault | null {
  if (protocol === 'h2' && socket.alpnProtocol !== 'h2') return 'protocol-not-agreed';
  const { verify } = settings;
  if (verify === null || socket.isSessionReused()) return null;
  return authoritiesBetween(socket) > verify.depth ? 'certificate-not-trusted' : null;
}
