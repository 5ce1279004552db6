/**
 * What is left of an Ingress at hosts that belong to another namespace, by the two ways of sharing hosts: nothing, or
 * its routes without a word on TLS.
 */
import { type Hostname, hostname } from '../../model/keys.ts';
import { describeObject, type Problem } from '../../model/problem.ts';
import { type ProblemText, problemOf } from '../../model/problem-of.ts';
import type { Ingress } from '../../model/snapshot.ts';
import { notOwner } from '../tls/passthrough.ts';
import { AUTH_TLS_FIELD, closedClaim } from './closed-claim.ts';
import type { IngressPart } from './ingress.ts';

/** Whose a host is, and what that namespace says about its TLS as far as it matters to others. */
export interface Ruling {
  /** The oldest of those that claim the host. */
  readonly owner: IngressPart;
  /** The oldest of its namespace that has rules for the host; null when there is none, or no TLS at all. */
  readonly servant: IngressPart | null;
  /** The id of what clients are asked for; null: nothing. */
  readonly asks: string | null;
  /** Whether there is a certificate of the owner's. */
  readonly certified: boolean;
}

/** By host of another namespace, who rules there. */
export type Rulings = ReadonlyMap<Hostname, Ruling>;

/** Where namespaces share nothing. */
export function withoutHosts(part: IngressPart, foreign: Rulings): IngressPart {
  if (foreign.size === 0) return part;
  const left = <V>(map: ReadonlyMap<Hostname, V>) => new Map([...map].filter(([host]) => !foreign.has(host)));
  return { ...part, claims: left(part.claims), tls: left(part.tls) };
}

/**
 * Where namespaces share hosts: the routes stay, what is said of TLS does not. Routes for which client certificates
 * are asked are closed, unless the owner asks for just the same. `previous` is what was left of it before.
 */
export function asGuest(part: IngressPart, foreign: Rulings, previous: IngressPart | null): IngressPart {
  if (foreign.size === 0) return part;
  const claims = new Map(part.claims);
  const tls = new Map(part.tls);
  for (const [host, ruling] of foreign) {
    tls.delete(host);
    const claim = claims.get(host);
    if (claim !== undefined && isUnmet(part, host, ruling))
      claims.set(host, closedClaim(claim, previous?.claims.get(host)));
  }
  return { ...part, claims, tls };
}

/** Without a host to go by the routes are closed anyway. */
function isUnmet({ clientAuth }: IngressPart, host: Hostname, { asks }: Ruling): boolean {
  return host !== '' && clientAuth !== null && clientAuth.id !== asks;
}

/** What is to be told to who is refused: see {@link withoutHosts}. */
export function refusedProblem({ ingress }: IngressPart, host: Hostname, { owner }: Ruling): Problem {
  return problemOf(ingress, {
    severity: 'error',
    reason: 'HostNotOwned',
    field: ruleField(ingress, host) ?? tlsField(ingress, host) ?? 'spec.defaultBackend',
    message: `${belongs(host, owner)}; namespaces may not share hosts here, so nothing of this Ingress is served for it`,
  });
}

/** What is to be told to a guest: see {@link asGuest}. */
export function guestProblems(part: IngressPart, host: Hostname, ruling: Ruling): Problem[] {
  const { ingress } = part;
  const claim = part.tls.get(host);
  const problems: Problem[] = [];
  if (claim?.passthrough) problems.push(notOwner(part, host, ruling.owner));
  if (isUnmet(part, host, ruling)) problems.push(problemOf(ingress, unmet(part, host, ruling)));
  const field = tlsField(ingress, host);
  if (problems.length === 0 && claim !== undefined && !ruling.certified && field !== null)
    problems.push(
      problemOf(ingress, {
        severity: 'warning',
        reason: 'HostNotOwned',
        field,
        message: `${belongs(host, ruling.owner)}; only that namespace can have it served with TLS, so this entry is not used for it: add it to an Ingress in ${ruling.owner.ingress.meta.namespace}`,
      }),
    );
  return problems;
}

function unmet(part: IngressPart, host: Hostname, { owner }: Ruling): ProblemText {
  const { namespace } = owner.ingress.meta;
  const now = part.claims.has(host)
    ? `what this Ingress serves there is answered 503 until an Ingress in ${namespace} asks for the same, or this one moves to a host of its own`
    : 'this does not hold there; take the host out of spec.tls';
  return {
    severity: 'error',
    reason: 'HostNotOwned',
    field: AUTH_TLS_FIELD,
    message: `${belongs(host, owner)}; only that namespace can have its clients asked for certificates, so ${now}`,
  };
}

function belongs(host: Hostname, { ingress }: IngressPart): string {
  const { namespace, name } = ingress.meta;
  const what = host === '' ? 'every host that nobody names' : `host "${host}"`;
  return `${what} belongs to namespace ${namespace} through ${describeObject({ kind: 'Ingress', namespace, name })}, which is older or, of equal age, first by name`;
}

function ruleField({ rules }: Ingress, host: Hostname): string | null {
  const rule = rules.findIndex((each) => isHost(each.host, host));
  return rule >= 0 ? `spec.rules[${rule}].host` : null;
}

function tlsField({ tls }: Ingress, host: Hostname): string | null {
  const entry = tls.findIndex((each) => each.hosts.some((name) => isHost(name, host)));
  if (entry < 0) return null;
  return `spec.tls[${entry}].hosts[${tls[entry]!.hosts.findIndex((name) => isHost(name, host))}]`;
}

function isHost(text: string, host: Hostname): boolean {
  return hostname(text) === host;
}
