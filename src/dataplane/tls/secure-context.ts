import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { CertificatePatch } from '../../model/tls-patch.ts';
import type { TlsConfig } from '../config.ts';

/** Seconds a session may be resumed: as long as the key of its ticket is sure to be known. */
const SESSION_SECONDS = 12 * 3600;

/**
 * Sessions are resumed only in contexts of the same name: those that ask for client certificates must have
 * another, or a session of a host without would open one with.
 */
const SESSION_CONTEXT = 'tidegate';

/**
 * A context that answers with these certificates, one of each key type. Throws what OpenSSL has against them.
 */
export function makeSecureContext(
  config: TlsConfig,
  certificates: readonly CertificatePatch[],
  ticketKey: Buffer | undefined,
): SecureContext {
  return createSecureContext({
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ privateKey }) => privateKey),
    // No list: Node would otherwise load the public roots into each context.
    ca: [],
    minVersion: config.minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: `${config.ciphersuites}:${config.ciphers}`,
    ecdhCurve: config.groups,
    // Renegotiation lets a client make us work for nothing (CVE-2011-1473); compression tells secrets (CRIME).
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    sessionIdContext: SESSION_CONTEXT,
    sessionTimeout: SESSION_SECONDS,
    ...(ticketKey === undefined ? {} : { ticketKeys: ticketKey }),
  });
}
