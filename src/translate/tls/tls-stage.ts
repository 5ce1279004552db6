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
import type { HostTable } from '../../model/routing-table.ts';
import { withEdits } from '../../model/shared-map.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { type HostOwnership, wildcardOf, wildcardsFirst } from '../ingress/host-ownership.ts';
import type { IngressPart } from '../ingress/ingress.ts';
import type { PartChange } from '../ingress/ingress-stage.ts';
import { byPrecedence } from '../ingress/precedence.ts';
import type { TranslateOptions } from '../options.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import { BARE_CLAIM, nextTurn, onePerKeyType, secretProblems, type TlsClaim } from './claims.ts';
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

  /**
   * Gives the whole table; the same as before when nothing changed. `parts` are without the TLS of those that do not
   * own a host; `hosts` are those with rules.
   */
  update(
    snapshot: Snapshot,
    parts: readonly PartChange[],
    hosts: ReadonlyMap<Hostname, HostTable>,
    ownership: HostOwnership,
  ): TlsTable {
    const touched = new Set<Hostname>(ownership.touched);
    for (const part of parts) this.#reclaim(part, touched);
    const changes = new Map<Hostname, TlsClaim | null>();
    // Wildcards first: what a covered host does depends on what they do.
    for (const host of wildcardsFirst(touched)) {
      const wildcard = wildcardOf(host);
      const above = changes.has(wildcard) ? changes.get(wildcard) : this.#entries.get(wildcard);
      // Most hosts without TLS have never had any.
      if (!above && !this.#claimants.has(host) && !this.#entries.has(host)) continue;
      const claim = this.#merge(host, ownership);
      const shielded = !above || wildcard === host ? claim : beneath(claim, host, above, hosts, ownership);
      changes.set(host, shielded);
    }
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
   * Only Ingresses of the namespace that owns the host are asked: the certificate is the oldest one's of each key
   * type, client certificates are asked for as the oldest says that does, and the oldest with rules may have it passed
   * through. Null: nobody wants TLS.
   */
  #merge(host: Hostname, ownership: HostOwnership): TlsClaim | null {
    const claimants = this.#claimants.get(host);
    const servant = ownership.servantOf(host);
    this.#ledger.set(`passthrough ${host}`, refusedPassing(host, claimants, servant));
    if (claimants === undefined) return null;
    const passed = servant?.tls.get(host);
    if (passed?.passthrough) return passed;
    const claims = [...claimants.values()]
      .sort((a, b) => byPrecedence(a.ingress.meta, b.ingress.meta))
      .map((part) => part.tls.get(host)!)
      .filter(({ passthrough }) => passthrough === null);
    return {
      certificates: onePerKeyType(claims.flatMap(({ certificates }) => certificates)),
      clientAuth: claims.find(({ clientAuth }) => clientAuth !== null)?.clientAuth ?? null,
      passthrough: null,
      bare: false,
    };
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

/** Those of the host's own namespace that want it passed through and came later. */
function refusedPassing(
  host: Hostname,
  claimants: ReadonlyMap<ObjectKey, IngressPart> | undefined,
  servant: IngressPart | null,
): Problem[] {
  if (servant === null || servant.tls.get(host)?.passthrough) return [];
  const passing = [...(claimants?.values() ?? [])].filter((part) => part.tls.get(host)!.passthrough !== null);
  return passing.map((part) => notOwner(part, host, servant));
}

/**
 * What becomes of a host's own `claim` beneath a wildcard, whose entry serves it when it has none. Another namespace's
 * neither takes its connections nor asks its clients for certificates; its certificate serves the host when the
 * wildcard was there first. But a name without rules is served by the wildcard's: it asks for what that asks for, or
 * naming it would be a way around.
 */
function beneath(
  claim: TlsClaim | null,
  host: Hostname,
  above: TlsClaim,
  hosts: ReadonlyMap<Hostname, HostTable>,
  ownership: HostOwnership,
): TlsClaim | null {
  const owner = ownership.ownerOf(host)?.ingress.meta;
  const other = ownership.ownerOf(wildcardOf(host))?.ingress.meta;
  if (owner === undefined || other === undefined) return claim;
  const hasRules = hosts.has(host);
  const isOwn = owner.namespace === other.namespace;
  if (claim !== null) {
    if (hasRules || !hosts.has(wildcardOf(host))) return claim;
    return { ...claim, clientAuth: above.clientAuth ?? (isOwn ? claim.clientAuth : null) };
  }
  if (isOwn) return null;
  const lends = above.clientAuth === null && above.passthrough === null && byPrecedence(other, owner) < 0;
  return !hasRules || lends ? null : BARE_CLAIM;
}

function plain(certificate: Certificate): TlsClaim {
  return { certificates: [certificate], clientAuth: null, passthrough: null, bare: false };
}

function entryOf(host: Hostname, { certificates, clientAuth, passthrough, bare }: TlsClaim): TlsHost {
  return { host, certificates: certificates.map(({ id }) => id), clientAuth, passthrough, bare };
}

function isSameClaim(a: TlsClaim, b: TlsClaim): boolean {
  if (a.bare !== b.bare || a.passthrough !== b.passthrough || a.clientAuth?.id !== b.clientAuth?.id)
    return false;
  if (a.certificates.length !== b.certificates.length) return false;
  return a.certificates.every(({ id }, at) => id === b.certificates[at]!.id);
}
