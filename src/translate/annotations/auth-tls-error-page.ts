import type { Annotation } from './annotation.ts';

/** What may stand in a Location field as it is. */
const TARGET = /^(?:https?:\/\/[\w.-]+(?::\d+)?)?\/[\w.~!$&'()*+,;=:@%/?#-]*$/;
const MAX_LENGTH = 2048;

export const authTlsErrorPage: Annotation = {
  name: 'auth-tls-error-page',
  doc: 'With auth-tls-secret: clients without a good certificate are sent to this URL or path (302) instead of answered 400.',
  parse(value) {
    return TARGET.test(value) && value.length <= MAX_LENGTH
      ? { kind: 'client-auth', clientAuth: { errorPage: value } }
      : { kind: 'invalid', expected: 'a URL like https://example.com/page, or a path that begins with /' };
  },
};
