import type { Annotation } from './annotation.ts';

/** ingress-nginx's "unlimited" ends when every endpoint was tried; a bound keeps a request from storming hundreds. */
const MAX_TRIES = 16;

export const proxyNextUpstreamTries: Annotation = {
  name: 'proxy-next-upstream-tries',
  doc: `Attempts per request, the first included; 0 for as many as there are (at most ${MAX_TRIES}).`,
  parse(value) {
    if (!/^\+?\d{1,9}$/.test(value))
      return { kind: 'invalid', expected: 'a whole number of attempts, 0 or more' };
    const tries = Number(value);
    const bounded = tries === 0 ? MAX_TRIES : Math.min(tries, MAX_TRIES);
    return { kind: 'policy', policy: { retries: bounded - 1 } };
  },
};
