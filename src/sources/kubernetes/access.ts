/** What we may not read, as problems for whoever gives us our role. Pure. */
import type { ApiFailure } from '../../kubernetes/result.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import type { FeedTarget } from './feed.ts';
import { resourceName } from './kinds.ts';

/** `failure` is a 403 for listing or watching `target`. */
export function feedForbidden(target: FeedTarget, failure: ApiFailure, isSynced: boolean): Problem {
  const { resource, namespace, isOptional } = target;
  const where = namespace === null ? 'in the whole cluster' : `in namespace ${namespace}`;
  const role = namespace === null ? 'a ClusterRole' : `a Role in namespace ${namespace} or a ClusterRole`;
  const group = resource.group === '' ? '""' : `"${resource.group}"`;
  const now = isSynced ? 'what was known of them stays in use' : 'none of them is known';
  return forbidden(
    isOptional ? 'warning' : 'error',
    `${resourceName(resource)} cannot be read ${where}: ${failure.message}; expected ${role} with the verbs ` +
      `list and watch for resource "${resource.plural}" of API group ${group}; ${now}`,
  );
}

/** `failure` is a 403 for reading one Secret. */
export function secretForbidden(key: ObjectKey, failure: ApiFailure): Problem {
  return forbidden(
    'error',
    `Secret ${key} cannot be read: ${failure.message}; expected a Role or ClusterRole with the verb get for ` +
      'resource "secrets" of API group ""; it is treated as missing',
  );
}

function forbidden(severity: Problem['severity'], message: string): Problem {
  return { severity, reason: 'Forbidden', object: null, field: '', message, position: null };
}
