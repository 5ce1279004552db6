import type { Certificate } from '../../model/certificate.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Secret } from '../../model/snapshot.ts';
import { readCertificate } from './certificate.ts';

/** A certificate and a fault: the Secret was good once, and what it held then is still used. */
export interface SecretCertificate {
  readonly certificate: Certificate | null;
  readonly fault: string | null;
}

/**
 * The certificates of Secrets in use, each read once. It remembers the last good one of each: the only thing in
 * translation that depends on what was before, because a certificate that breaks must not take its hosts down.
 */
export class SecretCertificates {
  readonly #known = new Map<ObjectKey, { secret: Secret | undefined; result: SecretCertificate }>();

  of(key: ObjectKey, secret: Secret | undefined): SecretCertificate {
    const known = this.#known.get(key);
    if (known !== undefined && known.secret === secret) return known.result;
    const read =
      secret === undefined
        ? { certificate: null, fault: `there is no Secret ${key}` }
        : readCertificate(secret);
    const before = known?.result.certificate ?? null;
    // The same object for the same content: whatever was made of it stays as it is.
    const kept = read.certificate === null || read.certificate.id === before?.id;
    const result = { certificate: kept ? before : read.certificate, fault: read.fault };
    this.#known.set(key, { secret, result });
    return result;
  }

  /** Nobody uses the Secret any more. */
  forget(key: ObjectKey): void {
    this.#known.delete(key);
  }
}
