import type { HashSource } from '../../model/routing-table.ts';
import type { Annotation } from './annotation.ts';

const EXPECTED = 'one of $request_uri, $remote_addr, $binary_remote_addr, $http_NAME, $cookie_NAME';

export const upstreamHashBy: Annotation = {
  name: 'upstream-hash-by',
  doc: `Requests with the same value go to the same endpoint (consistent hash): ${EXPECTED}.`,
  parse(value) {
    const variable = /^\$(?:([a-zA-Z0-9_-]+)|\{([a-zA-Z0-9_-]+)\})$/.exec(value);
    const by = variable === null ? null : hashSource((variable[1] ?? variable[2])!);
    return by === null
      ? { kind: 'invalid', expected: EXPECTED }
      : { kind: 'balance', balance: { kind: 'hash', by } };
  },
};

function hashSource(variable: string): HashSource | null {
  if (variable === 'request_uri') return { kind: 'uri' };
  if (variable === 'remote_addr' || variable === 'binary_remote_addr') return { kind: 'client-address' };
  const [, kind, name = ''] = /^(http|cookie)_(.+)$/.exec(variable) ?? [];
  // $http_x_user is the field X-User: variable names cannot hold a dash.
  if (kind === 'http') return { kind: 'header', name: name.toLowerCase().replaceAll('_', '-') };
  return kind === 'cookie' ? { kind: 'cookie', name } : null;
}
