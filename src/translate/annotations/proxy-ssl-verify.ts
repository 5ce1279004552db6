import type { Annotation } from './annotation.ts';
import { toBoolean } from './values.ts';

export const proxySslVerify: Annotation = {
  name: 'proxy-ssl-verify',
  doc: 'on: the certificate of a backend with TLS must be signed by ca.crt of proxy-ssl-secret (without it: by a public authority) and for proxy-ssl-name. off, the default: anything will do.',
  parse(value) {
    // What Go takes for a boolean was certainly not meant as "never mind".
    const word = value.toLowerCase();
    const verify = word === 'on' ? true : word === 'off' ? false : toBoolean(word);
    if (verify === null) return { kind: 'invalid', expected: 'on or off' };
    return { kind: 'backend', backend: { verify } };
  },
};
