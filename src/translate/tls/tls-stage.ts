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
import { nextTurn, onePerKeyType, secretProblems, type TlsClaim } from './claims.ts';
import { notOwner } from './passthrough.ts';
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
  /** When the default certificate becomes valid or expires, in ms since the epoch. */
  nextLook = Infinity;

  constructor(options: TranslateOptions, ledger: ProblemLedger, secrets: SecretCertificates) {
    this.#options = options;
    this.#ledger = ledger;
    this.#secrets = secrets;
  }

  /** Gives the whole table; the same as before when nothing changed. `ownerOf` tells who was first at a host. */
  update(
    snapshot: Snapshot,
    parts: readonly PartChange[],
    ownerOf: (host: Hostname) => IngressPart | null,
  ): TlsTable {
    const touched = new Set<Hostname>();
    for (const part of parts) this.#reclaim(part, touched);
    for (const part of parts) this.#touchPassing(part, touched);
    const changes = new Map<Hostname, TlsClaim | null>();
    for (const host of touched) changes.set(host, this.#merge(host, ownerOf(host)));
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
   * are asked for as the oldest of the namespace that was first says. Only the owner of the host, with TLS or without,
   * may have it passed through.
   */
  #merge(host: Hostname, hostOwner: IngressPart | null): TlsClaim | null {
    const claimants = this.#claimants.get(host);
    this.#ledger.set(`passthrough ${host}`, strangers(host, claimants, hostOwner));
    if (claimants === undefined) return null;
    const passed = hostOwner?.tls.get(host);
    if (passed?.passthrough) return passed;
    const parts = [...claimants.values()]
      .filter((part) => part.tls.get(host)!.passthrough === null)
      .sort((a, b) => byPrecedence(a.ingress.meta, b.ingress.meta));
    const owner = parts.find((part) => part.tls.get(host)!.certificates.length > 0) ?? parts[0];
    if (owner === undefined) return { certificates: [], clientAuth: null, passthrough: null };
    const own = claimsOf(owner.ingress.meta.namespace, parts, host);
    const first = claimsOf(parts[0]!.ingress.meta.namespace, parts, host);
    return {
      certificates: onePerKeyType(own.flatMap((claim) => claim.certificates)),
      clientAuth: first.find((claim) => claim.clientAuth !== null)?.clientAuth ?? null,
      passthrough: null,
    };
  }

  /** An Ingress without TLS that comes to a host, or leaves it, may change who owns it. */
  #touchPassing({ before, after }: PartChange, touched: Set<Hostname>): void {
    for (const part of [before, after]) {
      for (const host of part?.claims.keys() ?? []) {
        const claimants = this.#claimants.get(host)?.values();
        if (claimants?.some((each) => each.tls.get(host)!.passthrough !== null)) touched.add(host);
      }
    }
  }

  #default(snapshot: Snapshot): TlsClaim | null {
    const { defaultCertificate: key, fallbackCertificate, now } = this.#options;
    const fallback = fallbackCertificate === null ? null : plain(fallbackCertificate);
    if (key === null) return fallback;
    const secret = snapshot.secrets.get(key);
    const found = this.#secrets.of(key, secret);
    const time = now();
    this.nextLook = nextTurn(found.certificate, time);
    const texts = secretProblems(found, key, secret !== undefined, '', time);
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

/** Those who want the host passed through and do not own it. */
function strangers(
  host: Hostname,
  claimants: ReadonlyMap<ObjectKey, IngressPart> | undefined,
  owner: IngressPart | null,
): Problem[] {
  if (owner === null || owner.tls.get(host)?.passthrough) return [];
  const passing = [...(claimants?.values() ?? [])].filter((part) => part.tls.get(host)!.passthrough !== null);
  return passing.map((part) => notOwner(part, host, owner));
}

function plain(certificate: Certificate): TlsClaim {
  return { certificates: [certificate], clientAuth: null, passthrough: null };
}

function entryOf(host: Hostname, { certificates, clientAuth, passthrough }: TlsClaim): TlsHost {
  return { host, certificates: certificates.map(({ id }) => id), clientAuth, passthrough };
}

function isSameClaim(a: TlsClaim, b: TlsClaim): boolean {
  if (a.passthrough !== b.passthrough || a.clientAuth?.id !== b.clientAuth?.id) return false;
  if (a.certificates.length !== b.certificates.length) return false;
  return a.certificates.every(({ id }, at) => id === b.certificates[at]!.id);
}
