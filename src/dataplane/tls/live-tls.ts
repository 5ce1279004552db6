/**
 * The TLS part of one worker's routing table: which host has which certificates, the secure contexts made of
 * them, and the keys of session tickets.
 */
import type { SecureContext } from 'node:tls';
import type { CertificateId, TlsHost } from '../../model/certificate.ts';
import type { Hostname } from '../../model/keys.ts';
import type { CertificatePatch, TlsPatch } from '../../model/tls-patch.ts';
import type { TlsConfig } from '../config.ts';
import type { ClientHello } from './client-hello.ts';
import { makeSecureContext } from './secure-context.ts';

/** Contexts take about 40 KiB each; beyond this many those that were not used for longest are dropped. */
const MOST_CONTEXTS = 4096;

export class LiveTls {
  readonly #config: TlsConfig;
  readonly #onUnusable: (certificate: CertificateId, reason: string) => void;
  readonly #hosts = new Map<string, TlsHost>();
  readonly #certificates = new Map<CertificateId, CertificatePatch>();
  /** By certificates and ticket key; least recently used first. */
  readonly #contexts = new Map<string, SecureContext | null>();
  /** 48 bytes each, the one for new tickets first. */
  #ticketKeys: readonly Buffer[] = [];
  #staged: TlsPatch[] = [];

  /** `onUnusable` is told when OpenSSL refuses a certificate; its hosts get the default one. */
  constructor(config: TlsConfig, onUnusable: (certificate: CertificateId, reason: string) => void) {
    this.#config = config;
    this.#onUnusable = onUnusable;
  }

  /** Takes one piece of the next table. */
  stage(patch: TlsPatch): void {
    this.#staged.push(patch);
  }

  /** Makes all that was staged live. Running connections keep what they have. */
  commit(): void {
    const staged = this.#staged;
    this.#staged = [];
    for (const { certificates, hosts } of staged) {
      for (const certificate of certificates) this.#certificates.set(certificate.id, certificate);
      for (const host of hosts) this.#hosts.set(host.host, host);
    }
    for (const { removedCertificates, removedHosts } of staged) {
      for (const host of removedHosts) this.#hosts.delete(host);
      for (const id of removedCertificates) this.#certificates.delete(id);
    }
    if (staged.some(({ removedCertificates }) => removedCertificates.length > 0)) this.#dropContexts();
  }

  /** Drops the contexts of certificates that are gone. */
  #dropContexts(): void {
    for (const key of this.#contexts.keys()) {
      const ids = key.slice(0, key.indexOf(' ')).split(',') as CertificateId[];
      if (!ids.every((id) => this.#certificates.has(id))) this.#contexts.delete(key);
    }
  }

  /** Takes the ticket keys from now on in use, newest first; tickets of keys that are gone cost a full handshake. */
  setTicketKeys(keys: readonly Buffer[]): void {
    this.#ticketKeys = keys;
    this.#contexts.clear();
  }

  /** Whether requests for this host (in its one spelling) can be asked over TLS with a certificate meant for it. */
  hasHost(host: string): boolean {
    return host !== '' && this.#find(host) !== undefined;
  }

  /** What a client that sent this hello is answered with; null when there is not even a default certificate. */
  choose(hello: ClientHello): SecureContext | null {
    const ticketKey = this.#ticketKeyFor(hello.ticketKeyName);
    const own = this.#find(hello.serverName)?.certificates ?? [];
    const fallback = this.#hosts.get('')?.certificates ?? [];
    return this.#context(own, ticketKey) ?? this.#context(fallback, ticketKey);
  }

  #find(host: string): TlsHost | undefined {
    if (host === '') return undefined;
    const exact = this.#hosts.get(host);
    if (exact !== undefined) return exact;
    const dot = host.indexOf('.');
    return dot > 0 ? this.#hosts.get(`*${host.slice(dot)}` as Hostname) : undefined;
  }

  /** The key that the client's ticket was made with as long as it is known, else the newest. */
  #ticketKeyFor(name: string): Buffer | undefined {
    if (name === '') return this.#ticketKeys[0];
    return this.#ticketKeys.find((key) => key.latin1Slice(0, 16) === name) ?? this.#ticketKeys[0];
  }

  #context(ids: readonly CertificateId[], ticketKey: Buffer | undefined): SecureContext | null {
    if (ids.length === 0) return null;
    const key = `${ids.join()} ${ticketKey?.latin1Slice(0, 16)}`;
    let context = this.#contexts.get(key);
    if (context === undefined) context = this.#make(ids, ticketKey);
    else this.#contexts.delete(key);
    this.#contexts.set(key, context);
    if (this.#contexts.size > MOST_CONTEXTS) this.#contexts.delete(this.#contexts.keys().next().value!);
    return context;
  }

  #make(ids: readonly CertificateId[], ticketKey: Buffer | undefined): SecureContext | null {
    const certificates = ids.flatMap((id) => this.#certificates.get(id) ?? []);
    try {
      return makeSecureContext(this.#config, certificates, ticketKey);
    } catch (error) {
      // The code only: a message of OpenSSL may quote what it read.
      this.#onUnusable(ids[0]!, (error as NodeJS.ErrnoException).code ?? 'unknown');
      return null;
    }
  }
}
