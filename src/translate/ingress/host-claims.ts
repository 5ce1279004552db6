/** One host while Ingresses that claim it come, change and go: costs what changed, for some hosts have 100,000 paths. */
import { type Hostname, type ObjectKey, objectKey, type PathKey } from '../../model/keys.ts';
import { describeObject, type Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { HostTable, Route } from '../../model/routing-table.ts';
import { changedKeys, withEdits } from '../../model/shared-map.ts';
import type { HostClaim, IngressPart } from './ingress.ts';
import type { PartChange } from './ingress-stage.ts';
import { byPrecedence } from './precedence.ts';

/** Stands for the fallback where paths and it are treated alike; no path has it. */
const FALLBACK = '' as PathKey;
const NO_CLAIM: HostClaim = { paths: new Map(), fallback: null };

type Edits = Map<PathKey, Route | undefined>;

export class HostClaims {
  readonly #host: Hostname;
  readonly #parts = new Map<ObjectKey, IngressPart>();
  /** Who claims a path that is another's. Few are claimed twice: nothing is kept for the others. */
  #losers: Map<PathKey, Set<ObjectKey>> | null = null;
  #table: HostTable | null = null;

  constructor(host: Hostname) {
    this.#host = host;
  }

  /** Gives the host as it is now, the same object when nothing of it changed; null when nobody claims it any more. */
  update(changes: readonly PartChange[]): HostTable | null {
    const [only] = changes;
    if (this.#table === null && changes.length === 1 && only?.after) return this.#first(only.key, only.after);
    const edits: Edits = new Map();
    for (const change of changes) this.#replace(change, edits);
    const fallback = this.#ownerOf(FALLBACK, edits) ?? null;
    edits.delete(FALLBACK);
    const before = this.#table;
    const paths = withEdits(before?.paths ?? NO_CLAIM.paths, edits);
    if (this.#parts.size === 0) this.#table = null;
    else if (paths !== before?.paths || fallback !== before.fallback)
      this.#table = { host: this.#host, paths, fallback };
    return this.#table;
  }

  /** What is claimed by more than one, reported with those that do not get it. */
  conflicts(): Problem[] {
    return [...(this.#losers ?? [])].flatMap(([path, losers]) =>
      [...losers].map((key) => {
        const part = this.#parts.get(key)!; // whoever claims is among the parts
        return conflict(part, this.#claimed(key, path)!, this.#ownerOf(path, null)!);
      }),
    );
  }

  /** The usual host has one Ingress; it shares that one's paths. */
  #first(key: ObjectKey, part: IngressPart): HostTable {
    this.#parts.set(key, part);
    this.#table = { host: this.#host, ...this.#claimOf(part) };
    return this.#table;
  }

  #replace({ key, before, after }: PartChange, edits: Edits): void {
    if (before !== null && after !== null && byPrecedence(before.ingress.meta, after.ingress.meta) !== 0) {
      // It may now win what it lost, or the other way round.
      this.#replace({ key, before, after: null }, edits);
      this.#replace({ key, before: null, after }, edits);
      return;
    }
    const [from, to] = [this.#claimOf(before), this.#claimOf(after)];
    const changed = new Set(changedKeys(from.paths, to.paths));
    if (from.fallback !== to.fallback) changed.add(FALLBACK);
    for (const path of changed) if (routeIn(from, path)) this.#withdraw(key, path, edits);
    if (after === null || to === NO_CLAIM) this.#parts.delete(key);
    else this.#parts.set(key, after);
    for (const path of changed) if (routeIn(to, path)) this.#claim(key, path, edits);
  }

  /** Takes a claim back; the next in rank inherits the path. */
  #withdraw(key: ObjectKey, path: PathKey, edits: Edits): void {
    const losers = this.#losers?.get(path);
    if (this.#ownerOf(path, edits) === this.#claimed(key, path)) {
      const heir = losers === undefined ? undefined : [...losers].reduce((a, b) => this.#winner(a, b));
      edits.set(path, heir === undefined ? undefined : this.#claimed(heir, path));
      if (heir !== undefined) losers?.delete(heir);
    } else losers?.delete(key);
    if (losers?.size === 0) this.#losers?.delete(path);
  }

  #claim(key: ObjectKey, path: PathKey, edits: Edits): void {
    const owner = this.#ownerOf(path, edits);
    const ownerKey = owner === undefined ? key : objectKey(owner.origin.namespace, owner.origin.name);
    const winner = this.#winner(key, ownerKey);
    if (winner === key) edits.set(path, this.#claimed(key, path));
    if (owner === undefined) return;
    const loser = winner === key ? ownerKey : key;
    this.#losers ??= new Map();
    const losers = this.#losers.get(path);
    if (losers === undefined) this.#losers.set(path, new Set([loser]));
    else losers.add(loser);
  }

  #winner(a: ObjectKey, b: ObjectKey): ObjectKey {
    return byPrecedence(this.#parts.get(a)!.ingress.meta, this.#parts.get(b)!.ingress.meta) <= 0 ? a : b;
  }

  /** Whose path it is, with `edits` that are not in the table yet. */
  #ownerOf(path: PathKey, edits: Edits | null): Route | undefined {
    if (edits?.has(path)) return edits.get(path);
    return this.#table === null ? undefined : routeIn(this.#table, path);
  }

  /** The route that an Ingress wants the path to be. */
  #claimed(key: ObjectKey, path: PathKey): Route | undefined {
    return routeIn(this.#claimOf(this.#parts.get(key)), path);
  }

  #claimOf(part: IngressPart | null | undefined): HostClaim {
    return part?.claims.get(this.#host) ?? NO_CLAIM;
  }
}

function routeIn(claim: HostClaim, path: PathKey): Route | undefined {
  return path === FALLBACK ? (claim.fallback ?? undefined) : claim.paths.get(path);
}

/** Worth an error where it is another namespace's: who made this one cannot see the other. */
function conflict(loser: IngressPart, route: Route, owner: Route): Problem {
  const where = route.host === '' ? 'any host' : `host "${route.host}"`;
  const what = route.path === '' ? `the default backend of ${where}` : `path "${route.path}" of ${where}`;
  return problemOf(loser.ingress, {
    severity: loser.ingress.meta.namespace === owner.origin.namespace ? 'warning' : 'error',
    reason: 'Conflict',
    field: route.origin.field,
    message: `${what} belongs to ${describeObject(owner.origin)} (${owner.origin.field}), which is older or, of equal age, first by name; this one is not used`,
  });
}
