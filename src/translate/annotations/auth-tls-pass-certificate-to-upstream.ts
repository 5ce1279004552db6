import type { Annotation } from './annotation.ts';
import { EXPECTED_BOOLEAN, toBoolean } from './values.ts';

export const authTlsPassCertificateToUpstream: Annotation = {
  name: 'auth-tls-pass-certificate-to-upstream',
  doc: 'With auth-tls-secret, true: the backend gets the certificate as ssl-client-cert, PEM in URL encoding.',
  parse(value) {
    const passCertificate = toBoolean(value);
    if (passCertificate === null) return { kind: 'invalid', expected: EXPECTED_BOOLEAN };
    return { kind: 'client-auth', clientAuth: { passCertificate } };
  },
};
