import type { Annotation } from './annotation.ts';

const MODES = ['on', 'off', 'optional', 'optional_no_ca'] as const;

export const authTlsVerifyClient: Annotation = {
  name: 'auth-tls-verify-client',
  doc: 'With auth-tls-secret: on (a good certificate), optional (none or a good one), optional_no_ca (any), off.',
  parse(value) {
    const verify = MODES.find((mode) => mode === value);
    return verify === undefined
      ? { kind: 'invalid', expected: `one of ${MODES.join(', ')}` }
      : { kind: 'client-auth', clientAuth: { verify } };
  },
};
