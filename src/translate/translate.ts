/**
 * Snapshot → Translation, rebuilt in stages on every change and memoised by object identity: what did not
 * change is not looked at again and comes out as the very same object (`===`), so that only the difference is
 * sent to the workers. The result is always what a translation from nothing gives; a property test says so.
 */
import type { TlsTable } from '../model/certificate.ts';
import type { Hostname, UpstreamKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import { EMPTY_TABLE, type HostTable, type RoutingTable, type Upstream } from '../model/routing-table.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../model/snapshot.ts';
import { compareSnapshots } from './changes.ts';
import { HostOwnership } from './ingress/host-ownership.ts';
import { HostStage } from './ingress/host-stage.ts';
import { IngressStage } from './ingress/ingress-stage.ts';
import type { TranslateOptions } from './options.ts';
import { ProblemLedger } from './problem-ledger.ts';
import { UpstreamStage } from './services/upstream-stage.ts';
import { SecretCertificates } from './tls/secret-certificates.ts';
import { TlsStage } from './tls/tls-stage.ts';
import type { Translation } from './translation.ts';

export interface Translator {
  /** Takes the next snapshot. When nothing follows from what changed, gives the translation it gave before. */
  translate(snapshot: Snapshot): Translation;
}

export function createTranslator(options: TranslateOptions): Translator {
  return new StagedTranslator(options);
}

class StagedTranslator implements Translator {
  readonly #ledger = new ProblemLedger();
  readonly #ingresses: IngressStage;
  readonly #ownership: HostOwnership;
  readonly #hosts: HostStage;
  readonly #upstreams: UpstreamStage;
  readonly #tls: TlsStage;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  #translation: Translation = {
    table: EMPTY_TABLE,
    problems: [],
    ingresses: EMPTY_SNAPSHOT.ingresses,
    externalNames: new Set(),
    nextLook: Infinity,
    secrets: new Set(),
  };
  #ledgerProblems: readonly Problem[] = [];

  constructor(options: TranslateOptions) {
    const certificates = new SecretCertificates();
    this.#ingresses = new IngressStage(options, this.#ledger, certificates);
    this.#tls = new TlsStage(options, this.#ledger, certificates);
    this.#ownership = new HostOwnership(options.hostSharing, this.#ledger);
    this.#hosts = new HostStage(this.#ledger);
    this.#upstreams = new UpstreamStage(options.externalNames, this.#ledger);
  }

  translate(snapshot: Snapshot): Translation {
    const before = this.#snapshot;
    const changes = compareSnapshots(before, snapshot);
    const parts = this.#ingresses.update(snapshot, changes);
    const owned = this.#ownership.update(parts);
    const hosts = this.#hosts.update(owned);
    const upstreams = this.#upstreams.update(before, snapshot, changes, parts);

    const tls = this.#tls.update(snapshot, owned, hosts, this.#ownership);

    const table = this.#nextTable(hosts, upstreams, tls);
    const problems = this.#nextProblems(snapshot);
    const { externalNames } = this.#upstreams;
    const { secrets } = this.#ingresses;
    const ingresses = this.#ingresses.ours;
    const nextLook = Math.min(this.#ingresses.nextLook, this.#tls.nextLook);
    this.#snapshot = snapshot;
    const last = this.#translation;
    if (
      table !== last.table ||
      problems !== last.problems ||
      ingresses !== last.ingresses ||
      externalNames !== last.externalNames ||
      nextLook !== last.nextLook ||
      secrets !== last.secrets
    ) {
      this.#translation = { table, problems, ingresses, externalNames, nextLook, secrets };
    }
    return this.#translation;
  }

  /** The first table is generation 1, even when it is empty: it says that there is one. */
  #nextTable(
    hosts: ReadonlyMap<Hostname, HostTable>,
    upstreams: ReadonlyMap<UpstreamKey, Upstream>,
    tls: TlsTable,
  ): RoutingTable {
    const { table } = this.#translation;
    if (table.hosts === hosts && table.upstreams === upstreams && table.tls === tls) return table;
    return { generation: table.generation + 1, hosts, upstreams, tls };
  }

  #nextProblems(snapshot: Snapshot): readonly Problem[] {
    const found = this.#ledger.all();
    if (found === this.#ledgerProblems && snapshot.problems === this.#snapshot.problems)
      return this.#translation.problems;
    this.#ledgerProblems = found;
    return [...snapshot.problems, ...found];
  }
}
