import type { Annotation } from './annotation.ts';
import { EXPECTED_SECONDS, secondsToMs } from './values.ts';

export const proxyConnectTimeout: Annotation = {
  name: 'proxy-connect-timeout',
  doc: 'Seconds until a connection to an endpoint must stand; 0 for no limit.',
  parse(value) {
    const ms = secondsToMs(value);
    return ms === null
      ? { kind: 'invalid', expected: EXPECTED_SECONDS }
      : { kind: 'policy', policy: { connectTimeoutMs: ms } };
  },
};
