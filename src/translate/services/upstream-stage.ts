/** Third stage: every upstream that a route uses, from its Service, EndpointSlices and DNS names. */
import type { ObjectKey, UpstreamKey } from '../../model/keys.ts';
import type { Upstream } from '../../model/routing-table.ts';
import { withEdits } from '../../model/shared-map.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { SnapshotChanges } from '../changes.ts';
import { Dependents } from '../dependents.ts';
import type { PartChange } from '../ingress/ingress-stage.ts';
import type { ExternalNameOptions } from '../options.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import { SliceIndex } from './slice-index.ts';
import { buildUpstream, type UpstreamPart, type UpstreamSpec } from './upstream.ts';

interface Used {
  readonly spec: UpstreamSpec;
  /** How many Ingresses use it. */
  users: number;
  part: UpstreamPart | null;
}

export class UpstreamStage {
  readonly #options: ExternalNameOptions;
  readonly #ledger: ProblemLedger;
  readonly #slices = new SliceIndex();
  readonly #used = new Map<UpstreamKey, Used>();
  readonly #byService = new Dependents<ObjectKey, UpstreamKey>();
  readonly #byName = new Dependents<string, UpstreamKey>();
  #upstreams: ReadonlyMap<UpstreamKey, Upstream> = new Map();
  #externalNames: ReadonlySet<string> = new Set();

  constructor(options: ExternalNameOptions, ledger: ProblemLedger) {
    this.#options = options;
    this.#ledger = ledger;
  }

  /** The DNS names that upstreams come from; the same Set as long as nothing changed. */
  get externalNames(): ReadonlySet<string> {
    return this.#externalNames;
  }

  /** Gives all upstreams; the same map as before when none changed. */
  update(
    before: Snapshot,
    after: Snapshot,
    changes: SnapshotChanges,
    parts: readonly PartChange[],
  ): ReadonlyMap<UpstreamKey, Upstream> {
    const services = this.#slices.update(before.endpointSlices, after.endpointSlices, changes.endpointSlices);
    const touched = this.#recount(parts);
    for (const service of [...services, ...changes.services]) addAll(touched, this.#byService.of(service));
    for (const name of changes.resolvedNames) addAll(touched, this.#byName.of(name));
    if (touched.size > 0) this.#rebuild(touched, after);
    return this.#upstreams;
  }

  /** Gives the upstreams that are used for the first time, or no longer. */
  #recount(parts: readonly PartChange[]): Set<UpstreamKey> {
    const touched = new Set<UpstreamKey>();
    for (const { after } of parts) for (const spec of after?.upstreams ?? []) this.#use(spec, touched);
    for (const { before } of parts) {
      for (const { key } of before?.upstreams ?? []) {
        const used = this.#used.get(key)!; // counted when `before` was `after`
        used.users--;
        if (used.users === 0) touched.add(key);
      }
    }
    return touched;
  }

  #use(spec: UpstreamSpec, touched: Set<UpstreamKey>): void {
    const used = this.#used.get(spec.key);
    if (used !== undefined) {
      used.users++;
      return;
    }
    this.#used.set(spec.key, { spec, users: 1, part: null });
    this.#byService.add(spec.key, [spec.service]);
    touched.add(spec.key);
  }

  #rebuild(touched: ReadonlySet<UpstreamKey>, snapshot: Snapshot): void {
    const edits = new Map<UpstreamKey, Upstream | undefined>();
    for (const key of touched) edits.set(key, this.#rebuildOne(this.#used.get(key)!, snapshot));
    this.#upstreams = withEdits(this.#upstreams, edits);
    this.#collectNames();
  }

  #rebuildOne(used: Used, snapshot: Snapshot): Upstream | undefined {
    const { spec, part: before } = used;
    if (before !== null && before.externalName !== null) this.#byName.remove(spec.key, [before.externalName]);
    if (used.users === 0) {
      this.#used.delete(spec.key);
      this.#byService.remove(spec.key, [spec.service]);
      this.#ledger.set(`upstream ${spec.key}`, []);
      return undefined;
    }
    const service = snapshot.services.get(spec.service);
    // The Ingress stage makes no route to a Service that is not there.
    if (service === undefined) throw new Error(`upstream ${spec.key} without its Service`);
    const { resolvedNames } = snapshot;
    const inputs = {
      service,
      slices: this.#slices.of(spec.service),
      resolvedNames,
      externalNames: this.#options,
    };
    const part = buildUpstream(spec, inputs, before?.upstream ?? null);
    used.part = part;
    if (part.externalName !== null) this.#byName.add(spec.key, [part.externalName]);
    this.#ledger.set(`upstream ${spec.key}`, part.problems);
    return part.upstream;
  }

  #collectNames(): void {
    const names = new Set(this.#byName.inputs());
    const { size } = names.union(this.#externalNames);
    if (size !== names.size || size !== this.#externalNames.size) this.#externalNames = names;
  }
}

function addAll<T>(set: Set<T>, more: Iterable<T>): void {
  for (const each of more) set.add(each);
}
