import type { Annotation } from './annotation.ts';
import { EXPECTED_BOOLEAN, toBoolean } from './values.ts';

export const sslPassthrough: Annotation = {
  name: 'ssl-passthrough',
  doc: 'TLS connections that name one of the hosts (SNI) go to the backend of its path / as they come; it has the certificate. No flag is needed.',
  parse(value) {
    const passthrough = toBoolean(value);
    if (passthrough === null) return { kind: 'invalid', expected: EXPECTED_BOOLEAN };
    return { kind: 'passthrough', passthrough };
  },
};
