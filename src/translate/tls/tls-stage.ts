/** Every host that is served with TLS, from all the Ingresses that say so. */
import {
  type Certificate,
  type CertificateId,
  EMPTY_TLS_TABLE,
  type TlsHost,
  type TlsTable,
} from '../../model/certificate.ts';
import type { Hostname, ObjectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { withEdits } from '../../model/shared-map.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { IngressPart } from '../ingress/ingress.ts';
import type { PartChange } from '../ingress/ingress-stage.ts';
import { byPrecedence } from '../ingress/precedence.ts';
import type { TranslateOptions } from '../options.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import { onePerKeyType, secretProblems, type TlsClaim } from './claims.ts';
import type { SecretCertificates } from './secret-certificates.ts';

/** The entry for whoever names no host, or one without an entry. */
const DEFAULT = '' as Hostname;

export class TlsStage {
  readonly #options: TranslateOptions;
  readonly #ledger: ProblemLedger;
  readonly #secrets: SecretCertificates;
  readonly #claimants = new Map<Hostname, Map<ObjectKey, IngressPart>>();
  readonly #entries = new Map<Hostname, TlsClaim>();
  /** How many entries use a certificate. */
  readonly #uses = new Map<CertificateId, number>();
  #table: TlsTable = EMPTY_TLS_TABLE;

  constructor(options: TranslateOptions, ledger: ProblemLedger, secrets: SecretCertificates) {
    this.#options = options;
    this.#ledger = ledger;
    this.#secrets = secrets;
  }

  /** Gives the whole table; the same as before when nothing changed. */
  update(snapshot: Snapshot, parts: readonly PartChange[]): TlsTable {
    const touched = new Set<Hostname>();
    for (const part of parts) this.#reclaim(part, touched);
    const changes = new Map<Hostname, TlsClaim | null>();
    for (const host of touched) changes.set(host, this.#merge(host));
    changes.set(DEFAULT, this.#default(snapshot));
    this.#apply(changes);
    return this.#table;
  }

  #reclaim({ key, before, after }: PartChange, touched: Set<Hostname>): void {
    for (const host of before?.tls.keys() ?? []) {
      touched.add(host);
      const claimants = this.#claimants.get(host)!;
      if (claimants.delete(key) && claimants.size === 0) this.#claimants.delete(host);
    }
    if (after === null) return;
    for (const host of after.tls.keys()) {
      touched.add(host);
      const claimants = this.#claimants.get(host);
      if (claimants === undefined) this.#claimants.set(host, new Map([[key, after]]));
      else claimants.set(key, after);
    }
  }

  /**
   * The oldest Ingress that has a certificate for the host decides; others of its namespace may add one of another
   * key type, but nobody else: a certificate of a stranger must never stand in for the owner's. Client certificates
   * are asked for as the oldest of the namespace that was first says.
   */
  #merge(host: Hostname): TlsClaim | null {
    const claimants = this.#claimants.get(host);
    if (claimants === undefined) return null;
    const parts = [...claimants.values()].sort((a, b) => byPrecedence(a.ingress.meta, b.ingress.meta));
    const owner = parts.find((part) => part.tls.get(host)!.certificates.length > 0) ?? parts[0]!;
    const own = claimsOf(owner.ingress.meta.namespace, parts, host);
    const first = claimsOf(parts[0]!.ingress.meta.namespace, parts, host);
    return {
      certificates: onePerKeyType(own.flatMap((claim) => claim.certificates)),
      clientAuth: first.find((claim) => claim.clientAuth !== null)?.clientAuth ?? null,
    };
  }

  #default(snapshot: Snapshot): TlsClaim | null {
    const { defaultCertificate: key, fallbackCertificate, now } = this.#options;
    const fallback = fallbackCertificate === null ? null : plain(fallbackCertificate);
    if (key === null) return fallback;
    const secret = snapshot.secrets.get(key);
    const found = this.#secrets.of(key, secret);
    const texts = secretProblems(found, key, secret !== undefined, '', now());
    const [namespace = '', name = ''] = key.split('/');
    const object = { kind: 'Secret', namespace, name };
    const position = secret?.meta.position ?? null;
    const problems = texts.map(
      (text): Problem => ({
        ...text,
        object,
        position,
        message: `as --default-certificate: ${text.message}`,
      }),
    );
    this.#ledger.set('default certificate', problems);
    return found.certificate === null ? fallback : plain(found.certificate);
  }

  #apply(changes: ReadonlyMap<Hostname, TlsClaim | null>): void {
    const hosts = new Map<Hostname, TlsHost | undefined>();
    const touched = new Map<CertificateId, Certificate>();
    for (const [host, after] of changes) {
      const before = this.#entries.get(host) ?? null;
      if (before === after || (before && after && isSameClaim(before, after))) continue;
      for (const certificate of before?.certificates ?? []) this.#count(certificate, -1, touched);
      for (const certificate of after?.certificates ?? []) this.#count(certificate, 1, touched);
      if (after === null) this.#entries.delete(host);
      else this.#entries.set(host, after);
      hosts.set(host, after === null ? undefined : entryOf(host, after));
    }
    if (hosts.size === 0) return;
    const edits = new Map<CertificateId, Certificate | undefined>();
    for (const [id, certificate] of touched) {
      const known = this.#table.certificates.get(id);
      if (this.#uses.get(id) === undefined) edits.set(id, undefined);
      else if (known === undefined) edits.set(id, certificate);
    }
    this.#table = {
      tlsHosts: withEdits(this.#table.tlsHosts, hosts),
      certificates: withEdits(this.#table.certificates, edits),
    };
  }

  #count(certificate: Certificate, difference: number, touched: Map<CertificateId, Certificate>): void {
    const { id } = certificate;
    touched.set(id, certificate);
    const uses = (this.#uses.get(id) ?? 0) + difference;
    if (uses > 0) this.#uses.set(id, uses);
    else this.#uses.delete(id);
  }
}

function claimsOf(namespace: string, parts: readonly IngressPart[], host: Hostname): TlsClaim[] {
  return parts.filter((part) => part.ingress.meta.namespace === namespace).map((part) => part.tls.get(host)!);
}

function plain(certificate: Certificate): TlsClaim {
  return { certificates: [certificate], clientAuth: null };
}

function entryOf(host: Hostname, { certificates, clientAuth }: TlsClaim): TlsHost {
  return { host, certificates: certificates.map(({ id }) => id), clientAuth };
}

function isSameClaim(a: TlsClaim, b: TlsClaim): boolean {
  if (a.clientAuth?.id !== b.clientAuth?.id || a.certificates.length !== b.certificates.length) return false;
  return a.certificates.every(({ id }, at) => id === b.certificates[at]!.id);
}
