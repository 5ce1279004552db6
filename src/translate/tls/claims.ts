/** What one Ingress says about TLS: which hosts, with which certificates. */
import type { Certificate, ClientAuth } from '../../model/certificate.ts';
import { type Hostname, hostname, type ObjectKey, objectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { type ProblemText, problemOf } from '../../model/problem-of.ts';
import type { Route } from '../../model/routing-table.ts';
import type { Ingress, Secret } from '../../model/snapshot.ts';
import { covers } from './certificate.ts';
import { type ClientAuthAsked, readClientAuth } from './client-auth.ts';
import type { SecretCertificate, SecretCertificates } from './secret-certificates.ts';

/** What one Ingress wants of one host. */
export interface TlsClaim {
  /** Empty: the default certificate will do. */
  readonly certificates: readonly Certificate[];
  readonly clientAuth: ClientAuth | null;
  /** Where connections are to go as they come; null: they are served here. */
  readonly passthrough: Route | null;
  /** See {@link TlsHost.bare}. */
  readonly bare: boolean;
}

/** What a host has whose TLS is left to the default certificate. */
export const BARE_CLAIM: TlsClaim = { certificates: [], clientAuth: null, passthrough: null, bare: true };

export interface TlsClaims {
  readonly claims: ReadonlyMap<Hostname, TlsClaim>;
  /** What clients of all its hosts are asked for; null: nothing. */
  readonly clientAuth: ClientAuth | null;
  readonly problems: readonly Problem[];
  /** The Secrets that were looked up, found or not. */
  readonly secrets: ReadonlySet<ObjectKey>;
  /** When one of the certificates becomes valid or expires next, in ms since the epoch. */
  readonly nextLook: number;
}

/** An entry of `spec.tls`. */
interface Entry {
  readonly index: number;
  readonly hosts: readonly Hostname[];
  readonly secretName: string | null;
  readonly certificate: Certificate | null;
}

/**
 * As ingress-nginx does it: an Ingress with `spec.tls` serves all its hosts with TLS; a host has the certificates
 * of the entries that list it, else of those whose certificates are for it, else the default one. Hosts that are
 * `passed` through have none of that. `now` in ms.
 */
export function claimTls(
  ingress: Ingress,
  secrets: ReadonlyMap<ObjectKey, Secret>,
  certificates: SecretCertificates,
  asked: ClientAuthAsked,
  passed: ReadonlyMap<Hostname, Route>,
  now: number,
): TlsClaims {
  const used = new Set<ObjectKey>();
  const texts: ProblemText[] = [];
  const entries = ingress.tls.map(({ hosts, secretName }, index): Entry => {
    const listed = hosts.map(hostname);
    if (secretName === null) return { index, hosts: listed, secretName, certificate: null };
    const key = objectKey(ingress.meta.namespace, secretName);
    used.add(key);
    const found = certificates.of(key, secrets.get(key));
    texts.push(...secretProblems(found, key, secrets.has(key), `spec.tls[${index}].secretName`, now));
    return { index, hosts: listed, secretName, certificate: found.certificate };
  });
  const { clientAuth, problem, secret } = readClientAuth(ingress, asked, secrets);
  if (secret !== null) used.add(secret);
  if (problem !== null) texts.push(problem);
  const claims = new Map<Hostname, TlsClaim>();
  for (const host of hostsOf(ingress, entries, clientAuth !== null)) {
    if (passed.has(host)) continue;
    claims.set(host, {
      certificates: certificatesFor(host, entries, texts),
      clientAuth,
      passthrough: null,
      bare: false,
    });
  }
  for (const [host, passthrough] of passed)
    claims.set(host, { certificates: [], clientAuth: null, passthrough, bare: false });
  const problems = texts.map((text) => problemOf(ingress, text));
  const nextLook = Math.min(...entries.map(({ certificate }) => nextTurn(certificate, now)));
  return { claims, clientAuth, problems, secrets: used, nextLook };
}

/** Client certificates need TLS, so hosts that ask for them have it even without an entry. */
function hostsOf(ingress: Ingress, entries: readonly Entry[], asks: boolean): ReadonlySet<Hostname> {
  if (entries.length === 0 && !asks) return new Set();
  const hosts = new Set(entries.flatMap((entry) => entry.hosts));
  for (const rule of ingress.rules) hosts.add(hostname(rule.host));
  hosts.delete('' as Hostname);
  return hosts;
}

function certificatesFor(host: Hostname, entries: readonly Entry[], texts: ProblemText[]): Certificate[] {
  const listing = entries.filter((entry) => entry.hosts.includes(host));
  const chosen: Certificate[] = [];
  for (const { index, hosts, certificate, secretName } of listing.length > 0 ? listing : entries) {
    if (certificate === null) continue;
    if (covers(certificate, host)) chosen.push(certificate);
    else if (listing.length > 0)
      texts.push(
        notCovered(host, certificate, secretName!, `spec.tls[${index}].hosts[${hosts.indexOf(host)}]`),
      );
  }
  return onePerKeyType(chosen);
}

/** A handshake can choose between RSA and ECDSA, not between two of the same kind: the first is taken. */
export function onePerKeyType(certificates: readonly Certificate[]): Certificate[] {
  return certificates.filter(
    ({ keyType }, at) => certificates.findIndex((each) => each.keyType === keyType) === at,
  );
}

function notCovered(
  host: Hostname,
  certificate: Certificate,
  secretName: string,
  field: string,
): ProblemText {
  const names = certificate.names.slice(0, 5).join(', ') || 'no name at all';
  return {
    severity: 'warning',
    reason: 'HostNotCovered',
    field,
    message: `the certificate in Secret "${secretName}" is for ${names}, not for "${host}"; that host is served with the default certificate`,
  };
}

/** When what is said about the dates of a certificate will change, in ms since the epoch; Infinity for never. */
export function nextTurn(certificate: Certificate | null, now: number): number {
  if (certificate === null) return Infinity;
  if (certificate.notBefore > now) return certificate.notBefore;
  // It is valid at that very moment still (RFC 5280 4.1.2.5).
  return certificate.notAfter >= now ? certificate.notAfter + 1 : Infinity;
}

/** What is to be said about a Secret and its certificate, whoever names it in `field`. */
export function secretProblems(
  { certificate, fault }: SecretCertificate,
  key: ObjectKey,
  exists: boolean,
  field: string,
  now: number,
): ProblemText[] {
  const texts: ProblemText[] = [];
  if (fault !== null) {
    const now =
      certificate === null ? 'the default certificate is used' : 'the last good certificate is still used';
    const reason = exists ? 'InvalidSecret' : 'SecretNotFound';
    texts.push({ severity: 'error', reason, field, message: `${fault}; ${now} until that is mended` });
  }
  if (certificate !== null && certificate.notAfter < now) {
    const message = `the certificate in Secret ${key} expired at ${dateOf(certificate.notAfter)}; it is served all the same, and clients will refuse it`;
    texts.push({ severity: 'warning', reason: 'CertificateExpired', field, message });
  }
  if (certificate !== null && certificate.notBefore > now) {
    const message = `the certificate in Secret ${key} is not valid before ${dateOf(certificate.notBefore)}; it is served all the same, and clients will refuse it until then`;
    texts.push({ severity: 'warning', reason: 'CertificateNotYetValid', field, message });
  }
  return texts;
}

function dateOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
