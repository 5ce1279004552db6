import { createSecureContext } from 'node:tls';
import type { Annotation } from './annotation.ts';

const LIST = /^[A-Za-z0-9+!:@=_-]{1,1024}$/;

export const proxySslCiphers: Annotation = {
  name: 'proxy-ssl-ciphers',
  doc: "Suites of TLS 1.2 for backends with TLS, in OpenSSL's words; TLS 1.3 has its own.",
  parse(value) {
    if (!LIST.test(value) || !isUsable(value))
      return { kind: 'invalid', expected: 'a list of suites that OpenSSL knows' };
    return { kind: 'backend', backend: { ciphers: value } };
  },
};

function isUsable(ciphers: string): boolean {
  try {
    createSecureContext({ ciphers, ca: [] });
    return true;
  } catch {
    return false;
  }
}
