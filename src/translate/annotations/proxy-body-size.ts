import type { Annotation } from './annotation.ts';
import { EXPECTED_SIZE, sizeToBytes } from './values.ts';

export const proxyBodySize: Annotation = {
  name: 'proxy-body-size',
  doc: 'Largest request body (8m, 512k, …); a larger one is answered 413; 0 for no limit.',
  parse(value) {
    const bytes = sizeToBytes(value);
    return bytes === null
      ? { kind: 'invalid', expected: EXPECTED_SIZE }
      : { kind: 'policy', policy: { maxBodyBytes: bytes } };
  },
};
