import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/**
 * Whether a request can be answered without helping DNS rebinding: a page of some other site whose name was
 * made to resolve to this listener carries that name in Host, and its origin in Origin. Kubelets and
 * Prometheus ask by IP address; people by IP address, localhost or the configured name.
 */
export function isTrustedRequest(headers: IncomingHttpHeaders, name: string | null): boolean {
  const { host, origin } = headers;
  if (host !== undefined && !isOwnName(hostOf(host), name)) return false;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function isOwnName(host: string, name: string | null): boolean {
  return isIP(host) !== 0 || host === 'localhost' || host === name;
}

/** The host without its port, lower case, and without brackets. */
function hostOf(field: string): string {
  const host = field.replace(/:\d*$/, '').toLowerCase();
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
