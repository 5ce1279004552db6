import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { CertificatePatch, ClientAuthPatch } from '../../model/tls-patch.ts';
import type { TlsConfig } from '../config.ts';

/** Seconds a session may be resumed: as long as the key of its ticket is sure to be known. */
const SESSION_SECONDS = 12 * 3600;

/** Sessions are resumed only in contexts of the same name. */
const SESSION_CONTEXT = 'tidegate';

/**
 * A context that answers with these certificates, one of each key type, and asks clients for theirs as `clientAuth`
 * says. Throws what OpenSSL has against them.
 *
 * Who is asked for a certificate has no sessions to resume: neither may one of an open host open this one, nor may
 * a certificate that was revoked meanwhile live on in one.
 */
export function makeSecureContext(
  config: TlsConfig,
  certificates: readonly CertificatePatch[],
  ticketKey: Buffer | undefined,
  clientAuth: ClientAuthPatch | null,
): SecureContext {
  const asked = clientAuth?.kind === 'ask' ? clientAuth : null;
  return createSecureContext({
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ privateKey }) => privateKey),
    // An empty list: Node would otherwise load the public roots into each context.
    ca: asked === null ? [] : asked.authorities,
    ...(asked === null || asked.revoked === '' ? {} : { crl: asked.revoked }),
    minVersion: config.minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: `${config.ciphersuites}:${config.ciphers}`,
    ecdhCurve: config.groups,
    // Renegotiation lets a client make us work for nothing (CVE-2011-1473); compression tells secrets (CRIME).
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION |
      constants.SSL_OP_NO_COMPRESSION |
      // Our order of suites, but a client that has ChaCha20 first has no AES in hardware and knows why.
      constants.SSL_OP_CIPHER_SERVER_PREFERENCE |
      constants.SSL_OP_PRIORITIZE_CHACHA |
      (asked === null ? 0 : constants.SSL_OP_NO_TICKET),
    // At most 32 bytes.
    sessionIdContext: asked === null ? SESSION_CONTEXT : asked.id.slice(0, 32),
    sessionTimeout: SESSION_SECONDS,
    ...(ticketKey === undefined ? {} : { ticketKeys: ticketKey }),
  });
}
