import type { Annotation } from './annotation.ts';
import { EXPECTED_BOOLEAN, toBoolean } from './values.ts';

export const sslRedirect: Annotation = {
  name: 'ssl-redirect',
  doc: 'Whether plain requests are redirected to https where the host has an entry in spec.tls.',
  parse(value) {
    const wanted = toBoolean(value);
    if (wanted === null) return { kind: 'invalid', expected: EXPECTED_BOOLEAN };
    return { kind: 'policy', policy: { tlsRedirect: wanted ? 'with-tls' : 'never' } };
  },
};
