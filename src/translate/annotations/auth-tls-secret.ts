import type { Annotation } from './annotation.ts';

export const authTlsSecret: Annotation = {
  name: 'auth-tls-secret',
  doc: 'Clients of the hosts must show a certificate that an authority in ca.crt of this Secret (NAMESPACE/NAME) signed.',
  parse(value) {
    // Whatever it says, it asks for certificates: a value that names no Secret closes the hosts.
    return { kind: 'client-auth', clientAuth: { secret: value } };
  },
};
