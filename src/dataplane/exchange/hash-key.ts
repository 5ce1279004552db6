/** What a consistent balancer keeps together. */
import type { HashSource } from '../../model/routing-table.ts';
import { COOKIE } from '../message/field-names.ts';
import type { RequestHead } from '../message/request-head.ts';
import { hashText } from '../upstream/balance/consistent-hash.ts';

/** Unsigned 32 bit. A missing header or cookie falls back to the client's address: better than one endpoint for all. */
export function hashKey(by: HashSource, head: RequestHead, client: string, target: string): number {
  switch (by.kind) {
    case 'client-address':
      return hashText(client);
    case 'uri':
      return hashText(target);
    case 'header':
      return hashText(head.fields.lookup(by.name) || client);
    case 'cookie':
      return hashText(cookie(head.fields.joined(COOKIE), by.name) || client);
    default:
      return by satisfies never;
  }
}

/** The value of one cookie, '' when it is not there (RFC 6265 5.4: pairs separated by `; `). */
function cookie(pairs: string, name: string): string {
  for (const pair of pairs.split(/[;,]/)) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return '';
}
