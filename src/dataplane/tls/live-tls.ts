/**
 * The TLS part of one worker's routing table: which host has which certificates, the secure contexts made of
 * them, and the keys of session tickets.
 */
import type { SecureContext } from 'node:tls';
import type { CertificateId } from '../../model/certificate.ts';
import type { Hostname } from '../../model/keys.ts';
import type { Route } from '../../model/routing-table.ts';
import type { CertificatePatch, ClientAuthPatch, TlsHostPatch, TlsPatch } from '../../model/tls-patch.ts';
import type { TlsConfig } from '../config.ts';
import { TextTable } from '../text-table.ts';
import type { ClientHello } from './client-hello.ts';
import { makeSecureContext } from './secure-context.ts';

/** Contexts take about 40 KiB each; beyond this many those that were not used for longest are dropped. */
const MOST_CONTEXTS = 4096;

export interface Chosen {
  readonly context: SecureContext;
  /** What the client is asked for; null for nothing. */
  readonly clientAuth: ClientAuthPatch | null;
}

/** Under which terms a connection was made: when they change, it is to make place for a new one. */
export interface TlsTerms {
  /** In its one spelling; '' for none. */
  readonly serverName: string;
  /** See {@link LiveTls.termsOf}. */
  readonly terms: string;
}

interface LiveHost extends TlsHostPatch {
  /** As it stands in its table: the name, or what follows the `*`. */
  readonly text: string;
  readonly terms: string;
}

export class LiveTls {
  readonly #config: TlsConfig;
  readonly #onUnusable: (certificate: CertificateId, reason: string) => void;
  readonly #exactHosts = new TextTable<LiveHost>();
  readonly #wildcardHosts = new TextTable<LiveHost>();
  readonly #certificates = new Map<CertificateId, CertificatePatch>();
  /** By certificates and ticket key; least recently used first. */
  readonly #contexts = new Map<string, SecureContext | null>();
  /** How many hosts ask for client certificates. */
  #asking = 0;
  /** How many are passed through. */
  #passing = 0;
  /** 48 bytes each, the one for new tickets first. */
  #ticketKeys: readonly Buffer[] = [];
  #staged: TlsPatch[] = [];
  #termsChanged = false;

  /** `onUnusable` is told when OpenSSL refuses a certificate; its hosts get the default one. */
  constructor(config: TlsConfig, onUnusable: (certificate: CertificateId, reason: string) => void) {
    this.#config = config;
    this.#onUnusable = onUnusable;
  }

  /** Takes one piece of the next table. */
  stage(patch: TlsPatch): void {
    this.#staged.push(patch);
  }

  /** Makes all that was staged live. True when the terms of some names may have changed: see {@link termsOf}. */
  commit(): boolean {
    const staged = this.#staged;
    this.#staged = [];
    this.#termsChanged = false;
    for (const { certificates, hosts } of staged) {
      for (const certificate of certificates) this.#certificates.set(certificate.id, certificate);
      for (const host of hosts) this.#setHost(host);
    }
    for (const { removedCertificates, removedHosts } of staged) {
      for (const host of removedHosts) this.#removeHost(host);
      for (const id of removedCertificates) this.#certificates.delete(id);
    }
    if (staged.some(({ removedCertificates }) => removedCertificates.length > 0)) this.#dropContexts();
    return this.#termsChanged;
  }

  /**
   * What a connection for this name is bound to besides its certificate: which entry serves it, what it asks of
   * clients, whether it is passed through. A certificate that is renewed changes nothing of that.
   */
  termsOf(name: string): string {
    return this.#find(name)?.terms ?? '';
  }

  #setHost(host: TlsHostPatch): void {
    const terms = host.bare
      ? ''
      : `${host.host} ${host.clientAuth?.id ?? ''}${host.passthrough === null ? '' : ' passed'}`;
    if (this.#tableOf(host.host).get(textOf(host.host))?.terms !== terms) this.#termsChanged = true;
    this.#forgetHost(host.host);
    this.#tableOf(host.host).set({ ...host, text: textOf(host.host), terms });
    if (host.clientAuth !== null) this.#asking++;
    if (host.passthrough !== null) this.#passing++;
  }

