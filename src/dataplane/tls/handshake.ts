/** One client of the HTTPS listener from its first byte to the end of its TLS handshake. */
import type { Route } from '../../model/routing-table.ts';
import type { ClientAuthPatch } from '../../model/tls-patch.ts';
import type { ClientConnection } from '../exchange/client-listener.ts';
import type { Dataplane } from '../exchange/dataplane.ts';
import type { Timed } from '../timers.ts';
import type { ByteStream, SecureStream, StreamOwner, TlsServer } from '../transport/stream.ts';
import { type ClientHello, readClientHello } from './client-hello.ts';
import { identify } from './client-identity.ts';
import type { LiveTls } from './live-tls.ts';

export interface TlsListener {
  readonly dataplane: Dataplane;
  readonly server: TlsServer;
  readonly tls: LiveTls;
  /** What ALPN offers, best first. */
  readonly protocols: readonly string[];
  /** Connections that are not through their handshake, oldest first. */
  readonly waiting: Set<TlsHandshake>;
  /** Those of them that OpenSSL works on, oldest first. */
  readonly running: Set<TlsHandshake>;
  /** Gives the connection its owner for the time after the handshake. */
  accept(stream: SecureStream): StreamOwner & ClientConnection;
  /** The same for a connection that goes on as it came; `received` is what was read of it. */
  passThrough(stream: ByteStream, received: Buffer, route: Route, serverName: string): StreamOwner;
}

/** Longer hellos are nobody's: those with post-quantum key shares have about 2 KiB. */
const HELLO_BYTES = 16_384;
/** A handshake that takes longer makes room for others when there are too many. */
const PATIENCE_MS = 1000;
const LINGER_MS = 1000;

/** Alerts that we send ourselves, before OpenSSL has the connection (RFC 8446 6.2). */
const DECODE_ERROR = 50;
const UNRECOGNIZED_NAME = 112;

const PLAINTEXT_BODY = '400 The plain HTTP request was sent to the HTTPS port\n';
const PLAINTEXT_ANSWER =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n' +
  `Content-Length: ${PLAINTEXT_BODY.length}\r\n\r\n${PLAINTEXT_BODY}`;

export class TlsHandshake implements StreamOwner, Timed {
  readonly #listener: TlsListener;
  #stream: ByteStream;
  #secure: SecureStream | null = null;
  #received: Buffer | null = null;
  #serverName = '';
  #terms = '';
  #clientAuth: ClientAuthPatch | null = null;
  #since = 0;
  /** Refused or given up: what still comes is dropped. */
  #over = false;
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;

  constructor(listener: TlsListener, stream: ByteStream) {
    this.#listener = listener;
    this.#stream = stream;
    listener.waiting.add(this);
    const { wheel, config } = listener.dataplane;
    wheel.set(this, config.timeouts.tlsHandshake);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#over) return;
    const piece = bytes.subarray(start, end);
    // A copy: the transport reads into its buffer again.
    const received = this.#received === null ? Buffer.from(piece) : Buffer.concat([this.#received, piece]);
    this.#received = received;
    const first = readClientHello(received);
    switch (first.kind) {
      case 'hello':
        return this.#begin(first.hello, received);
      case 'more':
        if (received.length > HELLO_BYTES) this.#refuse(alert(DECODE_ERROR));
        return;
      case 'plaintext':
        return this.#refuse(PLAINTEXT_ANSWER);
      case 'invalid':
        return this.#refuse(alert(DECODE_ERROR));
      default:
        return first satisfies never;
    }
  }

