/** Second stage: every host from all the Ingresses that claim it. */
import type { Hostname, ObjectKey } from '../../model/keys.ts';
import type { HostTable } from '../../model/routing-table.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import { mergeHost } from './hosts.ts';
import type { IngressPart } from './ingress.ts';
import type { PartChange } from './ingress-stage.ts';

export class HostStage {
  readonly #ledger: ProblemLedger;
  readonly #claimants = new Map<Hostname, Map<ObjectKey, IngressPart>>();
  #hosts: ReadonlyMap<Hostname, HostTable> = new Map();

  constructor(ledger: ProblemLedger) {
    this.#ledger = ledger;
  }

  /** Gives all hosts; the same Map as before when none changed. */
  update(changes: readonly PartChange[]): ReadonlyMap<Hostname, HostTable> {
    const touched = new Set<Hostname>();
    for (const change of changes) this.#reclaim(change, touched);
    let next: Map<Hostname, HostTable> | null = null;
    for (const host of touched) {
      const before = this.#hosts.get(host) ?? null;
      const after = this.#merge(host, before);
      if (after === before) continue;
      next ??= new Map(this.#hosts);
      if (after === null) next.delete(host);
      else next.set(host, after);
    }
    if (next !== null) this.#hosts = next;
    return this.#hosts;
  }

  #reclaim({ key, before, after }: PartChange, touched: Set<Hostname>): void {
    for (const host of before?.claims.keys() ?? []) {
      touched.add(host);
      this.#claimants.get(host)!.delete(key);
    }
    if (after === null) return;
    for (const host of after.claims.keys()) {
      touched.add(host);
      const claimants = this.#claimants.get(host);
      if (claimants === undefined) this.#claimants.set(host, new Map([[key, after]]));
      else claimants.set(key, after);
    }
  }

  /** Null when nobody claims the host any more. */
  #merge(host: Hostname, before: HostTable | null): HostTable | null {
    const claimants = this.#claimants.get(host)!;
    if (claimants.size === 0) {
      this.#claimants.delete(host);
      this.#ledger.set(`host ${host}`, []);
      return null;
    }
    const { table, conflicts } = mergeHost(host, [...claimants.values()], before);
    this.#ledger.set(`host ${host}`, conflicts);
    return table;
  }
}