  #removeHost(host: Hostname): void {
    if (this.#forgetHost(host)) this.#termsChanged = true;
  }

  #forgetHost(host: Hostname): boolean {
    const table = this.#tableOf(host);
    const before = table.get(textOf(host));
    if (before?.clientAuth) this.#asking--;
    if (before?.passthrough) this.#passing--;
    return table.delete(textOf(host));
  }

  #tableOf(host: Hostname): TextTable<LiveHost> {
    return host.startsWith('*') ? this.#wildcardHosts : this.#exactHosts;
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
    return this.#find(host)?.bare === false;
  }

  /** Whether any host asks for client certificates. */
  get asks(): boolean {
    return this.#asking > 0;
  }

  /** What is asked of clients of this host (in its one spelling); null for nothing. */
  clientAuthOf(host: string): ClientAuthPatch | null {
    return this.#find(host)?.clientAuth ?? null;
  }

  /** Whether the connections of any host are passed through. */
  get passes(): boolean {
    return this.#passing > 0;
  }

  isPassedThrough(host: string): boolean {
    return this.passthroughOf(host) !== null;
  }

  /** Where connections for this host (in its one spelling) go as they come; null: they are served here. */
  passthroughOf(host: string): Route | null {
    return this.#find(host)?.passthrough ?? null;
  }

  /** What a client that sent this hello is answered with; null when there is not even a default certificate. */
  choose(hello: ClientHello): Chosen | null {
    const ticketKey = this.#ticketKeyFor(hello.ticketKeyName);
    const host = this.#find(hello.serverName);
    const clientAuth = host?.clientAuth ?? null;
    const fallback = this.#exactHosts.get('')?.certificates ?? [];
    const context =
      this.#context(host?.certificates ?? [], ticketKey, clientAuth) ??
      this.#context(fallback, ticketKey, clientAuth);
    return context === null ? null : { context, clientAuth };
  }

  #find(host: string): LiveHost | undefined {
    if (host === '') return undefined;
    const exact = this.#exactHosts.get(host);
    if (exact !== undefined || this.#wildcardHosts.size === 0) return exact;
    const dot = host.indexOf('.');
    return dot > 0 ? this.#wildcardHosts.get(host.slice(dot)) : undefined;
  }

  /** The key that the client's ticket was made with as long as it is known, else the newest. */
  #ticketKeyFor(name: string): Buffer | undefined {
    if (name === '') return this.#ticketKeys[0];
    return this.#ticketKeys.find((key) => key.latin1Slice(0, 16) === name) ?? this.#ticketKeys[0];
  }

  #context(
    ids: readonly CertificateId[],
    ticketKey: Buffer | undefined,
    clientAuth: ClientAuthPatch | null,
  ): SecureContext | null {
    if (ids.length === 0) return null;
    const key = `${ids.join()} ${clientAuth?.id ?? ''} ${ticketKey?.latin1Slice(0, 16)}`;
    let context = this.#contexts.get(key);
    if (context === undefined) context = this.#make(ids, ticketKey, clientAuth);
    else this.#contexts.delete(key);
    this.#contexts.set(key, context);
    if (this.#contexts.size > MOST_CONTEXTS) this.#contexts.delete(this.#contexts.keys().next().value!);
    return context;
  }

  #make(
    ids: readonly CertificateId[],
    ticketKey: Buffer | undefined,
    clientAuth: ClientAuthPatch | null,
  ): SecureContext | null {
    const certificates = ids.flatMap((id) => this.#certificates.get(id) ?? []);
    try {
      return makeSecureContext(this.#config, certificates, ticketKey, clientAuth);
    } catch (error) {
      // The code only: a message of OpenSSL may quote what it read.
      this.#onUnusable(ids[0]!, (error as NodeJS.ErrnoException).code ?? 'unknown');
      return null;
    }
  }
}

/** A name as it stands in its table. */
function textOf(host: Hostname): string {
  return host.startsWith('*') ? host.slice(1) : host;
}
