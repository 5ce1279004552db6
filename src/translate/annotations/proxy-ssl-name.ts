import type { Annotation } from './annotation.ts';

const NAME = /^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252})$/;

export const proxySslName: Annotation = {
  name: 'proxy-ssl-name',
  doc: 'Name that the certificate of a backend with TLS must be for, and that proxy-ssl-server-name sends (SERVICE.NAMESPACE.svc, or the external name).',
  parse(value) {
    if (!NAME.test(value)) return { kind: 'invalid', expected: 'a host name or an address' };
    return { kind: 'backend', backend: { name: value.toLowerCase() } };
  },
};
