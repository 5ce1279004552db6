/** Certificates as part of the routing table. */
import type { Hostname } from './keys.ts';
import type { Route } from './routing-table.ts';
import type { SecretBytes } from './snapshot.ts';

declare const brand: unique symbol;
/** SHA-256 of the chain in hexadecimal. */
export type CertificateId = string & { readonly [brand]: 'CertificateId' };

/** A chain that fits its key; found good when it was read, so that no handshake has to find it broken. */
export interface Certificate {
  readonly id: CertificateId;
  /** A host may have one certificate of each: clients take the one they can use. */
  readonly keyType: 'rsa' | 'ec' | 'ed25519';
  /** PEM, the leaf first. Public, but no dump should be full of it. */
  readonly chain: SecretBytes;
  /** PEM, PKCS #8. */
  readonly privateKey: SecretBytes;
  /** DNS names it is for. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * A host that is served with TLS: exact, `*.` wildcard (one label), or '' for every name that has no entry and
 * for clients that name none. Without certificates of its own it has those of ''.
 */
export interface TlsHost {
  readonly host: Hostname;
  readonly certificates: readonly CertificateId[];
  /** Whether clients must show who they are; null: they need not. */
  readonly clientAuth: ClientAuth | null;
  /** Where connections for this host go as they come, TLS and all; null: they are served here. */
  readonly passthrough: Route | null;
  /**
   * Nobody wants the host served with TLS: this keeps the entry of a wildcard off that may not speak for it. All that
   * counts is that the entry is there; requests in clear are not sent to https.
   */
  readonly bare: boolean;
}

/** What `matchSubject` is tried on: longer subjects are looked at up to here. */
export const MAX_SUBJECT_LENGTH = 512;

/** `id` tells whether two hosts ask for the same: a connection made for one may be used for the other then. */
export type ClientAuth =
  | {
      readonly kind: 'ask';
      readonly id: string;
      /** `optional`: none will do, but not a bad one. `unverified`: anything will do, the backend looks at it. */
      readonly mode: 'required' | 'optional' | 'unverified';
      /** Authorities between the certificate and one of ours, at most. */
      readonly depth: number;
      /** The backend gets the certificate itself, too. */
      readonly passCertificate: boolean;
      /** Regular expression that the subject (RFC 2253) must match somewhere; '' for any. */
      readonly matchSubject: string;
      /** Where clients are sent that would be answered 400; '' for nowhere. */
      readonly errorPage: string;
      /** PEM. */
      readonly authorities: SecretBytes;
      /** Revocation lists in PEM; empty for none. */
      readonly revoked: SecretBytes;
    }
  /** What to ask for cannot be found out: nobody gets in. */
  | { readonly kind: 'closed'; readonly id: string };

/** The part of the routing table that handshakes read. */
export interface TlsTable {
  readonly tlsHosts: ReadonlyMap<Hostname, TlsHost>;
  /** Those that `tlsHosts` name. */
  readonly certificates: ReadonlyMap<CertificateId, Certificate>;
}

export const EMPTY_TLS_TABLE: TlsTable = { tlsHosts: new Map(), certificates: new Map() };
