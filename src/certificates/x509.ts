/** Makes X.509 certificates (RFC 5280) with the keys and signatures of node:crypto. */
import { type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  bits,
  boolean,
  explicit,
  implicit,
  integer,
  octets,
  oid,
  sequence,
  setOf,
  time,
  utf8,
} from './der.ts';

export interface CertificateRequest {
  /** Common names. */
  readonly subject: string;
  readonly issuer: string;
  /** For the subject alternative name. */
  readonly dnsNames: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  /** The issuer's; the subject's own for a self-signed certificate. */
  readonly signer: KeyObject;
  /** What the key is for: to sign certificates, or to be a server or client. */
  readonly usage: 'authority' | 'server' | 'client';
}

const COMMON_NAME = '2.5.4.3';
const SUBJECT_ALT_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const PURPOSES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;
const VERSION_3 = Buffer.from([2]);
const DNS_NAME = 2;
const NULL = Buffer.from([5, 0]);

/** Gives the certificate in DER. The signature is SHA-256 with RSA or ECDSA, or Ed25519, as the signer's key is. */
export function makeCertificate(request: CertificateRequest): Buffer {
  const { algorithm, digest } = signatureOf(request.signer);
  const toSign = sequence(
    explicit(0, integer(VERSION_3)),
    // Positive and not predictable (CA/Browser Forum 7.1).
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    nameOf(request.issuer),
    sequence(time(request.notBefore), time(request.notAfter)),
    nameOf(request.subject),
    request.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions(request))),
  );
  return sequence(toSign, algorithm, bits(sign(digest, toSign, request.signer)));
}

function nameOf(commonName: string): Buffer {
  return sequence(setOf(sequence(oid(COMMON_NAME), utf8(commonName))));
}

function extensions({ usage, dnsNames }: CertificateRequest): Buffer[] {
  const list: Buffer[] = [];
  if (usage === 'authority') {
    list.push(sequence(oid(BASIC_CONSTRAINTS), boolean(true), octets(sequence(boolean(true)))));
  } else list.push(sequence(oid(EXTENDED_KEY_USAGE), octets(sequence(oid(PURPOSES[usage])))));
  if (dnsNames.length > 0) {
    const names = dnsNames.map((name) => implicit(DNS_NAME, Buffer.from(name)));
    list.push(sequence(oid(SUBJECT_ALT_NAME), octets(sequence(...names))));
  }
  return list;
}

function signatureOf(signer: KeyObject): { algorithm: Buffer; digest: 'sha256' | null } {
  switch (signer.asymmetricKeyType) {
    case 'rsa':
      return { algorithm: sequence(oid('1.2.840.113549.1.1.11'), NULL), digest: 'sha256' };
    case 'ec':
      return { algorithm: sequence(oid('1.2.840.10045.4.3.2')), digest: 'sha256' };
    case 'ed25519':
      return { algorithm: sequence(oid('1.3.101.112')), digest: null };
    default:
      throw new Error(`cannot sign with a key of type ${signer.asymmetricKeyType}`);
  }
}
