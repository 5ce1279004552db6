import { GRPC, GRPCS, HTTP, HTTPS, type Scheme } from '../services/scheme.ts';
import type { Annotation } from './annotation.ts';

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['HTTP', HTTP],
  ['HTTPS', HTTPS],
  ['GRPC', GRPC],
  ['GRPCS', GRPCS],
]);

export const backendProtocol: Annotation = {
  name: 'backend-protocol',
  doc: 'What is spoken to the backend: HTTP, HTTPS, GRPC or GRPCS, in any case; it counts more than appProtocol.',
  parse(value) {
    const scheme = SCHEMES.get(value.toUpperCase());
    return scheme === undefined
      ? { kind: 'invalid', expected: `one of ${[...SCHEMES.keys()].join(', ')} (FastCGI is not spoken)` }
      : { kind: 'backend', backend: { scheme } };
  },
};
