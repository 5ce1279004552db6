/**
 * How a table gets to a worker: as stages, each sent when the one before was taken, and a commit with the last one.
 * Knows no threads: it gives the messages to send.
 */
import { EMPTY_TABLE, type RoutingTable } from '../model/routing-table.ts';
import { diffTables } from '../model/table-patch.ts';
import { diffTls } from '../model/tls-patch.ts';
import type { ToWorker } from './messages.ts';

/** Routes and upstreams in one message: a worker reads it in well under a millisecond. */
const CHUNK_ROUTES = 200;
/** Certificates are some kilobytes each. */
const CHUNK_CERTIFICATES = 20;

/** One piece of what brings a worker from one table to another. */
type Stage = Extract<ToWorker, { kind: 'stage' | 'stage-tls' }>;

/** What brings workers from one table to another; made once, for all of them usually need the same. */
export class TableStages {
  #last: { from: RoutingTable; to: RoutingTable; stages: readonly Stage[] } | null = null;

  between(from: RoutingTable, to: RoutingTable): readonly Stage[] {
    if (this.#last?.from !== from || this.#last.to !== to) {
      const stages: Stage[] = diffTables(from, to, CHUNK_ROUTES).map((chunk) => ({ kind: 'stage', chunk }));
      for (const patch of diffTls(from.tls, to.tls, CHUNK_CERTIFICATES))
        stages.push({ kind: 'stage-tls', patch });
      this.#last = { from, to, stages };
    }
    return this.#last.stages;
  }

  /** All workers have it: it need not be kept. */
  forget(): void {
    this.#last = null;
  }
}

const NOTHING: readonly ToWorker[] = [];

/** For one worker, from its start to its end. */
export class TableDelivery {
  readonly #stages: TableStages;
  #table: RoutingTable | null = null;
  /** What it is being brought to; null when it is idle. */
  #sending: { readonly table: RoutingTable; readonly stages: readonly Stage[]; next: number } | null = null;
  #pauseMs = 0;

  constructor(stages: TableStages) {
    this.#stages = stages;
  }

  /** What the worker serves; null before its first table. */
  get table(): RoutingTable | null {
    return this.#table;
  }

  /** How long it stood still for that. */
  get pauseMs(): number {
    return this.#pauseMs;
  }

  /** Begins to bring it to `table`, unless it is on the way to one: then this is to be called again when it arrived. */
  bringTo(table: RoutingTable): readonly ToWorker[] {
    if (this.#sending !== null || this.#table === table) return NOTHING;
    const stages = this.#stages.between(this.#table ?? EMPTY_TABLE, table);
    this.#sending = { table, stages, next: 0 };
    return this.next();
  }

  /** It took a stage. */
  next(): readonly ToWorker[] {
    const sending = this.#sending;
    if (sending === null) return NOTHING;
    const { stages, table, next } = sending;
    sending.next++;
    const messages: ToWorker[] = stages.slice(next, next + 1);
    // Together with the last stage, whose `staged` then finds nothing left to send.
    if (next === Math.max(0, stages.length - 1))
      messages.push({ kind: 'commit', generation: table.generation });
    return messages;
  }

  /** It serves what it was brought to. False when it was not on the way to anything. */
  applied(pauseMs: number): boolean {
    if (this.#sending === null) return false;
    this.#table = this.#sending.table;
    this.#sending = null;
    this.#pauseMs = pauseMs;
    return true;
  }
}
