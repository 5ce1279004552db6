/**
 * Between the Ingresses and the hosts: a host belongs to the namespace of its oldest claimant, by rules and TLS
 * together. What other namespaces say about it is left out; where namespaces share hosts that is their TLS alone.
 *
 * A wildcard host also speaks for the hosts it covers: who claims `shop.example.com` after another namespace claimed
 * `*.example.com` would take over a part of what that one has. The other way round nothing is taken over, so a
 * younger wildcard stands beside an older host. Where namespaces share hosts, a rule for a covered host is a host of
 * its own; TLS without a rule is not, because the wildcard's rules serve it.
 */
import type { Hostname, ObjectKey } from '../../model/keys.ts';
import type { TranslateOptions } from '../options.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import type { IngressPart } from './ingress.ts';
import type { PartChange } from './ingress-stage.ts';
import { byPrecedence } from './precedence.ts';
import {
  asGuest,
  guestProblems,
  type Ruling,
  type Rulings,
  refusedProblem,
  withoutHosts,
} from './stranger.ts';

/** A part as the later stages see it. */
interface Shown {
  readonly part: IngressPart;
  /** What it was made from. */
  readonly whole: IngressPart;
  /** The hosts of other namespaces. */
  readonly foreign: Rulings;
}

const NO_TLS: Omit<Ruling, 'owner'> = { servant: null, asks: null, certified: false };

export class HostOwnership {
  readonly #sharing: TranslateOptions['hostSharing'];
  readonly #ledger: ProblemLedger;
  readonly #claimants = new Map<Hostname, Map<ObjectKey, IngressPart>>();
  /** The claimed hosts that a wildcard covers. */
  readonly #covered = new Map<Hostname, Set<Hostname>>();
  readonly #rulings = new Map<Hostname, Ruling>();
  readonly #shown = new Map<ObjectKey, Shown>();

  /** The hosts about which anything may be different after the last change, wildcards first. */
  touched: readonly Hostname[] = [];

  constructor(sharing: TranslateOptions['hostSharing'], ledger: ProblemLedger) {
    this.#sharing = sharing;
    this.#ledger = ledger;
  }

  /** The oldest of those that claim the host, by rules or TLS; null when nobody does. */
  ownerOf(host: Hostname): IngressPart | null {
    return this.#rulings.get(host)?.owner ?? null;
  }

  /** The oldest with rules for the host in its owner's namespace; null when there is none, or no TLS at all. */
  servantOf(host: Hostname): IngressPart | null {
    return this.#rulings.get(host)?.servant ?? null;
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
    this.touched = wildcardsFirst(touched);
    for (const host of this.touched) {
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

  /** Says anew whose the host is; gives whether that changed for others. */
  #decide(host: Hostname): boolean {
    const before = this.#rulings.get(host);
    const after = this.#rule(host);
    if (after === null) this.#rulings.delete(host);
    else this.#rulings.set(host, after);
    return !isSameRuling(before, after ?? undefined);
  }

  #rule(host: Hostname): Ruling | null {
    const claimants = this.#claimants.get(host);
    if (claimants === undefined) return null;
    let owner: IngressPart | undefined;
    let [hasRules, hasTls] = [false, false];
    for (const part of claimants.values()) {
      owner = older(owner, part);
      hasRules ||= part.claims.has(host);
      hasTls ||= part.tls.has(host);
    }
    const wildcard = wildcardOf(host);
    const above = wildcard === host ? undefined : this.#rulings.get(wildcard);
    const isOwn = this.#sharing === 'any-namespace' && hasRules;
    owner = above === undefined || isOwn ? owner! : older(owner, above.owner);
    return { owner, ...(hasTls ? tlsRuling(host, owner, claimants) : NO_TLS) };
  }

