/** Keys and certificates made for a test, so that none of them lies in the repository and expires there. */
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { makeCertificate } from '../../src/certificates/x509.ts';
import type { KubeObject } from './manifests.ts';

export type KeyType = 'rsa' | 'ec' | 'ed25519';

export interface CertificateOptions {
  /** Names of the subject; the first is its common name, too. */
  readonly names: readonly string[];
  readonly keyType?: KeyType;
  /** Whose certificate this is issued by; without it the certificate is self-signed. */
  readonly issuer?: TestCertificate;
  readonly usage?: 'authority' | 'server' | 'client';
  /** Days from now; a certificate is valid from yesterday for a month when not told otherwise. */
  readonly fromDays?: number;
  readonly toDays?: number;
  /** Bits of an RSA key. */
  readonly bits?: number;
}

export interface TestCertificate {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly subject: string;
  readonly privateKey: KeyObject;
}

const DAY_MS = 24 * 3600 * 1000;

export function issue(options: CertificateOptions): TestCertificate {
  const {
    names,
    keyType = 'ec',
    issuer,
    usage = 'server',
    fromDays = -1,
    toDays = 30,
    bits = 2048,
  } = options;
  const { publicKey, privateKey } = keyPair(keyType, bits);
  const subject = names[0] ?? 'nobody';
  const now = Date.now();
  const der = makeCertificate({
    subject,
    issuer: issuer?.subject ?? subject,
    dnsNames: usage === 'authority' ? [] : names,
    notBefore: now + fromDays * DAY_MS,
    notAfter: now + toDays * DAY_MS,
    publicKey,
    signer: issuer?.privateKey ?? privateKey,
    usage,
  });
  const certificate = new X509Certificate(der);
  return {
    certificate: certificate.toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    fingerprint: certificate.fingerprint256,
    subject,
    privateKey,
  };
}

function keyPair(type: KeyType, modulusLength: number): { publicKey: KeyObject; privateKey: KeyObject } {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength });
  if (type === 'ec') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return generateKeyPairSync('ed25519');
}

/** A Secret `default/<name>` of type kubernetes.io/tls; `chain` follows the certificate. */
export function tlsSecret(
  name: string,
  { certificate, key }: Pick<TestCertificate, 'certificate' | 'key'>,
  chain: readonly TestCertificate[] = [],
): KubeObject {
  const text = certificate + chain.map((each) => each.certificate).join('');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name, namespace: 'default' },
    stringData: { 'tls.crt': text, 'tls.key': key },
  };
}

/** The Ingress with `spec.tls` entries, each `{ hosts, secretName }`. */
export function withTls(
  ingress: KubeObject,
  tls: readonly { readonly hosts?: readonly string[]; readonly secretName?: string }[],
): KubeObject {
  return { ...ingress, spec: { ...(ingress['spec'] as object), tls } };
}
