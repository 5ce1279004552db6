/** The data plane, with what it tells in the log and in the metrics. */
import { AddressRelease } from '../../dataplane/address-release.ts';
import type { BoundAddress } from '../../dataplane/messages.ts';
import { Supervisor } from '../../dataplane/supervisor.ts';
import { EMPTY_TABLE, type RoutingTable } from '../../model/routing-table.ts';
import type { Log, LogOutput } from '../../observe/log.ts';
import type { Metrics, Reload } from '../../observe/metrics.ts';
import type { Settings } from '../../settings/settings.ts';
import { dataplaneConfig } from './dataplane-config.ts';

/** What is told of a change beside its table. */
export interface Change extends Pick<Reload, 'objects' | 'problems'> {
  /** When it had settled, in ms of `performance.now()`. */
  readonly settledAt: number;
}

export class Dataplane {
  readonly supervisor: Supervisor;
  /** For whoever announces addresses that are served here. */
  readonly release: AddressRelease;
  readonly #log: Log;
  readonly #metrics: Metrics;
  /** The newest one; null before the first. */
  #table: RoutingTable | null = null;
  #live: RoutingTable = EMPTY_TABLE;
  #change: Change = { settledAt: 0, objects: {}, problems: { error: 0, warning: 0 } };
  readonly #isLive = Promise.withResolvers<void>();

  constructor(settings: Settings, output: LogOutput, metrics: Metrics) {
    const { log } = output;
    this.#log = log;
    this.#metrics = metrics;
    this.supervisor = new Supervisor(dataplaneConfig(settings, log), settings.workers, {
      onStats: (worker, report) => metrics.addReport(worker, report),
      onAccessLog: (lines) => output.writeAccessLog(lines),
      onEvent: (level, event, fields) => log[level](event, event, fields),
      onWorkerRestart: (worker) => {
        metrics.countRestart();
        metrics.removeWorker(worker);
      },
      onLive: (table, elapsedMs, worstPauseMs) => this.#onLive(table, elapsedMs, worstPauseMs),
    });
    this.release = new AddressRelease({
      ports: (address) => portsFor(address, this.supervisor.addresses),
      finish: (address, mostMs) => this.supervisor.finish(address, mostMs),
    });
  }

  /** What all workers serve by; empty before the first. */
  get live(): RoutingTable {
    return this.#live;
  }

  /** Whether there is a table to serve by, live or on its way. */
  get hasTable(): boolean {
    return this.#table !== null;
  }

  /** From here on this is the table to serve by; it may be the one that is. */
  apply(table: RoutingTable, change: Change): void {
    this.#change = change;
    if (table === this.#table) return this.#metrics.recordObjects(change.objects, change.problems);
    this.#table = table;
    this.supervisor.apply(table);
  }

  /** Resolves with the bound addresses once all workers take connections; rejects when an address cannot be bound. */
  start(): Promise<readonly BoundAddress[]> {
    return this.supervisor.start();
  }

  /** Resolves once the first table is live. */
  isLive(): Promise<void> {
    return this.#isLive.promise;
  }

  /** Lets what runs finish for at most `graceMs`. */
  stop(graceMs: number): Promise<void> {
    return this.supervisor.stop(graceMs);
  }

  #onLive(table: RoutingTable, elapsedMs: number, worstPauseMs: number): void {
    this.#live = table;
    const { settledAt, objects, problems } = this.#change;
    const { generation, hosts, upstreams } = table;
    const totalMs = performance.now() - settledAt;
    this.#metrics.recordReload({ generation, seconds: totalMs / 1000, objects, problems });
    this.#log.info('table-live', 'routing table is live', {
      generation,
      hosts: hosts.size,
      upstreams: upstreams.size,
      distribute_ms: round(elapsedMs),
      total_ms: round(totalMs),
      worst_pause_ms: round(worstPauseMs),
    });
    this.#isLive.resolve();
  }
}

/** The ports of listeners that serve an address: bound to it or to all. */
function portsFor(address: string, bound: readonly BoundAddress[]): ReadonlySet<number> {
  const serving = bound.filter((entry) => [address, '0.0.0.0', '::'].includes(entry.address));
  return new Set(serving.map(({ port }) => port));
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
