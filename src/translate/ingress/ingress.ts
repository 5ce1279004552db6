/** One Ingress, by itself: which hosts and paths it claims, which upstreams it needs, what is wrong with it. */
import { normalizeRulePath } from '../../dataplane/route/path.ts';
import type { ClientAuth } from '../../model/certificate.ts';
import {
  exactPath,
  type Hostname,
  hostname,
  type ObjectKey,
  objectKey,
  type PathKey,
  prefixPath,
  type UpstreamKey,
} from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { type ProblemText, problemOf } from '../../model/problem-of.ts';
import type { Route } from '../../model/routing-table.ts';
import type { Ingress, IngressBackend, IngressPath, Snapshot } from '../../model/snapshot.ts';
import { type Annotated, readAnnotations } from '../annotations/read.ts';
import type { TranslateOptions } from '../options.ts';
import { isSameData } from '../same-data.ts';
import type { UpstreamSpec } from '../services/upstream.ts';
import { claimTls, type TlsClaim } from '../tls/claims.ts';
import { NOTHING_PASSED, passThrough } from '../tls/passthrough.ts';
import type { SecretCertificates } from '../tls/secret-certificates.ts';
import { backendSecretKey, type ReadBackendSecret, readBackendSecret } from '../tls/upstream-tls.ts';
import { closedBackend, type ResolvedBackend, resolveBackend } from './backend.ts';
import { closedClaim, needsHost } from './closed-claim.ts';

export interface IngressPart {
  readonly ingress: Ingress;
  readonly claims: ReadonlyMap<Hostname, HostClaim>;
  /** The hosts that are to be served with TLS. */
  readonly tls: ReadonlyMap<Hostname, TlsClaim>;
  /** What clients of all its hosts are asked for; null: nothing. */
  readonly clientAuth: ClientAuth | null;
  readonly upstreams: readonly UpstreamSpec[];
  readonly problems: readonly Problem[];
  /** What was looked up, found or not: when one of these changes, the part is to be made anew. */
  readonly services: readonly ObjectKey[];
  readonly secrets: readonly ObjectKey[];
  /** When it is to be made anew although nothing changed but the time, in ms since the epoch. */
  readonly nextLook: number;
}

/** What one Ingress wants of one host. */
export interface HostClaim {
  readonly paths: ReadonlyMap<PathKey, Route>;
  readonly fallback: Route | null;
}

/** Routes that come out as they are in `previous` are taken from there, so that they count as unchanged. */
export function translateIngress(
  ingress: Ingress,
  snapshot: Pick<Snapshot, 'services' | 'secrets'>,
  options: TranslateOptions,
  certificates: SecretCertificates,
  previous: IngressPart | null,
): IngressPart {
  const draft = new Draft(ingress, snapshot, options, previous);
  if (ingress.rules.length === 0) draft.claimFallback('' as Hostname);
  for (const [index, rule] of ingress.rules.entries()) {
    const host = hostname(rule.host);
    draft.claimFallback(host);
    for (const [at, path] of (rule.paths ?? []).entries()) {
      draft.claimPath(host, path, `spec.rules[${index}].http.paths[${at}]`);
    }
  }
  return draft.finish(certificates);
}

class Draft {
  readonly #ingress: Ingress;
  readonly #snapshot: Pick<Snapshot, 'services' | 'secrets'>;
  readonly #options: TranslateOptions;
  readonly #previous: IngressPart | null;
  readonly #annotated: Annotated;
  /** For connections to the backends. */
  readonly #secret: ReadBackendSecret;
  readonly #claims = new Map<Hostname, { paths: Map<PathKey, Route>; fallback: Route | null }>();
  readonly #upstreams = new Map<UpstreamKey, UpstreamSpec>();
  readonly #services = new Set<ObjectKey>();
  /** The paths of an Ingress mostly share a few backends: what is the same is made, and kept in memory, once. */
  readonly #backends = new Map<string, ResolvedBackend>();
  readonly #problems: Problem[];
  /** Causes already reported: ten paths to one missing Service are one problem. */
  readonly #causes = new Set<string>();

