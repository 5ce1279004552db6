/** Second stage: every host from all the Ingresses that claim it. */
import type { Hostname } from '../../model/keys.ts';
import type { HostTable } from '../../model/routing-table.ts';
import { withEdits } from '../../model/shared-map.ts';
import type { ProblemLedger } from '../problem-ledger.ts';
import { HostClaims } from './host-claims.ts';
import type { PartChange } from './ingress-stage.ts';

export class HostStage {
  readonly #ledger: ProblemLedger;
  readonly #claims = new Map<Hostname, HostClaims>();
  #hosts: ReadonlyMap<Hostname, HostTable> = new Map();

  constructor(ledger: ProblemLedger) {
    this.#ledger = ledger;
  }

  /** Gives all hosts; the same map as before when none changed. */
  update(changes: readonly PartChange[]): ReadonlyMap<Hostname, HostTable> {
    const edits = new Map<Hostname, HostTable | undefined>();
    for (const [host, some] of byHost(changes)) {
      const claims = this.#claims.get(host) ?? new HostClaims(host);
      const table = claims.update(some);
      if (table === null) this.#claims.delete(host);
      else this.#claims.set(host, claims);
      this.#ledger.set(`host ${host}`, claims.conflicts());
      edits.set(host, table ?? undefined);
    }
    this.#hosts = withEdits(this.#hosts, edits);
    return this.#hosts;
  }
}

function byHost(changes: readonly PartChange[]): Map<Hostname, PartChange[]> {
  const grouped = new Map<Hostname, PartChange[]>();
  for (const change of changes) {
    for (const host of new Set([
      ...(change.before?.claims.keys() ?? []),
      ...(change.after?.claims.keys() ?? []),
    ])) {
      const known = grouped.get(host);
      if (known === undefined) grouped.set(host, [change]);
      else known.push(change);
    }
  }
  return grouped;
}