  #begin(hello: ClientHello, received: Buffer): void {
    const { dataplane, tls, server, protocols, running } = this.#listener;
    const passthrough = tls.passthroughOf(hello.serverName);
    if (passthrough !== null) return this.#passThrough(passthrough, hello.serverName, received);
    const chosen = tls.choose(hello);
    if (chosen === null) return this.#refuse(alert(UNRECOGNIZED_NAME));
    if (running.size >= dataplane.config.limits.tlsHandshakes && !this.#makeRoom()) {
      dataplane.stats.counters['limit_hits_total:tls_handshakes']++;
      this.#over = true;
      return this.#stream.destroy();
    }
    this.#received = null;
    this.#serverName = hello.serverName;
    this.#terms = tls.termsOf(hello.serverName);
    this.#since = dataplane.wheel.now;
    running.add(this);
    const { context, clientAuth } = chosen;
    this.#clientAuth = clientAuth;
    const askCertificate = clientAuth?.kind === 'ask';
    const settings = { context, protocols, askCertificate };
    this.#secure = server.secure(this.#stream, received, settings, this);
    this.#stream = this.#secure;
  }

  #passThrough(route: Route, serverName: string, received: Buffer): void {
    this.#leave();
    this.#received = null;
    this.#stream.owner = this.#listener.passThrough(this.#stream, received, route, serverName);
  }

  /** Drops the oldest handshake if it is slower than an honest client; false when all are young. */
  #makeRoom(): boolean {
    const { dataplane, running } = this.#listener;
    const [oldest] = running;
    if (oldest === undefined || dataplane.wheel.now - oldest.#since < PATIENCE_MS) return false;
    dataplane.stats.counters['limit_hits_total:tls_handshakes']++;
    running.delete(oldest);
    oldest.#stream.destroy();
    return true;
  }

  /** The handshake is over. */
  onConnect(): void {
    const { dataplane, tls } = this.#listener;
    const stream = this.#secure!;
    // The hello we read chose the certificate: a second one (after a retry request) must not name another host.
    const { serverName } = stream;
    if (serverName !== '' && canonical(serverName) !== this.#serverName) return stream.reset();
    dataplane.stats.counters[stream.resumed ? 'tls_handshakes_total:resumed' : 'tls_handshakes_total:full']++;
    this.#leave();
    if (this.#clientAuth !== null) stream.identity = identify(this.#clientAuth, stream.clientCertificate());
    stream.terms = { serverName: this.#serverName, terms: this.#terms };
    const connection = this.#listener.accept(stream);
    stream.owner = connection;
    // The table may have changed within the handshake.
    if (tls.termsOf(this.#serverName) !== this.#terms) connection.drain();
  }

  /** Says why and closes. */
  #refuse(answer: string): void {
    const { dataplane } = this.#listener;
    this.#over = true;
    this.#received = null;
    dataplane.stats.counters['tls_handshakes_total:failed']++;
    this.#stream.write(answer);
    this.#stream.end();
    dataplane.wheel.set(this, LINGER_MS);
  }

  onDeadline(): void {
    if (!this.#over) this.#listener.dataplane.stats.counters['limit_hits_total:tls_handshake_timeout']++;
    this.#over = true;
    this.#stream.destroy();
  }

  onEnd(): void {
    this.#stream.destroy();
  }

  onClose(): void {
    if (this.#secure !== null && !this.#over) {
      this.#listener.dataplane.stats.counters['tls_handshakes_total:failed']++;
    }
    this.#leave();
  }

  /** The connection that it is about. */
  get stream(): ByteStream {
    return this.#secure ?? this.#stream;
  }

  /** When a drain begins nobody waits for clients that have not said what they want. */
  drain(): void {
    if (this.#secure === null) this.#stream.destroy();
  }

  #leave(): void {
    const { dataplane, waiting, running } = this.#listener;
    waiting.delete(this);
    running.delete(this);
    dataplane.wheel.remove(this);
  }

  onBlocked(): void {}

  onDrain(): void {}
}

function canonical(serverName: string): string {
  const lower = serverName.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** A fatal alert in a record of its own. */
function alert(description: number): string {
  return `\x15\x03\x03\x00\x02\x02${String.fromCharCode(description)}`;
}
