import type { Annotation } from './annotation.ts';
import { toBoolean } from './values.ts';

export const proxySslServerName: Annotation = {
  name: 'proxy-ssl-server-name',
  doc: 'on: a backend with TLS is sent the name that is meant (SNI); off, the default: none.',
  parse(value) {
    const sendName = value === 'on' ? true : value === 'off' ? false : toBoolean(value);
    if (sendName === null) return { kind: 'invalid', expected: 'on or off' };
    return { kind: 'backend', backend: { sendName } };
  },
};
