/** The certificates of authorities in `ca.crt` of a Secret. */
import { X509Certificate } from 'node:crypto';
import type { Secret } from '../../model/snapshot.ts';

export type ReadAuthorities =
  | { readonly text: string; readonly fault: null }
  /** A clause for a message; it never quotes the content. */
  | { readonly text: null; readonly fault: string };

const BLOCK = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g;
const MAX_AUTHORITIES = 200;

/** Gives them as PEM. `anyCertificate`: a server's own certificate may stand for its authority. */
export function readAuthorities(secret: Secret, anyCertificate: boolean): ReadAuthorities {
  const where = `Secret ${secret.meta.key}`;
  const broken = (what: string): ReadAuthorities => ({ text: null, fault: `${where} ${what}` });
  const authorities = textOf(secret, 'ca.crt').match(BLOCK) ?? [];
  if (authorities.length === 0) return broken('has no PEM certificate in ca.crt');
  if (authorities.length > MAX_AUTHORITIES)
    return broken(`has more than ${MAX_AUTHORITIES} certificates in ca.crt`);
  if (!authorities.every((pem) => isReadable(pem, anyCertificate)))
    return broken(
      `has something in ca.crt that is no certificate${anyCertificate ? '' : ' of an authority'}`,
    );
  return { text: `${authorities.join('\n')}\n`, fault: null };
}

/** The bytes of one of its entries as latin1; '' when it has none of this name. */
export function textOf(secret: Secret, name: string): string {
  return Buffer.from(secret.data.get(name)?.reveal() ?? []).toString('latin1');
}

function isReadable(pem: string, anyCertificate: boolean): boolean {
  try {
    const { ca } = new X509Certificate(pem);
    return ca || anyCertificate;
  } catch {
    return false;
  }
}
