import { GRPC, GRPCS, HTTP, HTTPS, type Scheme } from '../services/scheme.ts';
import type { Annotation } from './annotation.ts';

const SCHEMES: ReadonlyMap<string, Scheme | 'as-client'> = new Map<string, Scheme | 'as-client'>([
  ['HTTP', HTTP],
  ['HTTPS', HTTPS],
  ['GRPC', GRPC],
  ['GRPCS', GRPCS],
  ['AUTO_HTTP', 'as-client'],
]);

export const backendProtocol: Annotation = {
  name: 'backend-protocol',
  doc: 'What is spoken to the backend: HTTP, HTTPS, GRPC, GRPCS, or AUTO_HTTP (as the client came), in any case; it counts more than appProtocol.',
  parse(value) {
    const scheme = SCHEMES.get(value.toUpperCase());
    return scheme === undefined
      ? { kind: 'invalid', expected: `one of ${[...SCHEMES.keys()].join(', ')} (FastCGI is not spoken)` }
      : { kind: 'backend', backend: { scheme } };
  },
};
