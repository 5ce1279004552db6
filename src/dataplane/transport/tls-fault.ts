/** Why TLS towards an endpoint did not come to stand, or did not last. */
export type TlsFault =
  | 'tls-handshake-failed'
  | 'certificate-not-trusted'
  | 'certificate-expired'
  | 'certificate-wrong-name'
  /** ALPN did not agree on what is to be spoken. */
  | 'protocol-not-agreed'
  /** An alert came after our side of the handshake was over: in TLS 1.3 the answer to a certificate it does not like. */
  | 'tls-refused';

const FAULTS: ReadonlySet<string> = new Set([
  'tls-handshake-failed',
  'certificate-not-trusted',
  'certificate-expired',
  'certificate-wrong-name',
  'protocol-not-agreed',
  'tls-refused',
] satisfies TlsFault[]);

/** The fault that the `error` of a stream's `onClose` tells of, or `otherwise`. */
export function tlsFaultOr<T>(error: string | null, otherwise: T): TlsFault | T {
  return error !== null && FAULTS.has(error) ? (error as TlsFault) : otherwise;
}

const EXPIRED: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
/** Errors of verification that OpenSSL names so (X509_V_ERR_*, without their prefix). */
const NOT_TRUSTED =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_|PATH_LENGTH_|ERROR_IN_CERT_|CRL_|HOSTNAME_)/;
/** The connection below did not come to stand. */
const BEFORE_TLS: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

/** What the code of an error of node:tls means; `established`: after the handshake. Other codes stay what they are. */
export function tlsFault(code: string, established: boolean): string {
  return faultOf(code, established) ?? code;
}

function faultOf(code: string, established: boolean): TlsFault | null {
  const ofOpenssl = code.startsWith('ERR_SSL_');
  // Whatever an alert says then: requests may have been sent already.
  if (established) return ofOpenssl ? 'tls-refused' : null;
  if (ofOpenssl && code.endsWith('_ALERT_NO_APPLICATION_PROTOCOL')) return 'protocol-not-agreed';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'certificate-wrong-name';
  if (EXPIRED.has(code)) return 'certificate-expired';
  if (NOT_TRUSTED.test(code)) return 'certificate-not-trusted';
  return BEFORE_TLS.has(code) ? null : 'tls-handshake-failed';
}
