import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Certificate, CertificateId } from '../model/certificate.ts';
import { SecretBytes } from '../model/snapshot.ts';
import { makeCertificate } from './x509.ts';

const NAME = 'Tidegate default certificate';
/** Reserved for names that resolve nowhere (RFC 6761). */
const HOST = 'tidegate.invalid';
const DAY_MS = 24 * 3600 * 1000;

/**
 * The certificate of last resort, for hosts without one when no default is given: no client trusts it, but the
 * port answers, and what is missing can be seen. A fresh P-256 key, valid from a day before `now` (ms) for a year.
 */
export function selfSignedCertificate(now: number): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const notBefore = now - DAY_MS;
  const notAfter = now + 365 * DAY_MS;
  const der = makeCertificate({
    subject: NAME,
    issuer: NAME,
    dnsNames: [HOST],
    notBefore,
    notAfter,
    publicKey,
    signer: privateKey,
    usage: 'server',
  });
  const certificate = new X509Certificate(der);
  return {
    id: certificate.fingerprint256.replaceAll(':', '').toLowerCase() as CertificateId,
    keyType: 'ec',
    chain: new SecretBytes(Buffer.from(certificate.toString())),
    privateKey: new SecretBytes(Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }))),
    names: [HOST],
    notBefore,
    notAfter,
  };
}
