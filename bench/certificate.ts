/** What all peers have in common when they speak TLS, so that the cryptography costs each of them the same. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { probeProgram } from './peers/peer.ts';
import { runToEnd } from './processes.ts';

/** TLS 1.3 with nothing to choose: one cipher suite and one group. Go prefers this suite, too, where AES is fast. */
export const TLS_SUITE = 'TLS_AES_128_GCM_SHA256';
export const TLS_GROUP = 'X25519';
/** The name in the certificate and in the URLs: a name, not an address, so that clients send it as SNI. */
export const TLS_HOST = 'localhost';

/** Files in PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  /** Both in one file, as HAProxy wants it. */
  readonly combined: string;
}

/** Makes a self-signed certificate with an ECDSA key on P-256. Rejects when there is no openssl to make it with. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const presence = await probeProgram(['openssl', 'version'], /OpenSSL (\S+)/);
  if (presence.kind === 'absent') throw new Error(`no certificate: ${presence.reason}`);
  const [certificate, key, combined] = ['tls.crt', 'tls.key', 'tls.pem'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await runToEnd([
    ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-days', '2', '-subj', `/CN=${TLS_HOST}`, '-addext', `subjectAltName=DNS:${TLS_HOST}`],
    ...['-out', certificate, '-keyout', key],
  ]);
  await writeFile(combined, (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')));
  return { certificate, key, combined };
}