  constructor(
    ingress: Ingress,
    snapshot: Pick<Snapshot, 'services' | 'secrets'>,
    options: TranslateOptions,
    previous: IngressPart | null,
  ) {
    this.#ingress = ingress;
    this.#snapshot = snapshot;
    this.#options = options;
    this.#previous = previous;
    this.#annotated = readAnnotations(ingress, options);
    this.#problems = [...this.#annotated.problems];
    this.#secret = readBackendSecret(ingress, this.#annotated.backend, snapshot.secrets);
    if (this.#secret.kind === 'refused') this.#problems.push(problemOf(ingress, this.#secret.problem));
  }

  /** Claims the host, and what no path of it takes for `spec.defaultBackend` where there is one. */
  claimFallback(host: Hostname): void {
    const backend = this.#ingress.defaultBackend;
    if (this.#claims.has(host)) return;
    const claim = { paths: new Map<PathKey, Route>(), fallback: null as Route | null };
    this.#claims.set(host, claim);
    if (backend === null) return;
    const route = this.#route(host, '', backend, 'spec.defaultBackend', 'spec.defaultBackend');
    claim.fallback = unlessEqual(route, this.#previous?.claims.get(host)?.fallback);
  }

  claimPath(host: Hostname, path: IngressPath, field: string): void {
    const key = pathKey(path);
    if (key === null) {
      this.#report(field, {
        severity: 'error',
        reason: 'Invalid',
        field: 'path',
        message: `${JSON.stringify(path.path)} cannot match any request: expected a path that starts with "/", stays below it, and has "%" only in escapes like %20; the path is left out`,
      });
      return;
    }
    const route = this.#route(host, path.path, path.backend, field, `${field}.backend`);
    const { paths } = this.#claims.get(host)!;
    const first = paths.get(key);
    if (first === undefined)
      paths.set(key, unlessEqual(route, this.#previous?.claims.get(host)?.paths.get(key)));
    else if (!isSameData(first.action, route.action)) {
      this.#report(field, {
        severity: 'warning',
        reason: 'Conflict',
        field: 'path',
        message: `"${path.path}" of host "${host}" is already given in ${first.origin.field}; this one is not used`,
      });
    }
  }

  finish(certificates: SecretCertificates): IngressPart {
    const backendSecret = backendSecretKey(this.#ingress, this.#annotated.backend);
    const passed = this.#annotated.passthrough ? passThrough(this.#ingress, this.#claims) : NOTHING_PASSED;
    const tls = claimTls(
      this.#ingress,
      this.#snapshot.secrets,
      certificates,
      this.#annotated.clientAuth,
      passed.routes,
      this.#options.now(),
    );
    const problems = [...this.#problems, ...passed.problems, ...tls.problems];
    const anyHost = this.#claims.get('' as Hostname);
    const claims = new Map<Hostname, HostClaim>(this.#claims);
    if (tls.clientAuth !== null && anyHost !== undefined) {
      claims.set('' as Hostname, closedClaim(anyHost, this.#previous?.claims.get('' as Hostname)));
      problems.push(needsHost(this.#ingress));
    }
    return {
      ingress: this.#ingress,
      claims,
      tls: tls.claims,
      clientAuth: tls.clientAuth,
      upstreams: [...this.#upstreams.values()],
      problems,
      services: [...this.#services],
      secrets: backendSecret === null ? [...tls.secrets] : [...tls.secrets, backendSecret],
      nextLook: tls.nextLook,
    };
  }

  #route(host: Hostname, path: string, backend: IngressBackend, field: string, backendField: string): Route {
    const { namespace, name } = this.#ingress.meta;
    const { action } = this.#resolve(backend, backendField);
    const origin = { kind: 'Ingress', namespace, name, field };
    const { policy } = this.#annotated;
    return {
      origin,
      host,
      path,
      action,
      policy: isAcmeChallenge(path) ? { ...policy, tlsRedirect: 'never' } : policy,
    };
  }

  #resolve(backend: IngressBackend, field: string): ResolvedBackend {
    const id = JSON.stringify(backend);
    const known = this.#backends.get(id);
    if (known !== undefined) return known;
    const { namespace } = this.#ingress.meta;
    if (backend.kind === 'service') this.#services.add(objectKey(namespace, backend.name));
    const resolved = this.#resolveAnew(backend);
    this.#backends.set(id, resolved);
    for (const upstream of resolved.upstreams) this.#upstreams.set(upstream.key, upstream);
    if (resolved.problem !== null) this.#report(field, resolved.problem);
    return resolved;
  }

  #resolveAnew(backend: IngressBackend): ResolvedBackend {
    const { namespace } = this.#ingress.meta;
    if (this.#secret.kind === 'refused') return closedBackend(backend, namespace);
    const { secret } = this.#secret;
    const { balance, backend: asked } = this.#annotated;
    const { services } = this.#snapshot;
    return resolveBackend(backend, { namespace, balance, asked, secret, services, options: this.#options });
  }

  /** Puts `parent` in front of the field. */
  #report(parent: string, text: ProblemText): void {
    const cause = `${text.reason} ${text.message}`;
    if (this.#causes.has(cause)) return;
    this.#causes.add(cause);
    this.#problems.push(problemOf(this.#ingress, { ...text, field: `${parent}.${text.field}` }));
  }
}

/** Certificate authorities ask for these without TLS; ingress-nginx's `no-tls-redirect-locations`. */
function isAcmeChallenge(path: string): boolean {
  return path.startsWith('/.well-known/acme-challenge');
}

/** ImplementationSpecific is read as Prefix, its empty path as `/`. */
function pathKey({ path, pathType }: IngressPath): PathKey | null {
  const normal = normalizeRulePath(path === '' ? '/' : path);
  if (normal === null) return null;
  return pathType === 'Exact' ? exactPath(normal) : prefixPath(normal);
}

function unlessEqual(route: Route, previous: Route | null | undefined): Route {
  return previous && isSameData(route, previous) ? previous : route;
}