  #show(key: ObjectKey, whole: IngressPart | null): PartChange[] {
    const before = this.#shown.get(key);
    if (whole === null) {
      this.#shown.delete(key);
      this.#ledger.set(`owner ${key}`, []);
      return before === undefined ? [] : [{ key, before: before.part, after: null }];
    }
    const foreign = this.#foreignTo(whole);
    if (before?.whole === whole && isSameMap(before.foreign, foreign)) return [];
    const part = this.#left(whole, foreign, before);
    this.#shown.set(key, { part, whole, foreign });
    if (foreign.size > 0 || (before !== undefined && before.foreign.size > 0))
      this.#tell(key, whole, foreign);
    return part === before?.part ? [] : [{ key, before: before?.part ?? null, after: part }];
  }

  /** What is left of a part; the same object as before where nothing else follows. */
  #left(whole: IngressPart, foreign: Rulings, before: Shown | undefined): IngressPart {
    if (this.#sharing === 'any-namespace') return asGuest(whole, foreign, before?.part ?? null);
    if (before?.whole === whole && hasSameKeys(before.foreign, foreign)) return before.part;
    return withoutHosts(whole, foreign);
  }

  #tell(key: ObjectKey, whole: IngressPart, foreign: Rulings): void {
    const strict = this.#sharing === 'same-namespace';
    this.#ledger.set(
      `owner ${key}`,
      [...foreign].flatMap(([host, ruling]) =>
        strict ? refusedProblem(whole, host, ruling) : guestProblems(whole, host, ruling),
      ),
    );
  }

  #foreignTo(part: IngressPart): Map<Hostname, Ruling> {
    const foreign = new Map<Hostname, Ruling>();
    for (const host of hostsOf(part)) {
      const ruling = this.#rulings.get(host)!; // whoever claims a host makes that it has an owner
      if (ruling.owner.ingress.meta.namespace !== part.ingress.meta.namespace) foreign.set(host, ruling);
    }
    return foreign;
  }
}

function hostsOf({ claims, tls }: IngressPart): Set<Hostname> {
  return new Set([...claims.keys(), ...tls.keys()]);
}

/** The wildcard that covers a host; a wildcard and '' are their own. */
export function wildcardOf(host: Hostname): Hostname {
  const dot = host.indexOf('.');
  return host.startsWith('*.') || dot === -1 ? host : (`*${host.slice(dot)}` as Hostname);
}

/** In an order in which what covers others comes before them. */
export function wildcardsFirst(hosts: ReadonlySet<Hostname>): Hostname[] {
  const wildcards: Hostname[] = [];
  const others: Hostname[] = [];
  for (const host of hosts) (host.startsWith('*.') ? wildcards : others).push(host);
  return [...wildcards, ...others];
}

/** What those of the owner's namespace say about the TLS of a host. */
function tlsRuling(
  host: Hostname,
  owner: IngressPart,
  claimants: ReadonlyMap<ObjectKey, IngressPart>,
): Omit<Ruling, 'owner'> {
  const { namespace } = owner.ingress.meta;
  let servant: IngressPart | undefined;
  let asking: IngressPart | undefined;
  let certified = false;
  for (const part of claimants.values()) {
    if (part.ingress.meta.namespace !== namespace) continue;
    const claim = part.tls.get(host);
    if (part.claims.has(host)) servant = older(servant, part);
    if (claim?.clientAuth) asking = older(asking, part);
    certified ||= claim !== undefined && claim.certificates.length > 0;
  }
  const isPassed = servant?.tls.get(host)?.passthrough != null;
  const asks = isPassed ? null : (asking?.tls.get(host)?.clientAuth?.id ?? null);
  return { servant: servant ?? null, asks, certified };
}

function older(a: IngressPart | undefined, b: IngressPart): IngressPart {
  return a === undefined || byPrecedence(b.ingress.meta, a.ingress.meta) < 0 ? b : a;
}

/** Whether two rulings mean the same for other namespaces. */
function isSameRuling(a: Ruling | undefined, b: Ruling | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const isSameOwner = a.owner.ingress.meta.key === b.owner.ingress.meta.key;
  return isSameOwner && a.asks === b.asks && a.certified === b.certified;
}

function isSameMap(a: Rulings, b: Rulings): boolean {
  return a.size === b.size && [...a].every(([host, ruling]) => isSameRuling(ruling, b.get(host)));
}

function hasSameKeys(a: Rulings, b: Rulings): boolean {
  return a.size === b.size && [...a.keys()].every((host) => b.has(host));
}
