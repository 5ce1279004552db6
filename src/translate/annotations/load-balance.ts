import type { BalancePolicy } from '../../model/routing-table.ts';
import type { Annotation } from './annotation.ts';

const POLICIES: ReadonlyMap<string, BalancePolicy> = new Map([
  ['round_robin', { kind: 'round-robin' }],
  ['ewma', { kind: 'ewma' }],
  ['least_request', { kind: 'least-request' }],
]);

export const loadBalance: Annotation = {
  name: 'load-balance',
  doc: 'How an endpoint is chosen: round_robin, ewma or least_request.',
  parse(value) {
    const balance = POLICIES.get(value);
    return balance === undefined
      ? { kind: 'invalid', expected: `one of ${[...POLICIES.keys()].join(', ')}` }
      : { kind: 'balance', balance };
  },
};
