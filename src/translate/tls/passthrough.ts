/** TLS passthrough: the hosts of an Ingress with ssl-passthrough, and where their connections go. */
import { exactPath, type Hostname, prefixPath } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { describeObject } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { Route } from '../../model/routing-table.ts';
import type { Ingress } from '../../model/snapshot.ts';
import type { HostClaim, IngressPart } from '../ingress/ingress.ts';

export interface Passthrough {
  readonly routes: ReadonlyMap<Hostname, Route>;
  readonly problems: readonly Problem[];
}

export const NOTHING_PASSED: Passthrough = { routes: new Map(), problems: [] };

const FIELD = 'metadata.annotations[nginx.ingress.kubernetes.io/ssl-passthrough]';

/**
 * As in ingress-nginx, a connection shows only a server name: it goes to the backend of the host's path `/` (or to the
 * default backend), and a rule without a host cannot be passed through.
 */
export function passThrough(ingress: Ingress, claims: ReadonlyMap<Hostname, HostClaim>): Passthrough {
  const routes = new Map<Hostname, Route>();
  const problems: Problem[] = [];
  const ignored = (why: string): void => {
    const message = `${why}; its TLS is served here instead`;
    problems.push(
      problemOf(ingress, { severity: 'warning', reason: 'InvalidAnnotation', field: FIELD, message }),
    );
  };
  for (const [host, { paths, fallback }] of claims) {
    const route = paths.get(prefixPath('/')) ?? paths.get(exactPath('/')) ?? fallback;
    if (host === '') ignored('"true" needs a host to go by, and there is a rule without one');
    else if (route === null) ignored(`"true" needs a path "/", and host "${host}" has none`);
    else routes.set(host, route);
  }
  return { routes, problems };
}

/** Who came later than the owner of the host cannot take its connections away. */
export function notOwner(part: IngressPart, host: Hostname, owner: IngressPart): Problem {
  const { namespace, name } = owner.ingress.meta;
  return problemOf(part.ingress, {
    severity: 'warning',
    reason: 'Conflict',
    field: FIELD,
    message: `host "${host}" belongs to ${describeObject({ kind: 'Ingress', namespace, name })}, which is older or, of equal age, first by name, and is not passed through; its TLS is served here`,
  });
}
