/** TLS towards one endpoint: the settings, and what connections to it have in common. */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import {
  createSecureContext,
  DEFAULT_CIPHERS,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls';
import type { UpstreamProtocol } from '../../model/routing-table.ts';
import type { UpstreamTlsId, UpstreamTlsPatch } from '../../model/upstream-tls.ts';

/** Node.js leaves TLS 1.3 out of a list of suites that names none of it. */
const TLS13_SUITES = DEFAULT_CIPHERS.split(':')
  .filter((name) => name.startsWith('TLS_'))
  .join(':');

/** Told of settings that OpenSSL refuses, with the code of its error; nothing is sent to their endpoints. */
export type OnUnusable = (settings: UpstreamTlsId, reason: string) => void;

/** The settings with the secure context made of them, for all endpoints that are spoken to in this way. */
export class OutgoingSettings {
  readonly settings: UpstreamTlsPatch;
  readonly #onUnusable: OnUnusable;
  #context: SecureContext | null | undefined;

  constructor(settings: UpstreamTlsPatch, onUnusable: OnUnusable) {
    this.settings = settings;
    this.#onUnusable = onUnusable;
  }

  /** null when OpenSSL refuses the settings; told once. */
  context(): SecureContext | null {
    if (this.#context === undefined) this.#context = this.#make();
    return this.#context;
  }

  #make(): SecureContext | null {
    try {
      return createSecureContext(contextOptions(this.settings));
    } catch (error) {
      // The code only: a message of OpenSSL may quote what it read.
      this.#onUnusable(this.settings.id, (error as NodeJS.ErrnoException).code ?? 'unknown');
      return null;
    }
  }
}

export class OutgoingTls {
  readonly settings: UpstreamTlsPatch;
  /** What is offered by ALPN (RFC 7301). */
  readonly protocol: 'h2' | 'http/1.1';
  /** Sent in the handshake; '' for none. Never an address, and without final dot (RFC 6066 3). */
  readonly serverName: string;
  /**
   * The newest session of a connection whose certificate was found good: one per endpoint, as servers take a ticket
   * more than once and a refused one costs no more than a full handshake.
   */
  session: Buffer | null = null;
  readonly #shared: OutgoingSettings;

  constructor(shared: OutgoingSettings, protocol: UpstreamProtocol) {
    this.#shared = shared;
    this.settings = shared.settings;
    this.protocol = protocol === 'http2' ? 'h2' : 'http/1.1';
    const name = shared.settings.serverName.replace(/\.$/, '');
    this.serverName = isIP(name) === 0 ? name : '';
  }

  context(): SecureContext | null {
    return this.#shared.context();
  }

  /** A handshake with it failed: the next is made from scratch. */
  forgetSession(): void {
    this.session = null;
  }
}

function contextOptions(settings: UpstreamTlsPatch): SecureContextOptions {
  const { verify, authorities, identity, minVersion, maxVersion, ciphers } = settings;
  return {
    // An empty list: nobody looks at them. Without any Node.js takes the public roots.
    ...(verify === null ? { ca: [] } : authorities === null ? {} : { ca: authorities }),
    ...(identity === null ? {} : { cert: identity.chain, key: identity.privateKey }),
    minVersion,
    maxVersion,
    ...(ciphers === '' ? {} : { ciphers: `${TLS13_SUITES}:${ciphers}` }),
    // Compression tells secrets (CRIME); renegotiation is of no use to us.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
  };
}
