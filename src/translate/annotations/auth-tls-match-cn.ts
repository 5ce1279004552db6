import type { Annotation } from './annotation.ts';

export const authTlsMatchCn: Annotation = {
  name: 'auth-tls-match-cn',
  doc: 'With auth-tls-secret, CN= and a regular expression: certificates whose subject does not match are answered 403.',
  parse(value) {
    // Whatever it says, it keeps somebody out: a value that cannot be used closes the hosts.
    return { kind: 'client-auth', clientAuth: { matchSubject: value } };
  },
};
