import type { Annotation } from './annotation.ts';

export const authTlsVerifyDepth: Annotation = {
  name: 'auth-tls-verify-depth',
  doc: 'With auth-tls-secret: authorities that may stand between the certificate and one of the Secret; 0 counts as 1.',
  parse(value) {
    if (!/^\d{1,3}$/.test(value)) return { kind: 'invalid', expected: 'a whole number from 0 to 999' };
    return { kind: 'client-auth', clientAuth: { depth: Math.max(1, Number(value)) } };
  },
};
