/** One host, from all the Ingresses that claim it. */
import type { Hostname, PathKey } from '../../model/keys.ts';
import { describeObject, type Problem } from '../../model/problem.ts';
import type { HostTable, Route } from '../../model/routing-table.ts';
import { problemOf } from '../problem-of.ts';
import type { IngressPart } from './ingress.ts';
import { byPrecedence } from './precedence.ts';

export interface MergedHost {
  readonly table: HostTable;
  /** What is claimed by more than one, reported with those that do not get it. */
  readonly conflicts: readonly Problem[];
}

/** Takes the parts of every Ingress that claims `host`, in any order; `previous` is given back when it still holds. */
export function mergeHost(
  host: Hostname,
  parts: readonly IngressPart[],
  previous: HostTable | null,
): MergedHost {
  const paths = new Map<PathKey, Route>();
  let fallback: Route | null = null;
  const conflicts: Problem[] = [];
  for (const part of parts.toSorted((a, b) => byPrecedence(a.ingress.meta, b.ingress.meta))) {
    const claim = part.claims.get(host)!;
    for (const [key, route] of claim.paths) {
      const owner = paths.get(key);
      if (owner === undefined) paths.set(key, route);
      else conflicts.push(conflict(part, route, owner));
    }
    if (claim.fallback === null) continue;
    if (fallback === null) fallback = claim.fallback;
    else conflicts.push(conflict(part, claim.fallback, fallback));
  }
  const table = { host, paths, fallback };
  return { table: previous !== null && isSame(previous, table) ? previous : table, conflicts };
}

function isSame(a: HostTable, b: HostTable): boolean {
  if (a.fallback !== b.fallback || a.paths.size !== b.paths.size) return false;
  for (const [key, route] of b.paths) if (a.paths.get(key) !== route) return false;
  return true;
}

function conflict(loser: IngressPart, route: Route, owner: Route): Problem {
  const where = route.host === '' ? 'any host' : `host "${route.host}"`;
  const what = route.path === '' ? `the default backend of ${where}` : `path "${route.path}" of ${where}`;
  return problemOf(loser.ingress, {
    severity: 'warning',
    reason: 'Conflict',
    field: route.origin.field,
    message: `${what} belongs to ${describeObject(owner.origin)} (${owner.origin.field}), which is older or, of equal age, first by name; this one is not used`,
  });
}
