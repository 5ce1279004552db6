/** How the API names things in its paths. */

/** A kind of objects as the API serves it: `networking.k8s.io`, `v1`, `ingresses`. */
export interface Resource {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case. */
  readonly plural: string;
}

export interface ResourceTarget {
  /** '' or absent for cluster-scoped kinds and for all namespaces. */
  readonly namespace?: string;
  readonly name?: string;
  /** Like `status`. */
  readonly subresource?: string;
}

/** `/apis/networking.k8s.io/v1/namespaces/shop/ingresses/web/status`. */
export function resourcePath({ group, version, plural }: Resource, target: ResourceTarget = {}): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const space = target.namespace ? `/namespaces/${encodeURIComponent(target.namespace)}` : '';
  const name = target.name ? `/${encodeURIComponent(target.name)}` : '';
  const below = target.subresource ? `/${target.subresource}` : '';
  return `${root}${space}/${plural}${name}${below}`;
}

/** What RBAC calls a request: its verb and the resource with its subresource, like `patch` `ingresses/status`. */
export interface RequestName {
  readonly verb: string;
  readonly resource: string;
}

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

export function requestName(method: string, path: string, watch: boolean): RequestName {
  const parts = path.split('/');
  let at = parts[1] === 'api' ? 3 : 4;
  if (parts[at] === 'namespaces' && parts.length > at + 2 && parts[at + 2] !== 'status') at += 2;
  const resource = parts[at] ?? path;
  const named = parts[at + 1] !== undefined;
  const subresource = parts[at + 2];
  const verb = VERBS[method] ?? (watch ? 'watch' : named ? 'get' : 'list');
  return { verb, resource: subresource === undefined ? resource : `${resource}/${subresource}` };
}
