import type { Annotation } from './annotation.ts';
import { EXPECTED_SECONDS, secondsToMs } from './values.ts';

export const proxySendTimeout: Annotation = {
  name: 'proxy-send-timeout',
  doc: 'Seconds an endpoint may take nothing of the request; 0 for no limit.',
  parse(value) {
    const ms = secondsToMs(value);
    return ms === null
      ? { kind: 'invalid', expected: EXPECTED_SECONDS }
      : { kind: 'policy', policy: { sendTimeoutMs: ms } };
  },
};
