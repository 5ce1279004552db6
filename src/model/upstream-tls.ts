/** How TLS is spoken to the endpoints of an upstream, as part of the routing table. */
import type { SecretBytes } from './snapshot.ts';

declare const brand: unique symbol;
/** Tells settings apart: connections and sessions made with one are never used with another. No secret in it. */
export type UpstreamTlsId = string & { readonly [brand]: 'UpstreamTlsId' };

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface UpstreamTls {
  readonly id: UpstreamTlsId;
  /** The name sent in the handshake (SNI, RFC 6066 3); '' for none. */
  readonly serverName: string;
  /** What the endpoint's certificate must be; null: anything will do. */
  readonly verify: ServerCheck | null;
  /** PEM of the authorities that may have signed it; null: those that Node.js brings along. */
  readonly authorities: SecretBytes | null;
  /** What we show when the endpoint asks who we are; null for nothing. */
  readonly identity: UpstreamIdentity | null;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Suites of TLS 1.2 in OpenSSL's words; '' for the standard ones. */
  readonly ciphers: string;
}

export interface ServerCheck {
  /** The name (or address) that the certificate must be for. */
  readonly name: string;
  /** Authorities that may stand between the certificate and one of ours. */
  readonly depth: number;
}

export interface UpstreamIdentity {
  /** PEM, the leaf first. */
  readonly chain: SecretBytes;
  /** PEM, PKCS #8. */
  readonly privateKey: SecretBytes;
}

/** As ingress-nginx speaks to an HTTPS backend that nothing else was said about: no name, no verification. */
export const UNVERIFIED_TLS: UpstreamTls = {
  id: 'unverified' as UpstreamTlsId,
  serverName: '',
  verify: null,
  authorities: null,
  identity: null,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: '',
};

/** The same as it crosses to the workers: text, because that is what a message port copies fastest. Never logged. */
export interface UpstreamTlsPatch extends Omit<UpstreamTls, 'authorities' | 'identity'> {
  readonly authorities: string | null;
  readonly identity: { readonly chain: string; readonly privateKey: string } | null;
}

const decoder = new TextDecoder();

export function upstreamTlsPatch({ authorities, identity, ...settings }: UpstreamTls): UpstreamTlsPatch {
  return {
    ...settings,
    authorities: authorities === null ? null : decoder.decode(authorities.reveal()),
    identity:
      identity === null
        ? null
        : {
            chain: decoder.decode(identity.chain.reveal()),
            privateKey: decoder.decode(identity.privateKey.reveal()),
          },
  };
}
