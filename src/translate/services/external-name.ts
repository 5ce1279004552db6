/** ExternalName Services: endpoints from DNS. */
import { ipScope, parseIp } from '../../model/ip.ts';
import type { ProblemText } from '../../model/problem-of.ts';
import type { Endpoint } from '../../model/routing-table.ts';
import type { PortRef, ResolvedName, Service, ServicePort } from '../../model/snapshot.ts';
import type { ExternalNameOptions } from '../options.ts';

export interface ExternalEndpoints {
  readonly endpoints: readonly Endpoint[];
  /** The name to be resolved; null when none may be, or need be (an address in place of a name). */
  readonly name: string | null;
  readonly problem: ProblemText | null;
}

/** `resolvedNames` may not hold the name yet: then the set is empty for now, which is nobody's fault. */
export function externalEndpoints(
  service: Service,
  port: ServicePort | null,
  wanted: PortRef,
  resolvedNames: ReadonlyMap<string, ResolvedName>,
  options: ExternalNameOptions,
): ExternalEndpoints {
  const name = service.externalName ?? '';
  if (!options.allowLoopback && isLocalName(name)) {
    return { endpoints: [], name: null, problem: refused(`"${name}" is this machine itself`) };
  }
  const literal = parseIp(name) !== null;
  const resolved = literal ? { addresses: [name], error: null } : resolvedNames.get(name);
  const addresses = resolved?.addresses ?? [];
  const allowed = options.allowLoopback ? addresses : addresses.filter(isOrdinary);
  const endpoints = allowed.map((address) => ({ address, port: externalPort(port, wanted), zone: null }));
  return { endpoints, name: literal ? null : name, problem: problemWith(name, resolved, allowed) };
}

function problemWith(
  name: string,
  resolved: Pick<ResolvedName, 'addresses' | 'error'> | undefined,
  allowed: readonly string[],
): ProblemText | null {
  if (resolved === undefined) return null;
  const { addresses, error } = resolved;
  if (addresses.length === 0) {
    const message = `"${name}" has no address (${error ?? 'no answer'}); requests are answered 503 until it has`;
    return { severity: 'error', reason: 'NameNotResolved', field: 'spec.externalName', message };
  }
  if (allowed.length === addresses.length) return null;
  const forbidden = addresses.filter((address) => !allowed.includes(address)).join(', ');
  return refused(
    `"${name}" has addresses of this machine, its links or multicast (${forbidden}), which are not used`,
  );
}

function refused(what: string): ProblemText {
  const message = `${what}; expected a name of another machine, or that loopback names are allowed in the settings`;
  return { severity: 'error', reason: 'NameRefused', field: 'spec.externalName', message };
}

function isLocalName(name: string): boolean {
  const plain = name.replace(/\.$/, '');
  return plain === 'localhost' || plain.endsWith('.localhost') || plain === 'ip6-localhost';
}

function isOrdinary(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && ipScope(ip) === 'unicast';
}

/** A declared port leads to its numeric targetPort; there is no pod in which a named one could be looked up. */
function externalPort(port: ServicePort | null, wanted: PortRef): number {
  if (port !== null) return typeof port.targetPort === 'number' ? port.targetPort : port.port;
  return wanted.kind === 'number' ? wanted.number : 0;
}
