/** What the handshake of a TLS connection found out about its client, as far as somebody asked. */
import type { TLSSocket } from 'node:tls';
import { MAX_SUBJECT_LENGTH } from '../../model/certificate.ts';
import type { ClientAuthPatch } from '../../model/tls-patch.ts';

export interface ClientIdentity {
  /** The `id` of what was asked for; '' when nothing was. */
  readonly policy: string;
  readonly verdict: 'none' | 'good' | 'bad';
  /** Field lines that tell the backend, as ingress-nginx names them. */
  readonly fields: string;
  /** The subject is not of those who may come, whoever signed it. */
  readonly stranger: boolean;
}

export const NOT_ASKED: ClientIdentity = { policy: '', verdict: 'none', fields: '', stranger: false };

/** What a transport knows of the certificate that a client showed. */
export interface ShownCertificate {
  /** RFC 2253, as bytes of UTF-8 in latin1. */
  readonly subject: string;
  readonly issuer: string;
  readonly pem: string;
  /** SHA-256 in lower-case hexadecimal. */
  readonly fingerprint: string;
  /** Authorities between it and one of ours. */
  readonly between: number;
  /** Why it is not trusted, in OpenSSL's words; null when it is. */
  readonly fault: string | null;
}

/** What follows from a certificate (null: none was shown) for those who asked. */
export function identify(asked: ClientAuthPatch | null, shown: ShownCertificate | null): ClientIdentity {
  if (asked === null) return NOT_ASKED;
  const policy = asked.id;
  if (asked.kind === 'closed') return { policy, verdict: 'bad', fields: '', stranger: true };
  const subject = (shown?.subject ?? '').slice(0, MAX_SUBJECT_LENGTH);
  const stranger = !new RegExp(asked.matchSubject).test(subject);
  if (shown === null) return { policy, verdict: 'none', fields: 'ssl-client-verify: NONE\r\n', stranger };
  const tooDeep = shown.between > asked.depth ? 'certificate chain too long' : null;
  const fault = shown.fault ?? tooDeep;
  const certificate = asked.passCertificate ? `ssl-client-cert: ${encodeURIComponent(shown.pem)}\r\n` : '';
  const fields =
    `ssl-client-verify: ${fault === null ? 'SUCCESS' : `FAILED:${fieldText(fault)}`}\r\n` +
    `ssl-client-subject-dn: ${fieldText(shown.subject)}\r\nssl-client-issuer-dn: ${fieldText(shown.issuer)}\r\n` +
    `ssl-client-fingerprint: ${shown.fingerprint}\r\n${certificate}`;
  return { policy, verdict: fault === null ? 'good' : 'bad', fields, stranger };
}

/** Names come from certificates that anybody may have made: nothing in them may end a line. */
function fieldText(text: string): string {
  return text.replace(/[^\x20-\x7e\x80-\xff]/g, '?');
}

/** The certificate of the client of node:tls; null when it showed none. */
export function shownCertificate(socket: TLSSocket): ShownCertificate | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  // Not part of the documented interface: `authorized` is set only for connections of a tls.Server.
  const handle = (socket as unknown as { _handle: { verifyError(): Error | null | undefined } })._handle;
  return {
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    pem: certificate.toString(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    between: authoritiesBetween(socket),
    // Behind a semicolon Node gives advice for its own users.
    fault: handle.verifyError()?.message.split(';', 1)[0] ?? null,
  };
}

/** Node gives one line per part, escaped as RFC 2253 says but in the order of the certificate. */
function distinguishedName(lines: string): string {
  return Buffer.from(lines.split('\n').reverse().join(',')).toString('latin1');
}

/** How many authorities stand between the peer's certificate and the root. */
export function authoritiesBetween(socket: TLSSocket): number {
  let length = 0;
  let certificate = socket.getPeerCertificate(true);
  const seen = new Set<string>();
  while (certificate && !seen.has(certificate.fingerprint256)) {
    seen.add(certificate.fingerprint256);
    length++;
    certificate = certificate.issuerCertificate;
  }
  return Math.max(0, length - 2);
}
