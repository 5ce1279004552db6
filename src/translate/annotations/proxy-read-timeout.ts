import type { Annotation } from './annotation.ts';
import { EXPECTED_SECONDS, secondsToMs } from './values.ts';

export const proxyReadTimeout: Annotation = {
  name: 'proxy-read-timeout',
  doc: 'Seconds an endpoint may send nothing, before the response and inside it; 0 for no limit.',
  parse(value) {
    const ms = secondsToMs(value);
    return ms === null
      ? { kind: 'invalid', expected: EXPECTED_SECONDS }
      : { kind: 'policy', policy: { responseTimeoutMs: ms } };
  },
};
