/** A `kubernetes.io/tls` Secret → a certificate that a handshake can use, or what is wrong with it. */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Certificate, CertificateId } from '../../model/certificate.ts';
import { type Secret, SecretBytes } from '../../model/snapshot.ts';
import { textOf } from './authorities.ts';

export type ReadCertificate =
  | { readonly certificate: Certificate; readonly fault: null }
  /** A clause for a message; it never quotes the content. */
  | { readonly certificate: null; readonly fault: string };

const TLS_TYPE = 'kubernetes.io/tls';
const BLOCK = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g;
/** A chain is a handful; a Secret may hold a megabyte of them. */
const MAX_CHAIN = 16;
const MIN_RSA_BITS = 2048;
const CURVES: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

export function readCertificate(secret: Secret): ReadCertificate {
  if (secret.type === TLS_TYPE) return readKeyPair(secret);
  const fault = `Secret ${secret.meta.key} is of type "${secret.type}", expected ${TLS_TYPE}`;
  return { certificate: null, fault };
}

/**
 * The same of a Secret of any type. Puts the chain into order (leaf first) and leaves out what does not belong to it.
 * Dates are not looked at.
 */
export function readKeyPair(secret: Secret): ReadCertificate {
  const where = `Secret ${secret.meta.key}`;
  const broken = (what: string): ReadCertificate => ({ certificate: null, fault: `${where} ${what}` });
  const missing = ['tls.crt', 'tls.key'].filter((name) => textOf(secret, name).trim() === '');
  if (missing.length > 0) return broken(`has no ${missing.join(' and no ')}`);

  const blocks = textOf(secret, 'tls.crt').match(BLOCK) ?? [];
  if (blocks.length === 0) return broken('has no PEM certificate in tls.crt');
  if (blocks.length > MAX_CHAIN)
    return broken(`has ${blocks.length} certificates in tls.crt, more than ${MAX_CHAIN}`);
  const certificates = blocks.map(parseCertificate);
  const unreadable = certificates.indexOf(null);
  if (unreadable >= 0)
    return broken(`has a certificate in tls.crt (number ${unreadable + 1}) that cannot be read`);
  const key = parseKey(textOf(secret, 'tls.key'));
  if (key === null) return broken('has no PEM private key without passphrase in tls.key');

  const chain = ordered(certificates as X509Certificate[], key);
  if (chain === null) return broken('has a tls.key that does not fit the certificate in tls.crt');
  const weakness =
    weaknessOf(key) ?? (chain.some(hasSha1Signature) ? 'has a certificate with a SHA-1 signature' : null);
  if (weakness !== null) return broken(`${weakness}, which is no longer accepted`);
  return { certificate: made(chain, key), fault: null };
}

function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function parseKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

/** The certificate of the key, its issuer, the issuer's issuer …; null when none is of the key. */
function ordered(certificates: readonly X509Certificate[], key: KeyObject): X509Certificate[] | null {
  let next = certificates.find((each) => each.checkPrivateKey(key));
  if (next === undefined) return null;
  const chain: X509Certificate[] = [];
  const left = new Set(certificates);
  while (next !== undefined) {
    const last: X509Certificate = next;
    chain.push(last);
    left.delete(last);
    next = [...left].find((each) => last.checkIssued(each));
  }
  return chain;
}

function weaknessOf(key: KeyObject): string | null {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return (details.modulusLength ?? 0) < MIN_RSA_BITS
        ? `has an RSA key of ${details.modulusLength} bits`
        : null;
    case 'ec':
      return CURVES.has(details.namedCurve) ? null : `has a key on the curve ${details.namedCurve}`;
    case 'ed25519':
      return null;
    default:
      return `has a key of type ${key.asymmetricKeyType}`;
  }
}

/** A root signs itself, and nobody checks how. */
function hasSha1Signature(certificate: X509Certificate): boolean {
  return /sha1/i.test(certificate.signatureAlgorithm ?? '') && !certificate.checkIssued(certificate);
}

function made(chain: readonly X509Certificate[], key: KeyObject): Certificate {
  const [leaf] = chain;
  const text = chain.map((each) => each.toString()).join('');
  return {
    id: createHash('sha256').update(text).digest('hex') as CertificateId,
    keyType: key.asymmetricKeyType as Certificate['keyType'],
    chain: new SecretBytes(Buffer.from(text)),
    privateKey: new SecretBytes(Buffer.from(key.export({ type: 'pkcs8', format: 'pem' }))),
    names: namesOf(leaf!),
    notBefore: leaf!.validFromDate.getTime(),
    notAfter: leaf!.validToDate.getTime(),
  };
}

/** The DNS names, or the common name of a certificate without any, which ingress-nginx takes too. */
function namesOf(certificate: X509Certificate): string[] {
  const names = [...(certificate.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^\s,"]+)/g)].map(
    ([, name]) => name!,
  );
  const common = /^CN=(\S+)$/m.exec(certificate.subject)?.[1];
  const found = names.length > 0 || common === undefined ? names : [common];
  return found.map((name) => name.toLowerCase());
}

/** RFC 6125: the name itself, or a wildcard in the place of its first label. `host` may be a wildcard. */
export function covers(certificate: Certificate, host: string): boolean {
  if (certificate.names.includes(host)) return true;
  const dot = host.indexOf('.');
  return dot > 0 && !host.startsWith('*') && certificate.names.includes(`*${host.slice(dot)}`);
}
