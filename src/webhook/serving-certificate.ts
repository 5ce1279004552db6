/** The webhook's own authority and certificate: how they are made, kept in a Secret, and when they are renewed. */
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { makeCertificate } from '../certificates/x509.ts';
import type { KeyPair } from './server.ts';

/** PEM. */
export interface ServingCertificate extends KeyPair {
  /** What the API server is told to trust: the authority, and until it is gone from use the one before. */
  readonly authority: string;
  readonly authorityKey: string;
}

const DAY_MS = 24 * 3600 * 1000;
const AUTHORITY_DAYS = 3650;
const SERVING_DAYS = 90;
/** Renewed when a third of its life is left. */
const LEFT = 1 / 3;
/** For clocks that are behind ours. */
const BEFORE_MS = DAY_MS;
const BLOCK = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g;

/** Makes both anew, or only the certificate where the authority of `before` is still good. `now` in ms. */
export function makeServing(
  dnsNames: readonly string[],
  now: number,
  before: ServingCertificate | null,
): ServingCertificate {
  const authority = before !== null && isAuthorityGood(before, now) ? before : makeAuthority(now, before);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [issuer] = authority.authority.match(BLOCK) ?? [];
  const der = makeCertificate({
    subject: dnsNames[0] ?? 'tidegate-webhook',
    issuer: commonName(new X509Certificate(issuer!)), // made or checked above
    dnsNames,
    notBefore: now - BEFORE_MS,
    notAfter: now + SERVING_DAYS * DAY_MS,
    publicKey,
    signer: createPrivateKey(authority.authorityKey),
    usage: 'server',
  });
  const { authority: trusted, authorityKey } = authority;
  return {
    certificate: new X509Certificate(der).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    authority: trusted,
    authorityKey,
  };
}

/** Whether it can be used for these names for a while. */
export function isServingGood(
  serving: ServingCertificate,
  dnsNames: readonly string[],
  now: number,
): boolean {
  try {
    const leaf = new X509Certificate(serving.certificate);
    const [first] = serving.authority.match(BLOCK) ?? [];
    if (first === undefined || !leaf.verify(new X509Certificate(first).publicKey)) return false;
    if (!leaf.checkPrivateKey(createPrivateKey(serving.key))) return false;
    return dnsNames.every((name) => leaf.checkHost(name) !== undefined) && hasTimeLeft(leaf, now);
  } catch {
    return false;
  }
}

function isAuthorityGood({ authority, authorityKey }: ServingCertificate, now: number): boolean {
  try {
    const [first] = authority.match(BLOCK) ?? [];
    const certificate = new X509Certificate(first ?? '');
    return certificate.checkPrivateKey(createPrivateKey(authorityKey)) && hasTimeLeft(certificate, now);
  } catch {
    return false;
  }
}

function hasTimeLeft({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return now >= from && to - now > (to - from) * LEFT;
}

function makeAuthority(now: number, before: ServingCertificate | null): ServingCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // The year tells it from the one before, which stays trusted while replicas still use it.
  const name = `Tidegate webhook authority ${new Date(now).toISOString().slice(0, 10)}`;
  const der = makeCertificate({
    subject: name,
    issuer: name,
    dnsNames: [],
    notBefore: now - BEFORE_MS,
    notAfter: now + AUTHORITY_DAYS * DAY_MS,
    publicKey,
    signer: privateKey,
    usage: 'authority',
  });
  const [former = ''] = before?.authority.match(BLOCK) ?? [];
  const authority = `${new X509Certificate(der).toString()}${former === '' ? '' : `${former}\n`}`;
  const authorityKey = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { certificate: '', key: '', authority, authorityKey };
}

function commonName({ subject }: X509Certificate): string {
  return /^CN=(.+)$/m.exec(subject)?.[1] ?? '';
}

/** `data` of the Secret; null when it does not hold all of it. */
export function readSecretData(data: unknown): ServingCertificate | null {
  const text = (name: string): string => {
    const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[name] : null;
    return typeof value === 'string' ? Buffer.from(value, 'base64').toString('latin1') : '';
  };
  const [certificate, key] = [text('tls.crt'), text('tls.key')];
  const [authority, authorityKey] = [text('ca.crt'), text('ca.key')];
  if ([certificate, key, authority, authorityKey].includes('')) return null;
  return { certificate, key, authority, authorityKey };
}

export function secretData(serving: ServingCertificate): Record<string, string> {
  const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
  return {
    'tls.crt': base64(serving.certificate),
    'tls.key': base64(serving.key),
    'ca.crt': base64(serving.authority),
    'ca.key': base64(serving.authorityKey),
  };
}
