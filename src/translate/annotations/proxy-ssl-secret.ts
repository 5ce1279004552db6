import type { Annotation } from './annotation.ts';

export const proxySslSecret: Annotation = {
  name: 'proxy-ssl-secret',
  doc: 'For backends with TLS, a Secret (NAMESPACE/NAME): tls.crt and tls.key are our certificate, ca.crt whom we trust.',
  parse(value) {
    // A value that names no Secret closes the routes: without it they would lead to anybody.
    return { kind: 'backend', backend: { secret: value } };
  },
};
