/**
 * Route matching as the rules say it, one rule after the other: slow, obvious, and the reference that the
 * fast table is tested against.
 */
import type { Hostname, PathKey } from '../../model/keys.ts';
import type { HostTable, Route, RoutingTable } from '../../model/routing-table.ts';

/** Same arguments and same answer as `LiveTable.match`. */
export function matchLinear(table: RoutingTable, host: string, path: string): Route | null {
  const owning = owningHost(table, host);
  if (owning === null) return null;
  let best: { readonly key: PathKey; readonly route: Route } | null = null;
  for (const [key, route] of owning.paths) {
    if (pathMatches(key, path) && (best === null || isMoreSpecific(key, best.key))) best = { key, route };
  }
  return best?.route ?? owning.fallback ?? table.hosts.get('' as Hostname)?.fallback ?? null;
}

/** The most specific host of the table that matches; its paths alone are tried. */
export function owningHost(table: RoutingTable, host: string): HostTable | null {
  const matching = [...table.hosts.values()].filter((candidate) => hostMatches(candidate.host, host));
  const exact = matching.find((candidate) => candidate.host !== '' && !candidate.host.startsWith('*.'));
  const wildcard = matching.find((candidate) => candidate.host.startsWith('*.'));
  return exact ?? wildcard ?? matching[0] ?? null;
}

/** Whether a table's host takes a request's: '' any, `*.x` exactly one label more, else the very same. */
export function hostMatches(pattern: Hostname, host: string): boolean {
  if (pattern === '') return true;
  if (!pattern.startsWith('*.')) return pattern === host;
  const [label, ...rest] = host.split('.');
  return label !== '' && rest.length > 0 && rest.join('.') === pattern.slice(2);
}

/** Whether a rule takes a path (in match form): `=` the very same, `^` element by element. */
export function pathMatches(key: PathKey, path: string): boolean {
  const rule = key.slice(1);
  if (key.startsWith('=')) return path === rule;
  return path === rule || path.startsWith(`${rule}/`);
}

/** Longer wins; of two equally long the exact one. Both must match the same path. */
export function isMoreSpecific(a: PathKey, b: PathKey): boolean {
  if (a.startsWith('=') !== b.startsWith('=')) return a.startsWith('=');
  return a.length > b.length;
}
