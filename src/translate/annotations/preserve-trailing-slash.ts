import type { Annotation } from './annotation.ts';
import { EXPECTED_BOOLEAN, toBoolean } from './values.ts';

export const preserveTrailingSlash: Annotation = {
  name: 'preserve-trailing-slash',
  doc: 'true: a redirect to https keeps the slash at the end of the target.',
  parse(value) {
    const wanted = toBoolean(value);
    if (wanted === null) return { kind: 'invalid', expected: EXPECTED_BOOLEAN };
    return { kind: 'policy', policy: { keepTrailingSlash: wanted } };
  },
};
