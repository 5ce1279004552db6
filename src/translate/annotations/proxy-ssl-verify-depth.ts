import type { Annotation } from './annotation.ts';

export const proxySslVerifyDepth: Annotation = {
  name: 'proxy-ssl-verify-depth',
  doc: 'With proxy-ssl-verify: authorities that may stand between the certificate and a trusted one (1).',
  parse(value) {
    if (!/^\d{1,3}$/.test(value)) return { kind: 'invalid', expected: 'a whole number from 0 to 999' };
    return { kind: 'backend', backend: { depth: Number(value) } };
  },
};
