import type { Annotation } from './annotation.ts';

const LONGEST = 1024;
/** `!aNULL`, `+HIGH`, `ECDHE-RSA-AES128-GCM-SHA256`, `ECDHE+AESGCM`, `@SECLEVEL=1` (openssl-ciphers, cipher list format). */
const ELEMENT = /^(?:[!+-]?[A-Za-z][A-Za-z0-9_.+-]*|@STRENGTH|@SECLEVEL=[0-5])$/;
/** What at least one element must begin with, or the list would be empty: key exchanges, ciphers and groups of suites. */
const SELECTS =
  /^(?:ALL|DEFAULT|HIGH|MEDIUM|TLSv1\.2|k?EECDH|k?ECDHE|k?EDH|k?DHE|kRSA|a?RSA|a?ECDSA|AES|CHACHA20|ARIA|CAMELLIA)/;

export const proxySslCiphers: Annotation = {
  name: 'proxy-ssl-ciphers',
  doc: "Suites of TLS 1.2 for backends with TLS, in OpenSSL's words; TLS 1.3 has its own.",
  parse(value) {
    const elements = value.split(':');
    const isList = value.length <= LONGEST && elements.every((each) => ELEMENT.test(each));
    if (!isList || !elements.some((each) => SELECTS.test(each)))
      return { kind: 'invalid', expected: 'a list of suites that OpenSSL knows, joined by colons' };
    return { kind: 'backend', backend: { ciphers: value } };
  },
};
