/**
 * Names that look alike but must not be mixed up. Each is a plain string at run time; the brand exists for
 * the compiler only. Make them at the border (decode, translate), pass them on unchanged.
 */

declare const brand: unique symbol;
type Brand<T extends string> = string & { readonly [brand]: T };

/** `namespace/name` of a namespaced object; just `name` for cluster-scoped kinds. */
export type ObjectKey = Brand<'ObjectKey'>;

/** Lower-case host without port or trailing dot; `*.` in front for a one-label wildcard; `''` for any host. */
export type Hostname = Brand<'Hostname'>;

/** Identity of an upstream in the routing table; stable while Service, port and balancing stay the same. */
export type UpstreamKey = Brand<'UpstreamKey'>;

/** How a path is looked up inside a host: see {@link exactPath} and {@link prefixPath}. */
export type PathKey = Brand<'PathKey'>;

export function objectKey(namespace: string, name: string): ObjectKey {
  return (namespace === '' ? name : `${namespace}/${name}`) as ObjectKey;
}

/** Takes a host as a user or a client writes it (no port) and gives its one spelling: lower case, no final dot. */
export function hostname(host: string): Hostname {
  const lower = host.toLowerCase();
  return (lower.endsWith('.') ? lower.slice(0, -1) : lower) as Hostname;
}

/** The key of a path that matches only itself. `path` must be normalised. */
export function exactPath(path: string): PathKey {
  return `=${path}` as PathKey;
}

/**
 * The key of an element-wise prefix: `^/a/b` matches `/a/b` and `/a/b/…`. A trailing slash carries no meaning
 * (Ingress v1, pathType Prefix), so it is dropped; the prefix of everything is `^`.
 */
export function prefixPath(path: string): PathKey {
  let end = path.length;
  while (end > 0 && path.charCodeAt(end - 1) === 47) end--;
  return `^${path.slice(0, end)}` as PathKey;
}
