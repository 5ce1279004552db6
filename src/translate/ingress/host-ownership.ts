/**
 * Between the Ingresses and the hosts, where namespaces may not share hosts: a host belongs to the namespace of its
 * oldest claimant, and what other namespaces say about it (routes and TLS alike) is left out.
 *
 * A wildcard host also speaks for the hosts it covers: who claims `shop.example.com` after another namespace claimed
 * `*.example.com` would take over a part of what that one has. The other way round nothing is taken over, so a
 * younger wildcard stands beside an older host.
 */
import type { Hostname, ObjectKey } from '../../model/keys.ts';
import { describeObject, type Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { Ingress } from '../../model/snapshot.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import type { IngressPart } from './ingress.ts';
import type { PartChange } from './ingress-stage.ts';
import { byPrecedence } from './precedence.ts';

/** A part as the later stages see it. */
interface Shown {
  readonly part: IngressPart;
  /** What it was made from. */
  readonly whole: IngressPart;
  /** The hosts that were left out, with their owners. */
  readonly refused: ReadonlyMap<Hostname, IngressPart>;
}

export class HostOwnership {
  readonly #ledger: ProblemLedger;
  readonly #claimants = new Map<Hostname, Map<ObjectKey, IngressPart>>();
  /** The claimed hosts that a wildcard covers. */
  readonly #covered = new Map<Hostname, Set<Hostname>>();
  readonly #owners = new Map<Hostname, IngressPart>();
  readonly #shown = new Map<ObjectKey, Shown>();

  constructor(ledger: ProblemLedger) {
    this.#ledger = ledger;
  }

  /** Takes the changes of whole Ingresses and gives those of what is left of them. */
  update(changes: readonly PartChange[]): PartChange[] {
    const touched = new Set<Hostname>();
    const affected = new Map<ObjectKey, IngressPart | null>();
    for (const change of changes) {
      this.#reclaim(change, touched);
      affected.set(change.key, change.after);
    }
    for (const host of [...touched]) for (const each of this.#covered.get(host) ?? []) touched.add(each);
    // Wildcards first: whose a covered host is depends on whose they are.
    for (const host of [...touched].sort(wildcardsFirst)) {
      if (!this.#decide(host)) continue;
      for (const [key, part] of this.#claimants.get(host) ?? []) affected.set(key, part);
    }
    return [...affected].flatMap(([key, part]) => this.#show(key, part));
  }

  #reclaim({ key, before, after }: PartChange, touched: Set<Hostname>): void {
    for (const host of before === null ? [] : hostsOf(before)) {
      touched.add(host);
      const claimants = this.#claimants.get(host)!; // what was claimed is known
      claimants.delete(key);
      if (claimants.size > 0) continue;
      this.#claimants.delete(host);
      const wildcard = wildcardOf(host);
      const covered = this.#covered.get(wildcard);
      covered?.delete(host);
      if (covered?.size === 0) this.#covered.delete(wildcard);
    }
    for (const host of after === null ? [] : hostsOf(after)) {
      touched.add(host);
      const claimants = this.#claimants.get(host) ?? new Map<ObjectKey, IngressPart>();
      this.#claimants.set(host, claimants.set(key, after!));
      const wildcard = wildcardOf(host);
      if (wildcard === host) continue;
      this.#covered.set(wildcard, (this.#covered.get(wildcard) ?? new Set()).add(host));
    }
  }

  /** Says anew whose the host is; gives whether that changed. */
  #decide(host: Hostname): boolean {
    const before = this.#owners.get(host);
    let owner: IngressPart | undefined;
    for (const part of this.#claimants.get(host)?.values() ?? []) owner = older(owner, part);
    if (owner === undefined) this.#owners.delete(host);
    else {
      const above = this.#owners.get(wildcardOf(host));
      owner = above === undefined || wildcardOf(host) === host ? owner : older(owner, above);
      this.#owners.set(host, owner);
    }
    return owner !== before;
  }

  #show(key: ObjectKey, whole: IngressPart | null): PartChange[] {
    const before = this.#shown.get(key);
    if (whole === null) {
      this.#shown.delete(key);
      this.#ledger.set(`owner ${key}`, []);
      return before === undefined ? [] : [{ key, before: before.part, after: null }];
    }
    const refused = this.#refusedTo(whole);
    if (before?.whole === whole && isSameMap(before.refused, refused)) return [];
    const part =
      before?.whole === whole && hasSameKeys(before.refused, refused) ? before.part : without(whole, refused);
    this.#shown.set(key, { part, whole, refused });
    this.#ledger.set(
      `owner ${key}`,
      [...refused].map(([host, owner]) => notOwned(whole.ingress, host, owner.ingress)),
    );
    return part === before?.part ? [] : [{ key, before: before?.part ?? null, after: part }];
  }

  #refusedTo(part: IngressPart): Map<Hostname, IngressPart> {
    const refused = new Map<Hostname, IngressPart>();
    for (const host of hostsOf(part)) {
      const owner = this.#owners.get(host)!; // whoever claims a host makes that it has an owner
      if (owner.ingress.meta.namespace !== part.ingress.meta.namespace) refused.set(host, owner);
    }
    return refused;
  }
}

function hostsOf({ claims, tls }: IngressPart): Set<Hostname> {
  return new Set([...claims.keys(), ...tls.keys()]);
}

/** The wildcard that covers a host; a wildcard and '' are their own. */
function wildcardOf(host: Hostname): Hostname {
  const dot = host.indexOf('.');
  return host.startsWith('*.') || dot === -1 ? host : (`*${host.slice(dot)}` as Hostname);
}

function wildcardsFirst(a: Hostname, b: Hostname): number {
  return Number(b.startsWith('*.')) - Number(a.startsWith('*.'));
}

function older(a: IngressPart | undefined, b: IngressPart): IngressPart {
  return a === undefined || byPrecedence(b.ingress.meta, a.ingress.meta) < 0 ? b : a;
}

function isSameMap(a: Shown['refused'], b: Shown['refused']): boolean {
  return hasSameKeys(a, b) && [...a].every(([host, owner]) => b.get(host) === owner);
}

function hasSameKeys(a: Shown['refused'], b: Shown['refused']): boolean {
  return a.size === b.size && [...a.keys()].every((host) => b.has(host));
}

function without(part: IngressPart, refused: Shown['refused']): IngressPart {
  if (refused.size === 0) return part;
  const left = <V>(map: ReadonlyMap<Hostname, V>) => new Map([...map].filter(([host]) => !refused.has(host)));
  return { ...part, claims: left(part.claims), tls: left(part.tls) };
}

function notOwned(ingress: Ingress, host: Hostname, owner: Ingress): Problem {
  const { namespace, name } = owner.meta;
  const what = host === '' ? 'every host that nobody names' : `host "${host}"`;
  return problemOf(ingress, {
    severity: 'error',
    reason: 'HostNotOwned',
    field: fieldOf(ingress, host),
    message: `${what} belongs to namespace ${namespace} through ${describeObject({ kind: 'Ingress', namespace, name })}, which is older or, of equal age, first by name; namespaces may not share hosts here, so nothing of this Ingress is served for it`,
  });
}

function fieldOf({ rules, tls }: Ingress, host: Hostname): string {
  const isHost = (text: string) => text.replace(/\.$/, '') === host;
  const rule = rules.findIndex((each) => isHost(each.host));
  if (rule >= 0) return `spec.rules[${rule}].host`;
  const entry = tls.findIndex((each) => each.hosts.some(isHost));
  if (entry >= 0) return `spec.tls[${entry}].hosts[${tls[entry]!.hosts.findIndex(isHost)}]`;
  return 'spec.defaultBackend';
}
