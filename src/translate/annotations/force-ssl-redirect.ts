import type { Annotation } from './annotation.ts';
import { EXPECTED_BOOLEAN, toBoolean } from './values.ts';

export const forceSslRedirect: Annotation = {
  name: 'force-ssl-redirect',
  doc: 'true: plain requests are redirected to https in any case, for TLS that ends in front of us.',
  parse(value) {
    const wanted = toBoolean(value);
    if (wanted === null) return { kind: 'invalid', expected: EXPECTED_BOOLEAN };
    return { kind: 'policy', policy: wanted ? { tlsRedirect: 'always' } : {} };
  },
};
