/**
 * The main thread's side of the data plane: starts the workers, brings each to the newest table, collects what
 * they report, replaces those that die, drains them at the end.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { EMPTY_TABLE, type RoutingTable } from '../model/routing-table.ts';
import type { DataplaneConfig } from './config.ts';
import type {
  BoundAddress,
  FromWorker,
  PackedReport,
  SeriesName,
  StatsReport,
  ToWorker,
} from './messages.ts';
import { unpack } from './stats.ts';
import { TableDelivery, TableStages } from './table-delivery.ts';
import { TicketKeys } from './tls/ticket-keys.ts';
import { WorkerRounds } from './worker-rounds.ts';

const REPORT_MS = 5000;
/** A worker that has not answered for this long hangs and is replaced. */
const HANG_MS = 15_000;
const RESTART_MS = 100;
const LONGEST_RESTART_MS = 5000;
/** A worker that ran this long is not part of a crash loop. */
const STABLE_MS = 60_000;

export interface SupervisorEvents {
  onStats(worker: number, report: StatsReport): void;
  /** Whole lines, each ended by a newline. */
  onAccessLog(lines: Uint8Array): void;
  /** Something for the program log. */
  onEvent(level: 'info' | 'warn' | 'error', event: string, fields: Record<string, string | number>): void;
  /** All workers serve this table. Times in ms: since it was handed over, and the longest pause of a worker. */
  onLive(table: RoutingTable, elapsedMs: number, worstPauseMs: number): void;
  onWorkerRestart(worker: number): void;
}

interface Slot {
  readonly index: number;
  worker: Worker | null;
  /** Ready for tables. */
  started: boolean;
  /** Has its first table and takes connections. */
  listening: boolean;
  delivery: TableDelivery;
  startedAt: number;
  restartMs: number;
  lastReport: number;
  /** Names of the series that the running worker has reported. */
  series: Map<number, SeriesName>;
}

export class Supervisor {
  readonly #events: SupervisorEvents;
  readonly #slots: Slot[];
  #config: DataplaneConfig;
  #addresses: readonly BoundAddress[] = [];
  #table: RoutingTable = EMPTY_TABLE;
  #handedOverAt = 0;
  #live: RoutingTable = EMPTY_TABLE;
  #stopping = false;
  readonly #reports = new WorkerRounds();
  readonly #finishing = new WorkerRounds();
  #timer: NodeJS.Timeout | null = null;
  readonly #stages = new TableStages();
  readonly #ticketKeys = new TicketKeys((keys) => {
    for (const slot of this.#slots) if (slot.started) send(slot, { kind: 'ticket-keys', keys });
  });

  constructor(config: DataplaneConfig, workers: number, events: SupervisorEvents) {
    this.#config = config;
    this.#events = events;
    this.#slots = Array.from({ length: workers }, (_, index) => ({
      index,
      worker: null,
      started: false,
      listening: false,
      delivery: new TableDelivery(this.#stages),
      startedAt: 0,
      restartMs: RESTART_MS,
      lastReport: 0,
      series: new Map(),
    }));
  }

  /**
   * Starts the workers with the table given to `apply`. Resolves with the bound addresses when all take
   * connections; rejects when an address cannot be bound.
   */
  async start(): Promise<readonly BoundAddress[]> {
    // The first decides what port 0 means; the others share it.
    const [first, ...others] = this.#slots;
    this.#addresses = await this.#launch(first!);
    this.#config = {
      ...this.#config,
      listeners: this.#config.listeners.map((listener) => ({
        ...listener,
        port: this.#addresses.find((bound) => bound.listener === listener.name)?.port ?? listener.port,
      })),
    };
    await Promise.all(others.map((slot) => this.#launch(slot)));
    this.#timer = setInterval(() => this.#tick(), REPORT_MS);
    this.#ticketKeys.start();
    return this.#addresses;
  }

  /** Makes this the table to serve; `onLive` tells when all workers do. */
  apply(table: RoutingTable): void {
    this.#table = table;
    this.#handedOverAt = performance.now();
    for (const slot of this.#slots) this.#bringUpToDate(slot);
  }

  /** Asks all workers for what they counted; resolves when they answered, or after `timeoutMs`. */
  report(timeoutMs: number): Promise<void> {
    return this.#ask(this.#reports, timeoutMs, (id) => ({ kind: 'report', id }));
  }

  /**
   * Tells the clients that are connected to an address of this host to leave. Resolves when nothing runs on their
   * connections, or after `mostMs`.
   */
  finish(address: string, mostMs: number): Promise<void> {
    return this.#ask(this.#finishing, mostMs, (id) => ({ kind: 'finish', id, address, mostMs }));
  }

  /** The bound addresses; none before {@link start}. */
  get addresses(): readonly BoundAddress[] {
    return this.#addresses;
  }

  /** Lets what runs finish for at most `graceMs`, then ends the workers. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#ticketKeys.stop();
    await this.report(500);
    const deadline = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
    const drained = this.#slots
      .filter((slot) => slot.worker !== null)
      .map(
        (slot) =>
          new Promise<void>((resolve) => {
            const worker = slot.worker!;
            worker.on('message', (message: FromWorker) => message.kind === 'drained' && resolve());
            worker.on('exit', () => resolve());
            send(slot, { kind: 'drain' });
          }),
      );
    await Promise.race([Promise.all(drained), deadline]);
    await this.report(500);
    await Promise.all(this.#slots.map((slot) => slot.worker?.terminate()));
  }

  /** The worker threads, for tests that break them on purpose. */
  get workers(): readonly (Worker | null)[] {
    return this.#slots.map((slot) => slot.worker);
  }

  #launch(slot: Slot): Promise<readonly BoundAddress[]> {
    // What bin/tidegate says about the young generation is for the main thread. Workers get half of V8's own size: under
    // traffic two of them then take 50 MiB less in a large cluster.
    setFlagsFromString('--max-semi-space-size=16');
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: this.#config,
      name: `data plane ${slot.index}`,
    });
    slot.worker = worker;
    slot.started = false;
    slot.listening = false;
    slot.delivery = new TableDelivery(this.#stages);
    slot.series = new Map();
    slot.startedAt = performance.now();
    slot.lastReport = slot.startedAt;
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'listening') resolve(message.addresses);
        else if (message.kind === 'bind-failed') {
          reject(new Error(`listener ${message.listener} cannot use ${message.address}: ${message.error}`));
          // It may listen elsewhere already, with a table that nobody would keep up to date.
          void worker.terminate();
        }
        this.#onMessage(slot, message);
      });
      worker.on('error', (error: unknown) => {
        this.#events.onEvent('error', 'worker-error', { worker: slot.index, message: stackOf(error) });
        reject(error);
      });
      worker.on('exit', (code) => {
        this.#onExit(slot, worker, code);
        reject(new Error(`worker ${slot.index} ended with code ${code}`));
      });
    });
  }

  #onMessage(slot: Slot, message: FromWorker): void {
    switch (message.kind) {
      case 'started':
        slot.started = true;
        send(slot, { kind: 'ticket-keys', keys: this.#ticketKeys.current });
        return this.#bringUpToDate(slot);
      case 'listening':
        slot.listening = true;
        return;
      case 'staged':
        return sendAll(slot, slot.delivery.next());
      case 'applied':
        return this.#onApplied(slot, message.pauseMs);
      case 'stats':
        return this.#onStats(slot, message.id, message.report);
      case 'finished':
        return this.#finishing.answered(slot.index, message.id);
      case 'access-log':
        return this.#events.onAccessLog(message.lines);
      case 'event':
        return this.#events.onEvent(message.level, message.event, { worker: slot.index, ...message.fields });
      case 'bind-failed':
      case 'drained':
        return;
      default:
        return message satisfies never;
    }
  }

  #ask(rounds: WorkerRounds, timeoutMs: number, question: (id: number) => ToWorker): Promise<void> {
    const asked = this.#slots.filter((slot) => slot.listening);
    return rounds.ask(new Set(asked.map((slot) => slot.index)), timeoutMs, (id) => {
      for (const slot of asked) send(slot, question(id));
    });
  }

  #bringUpToDate(slot: Slot): void {
    if (slot.started) sendAll(slot, slot.delivery.bringTo(this.#table));
  }

  #onApplied(slot: Slot, pauseMs: number): void {
    if (!slot.delivery.applied(pauseMs)) return;
    this.#bringUpToDate(slot);
    const table = this.#table;
    if (this.#live === table || !this.#slots.every(({ delivery }) => delivery.table === table)) return;
    this.#live = table;
    this.#stages.forget();
    const worstPauseMs = Math.max(...this.#slots.map(({ delivery }) => delivery.pauseMs));
    this.#events.onLive(table, performance.now() - this.#handedOverAt, worstPauseMs);
  }

  #onStats(slot: Slot, id: number, report: PackedReport): void {
    slot.lastReport = performance.now();
    this.#events.onStats(slot.index, unpack(report, slot.series));
    this.#reports.answered(slot.index, id);
  }

  #tick(): void {
    const now = performance.now();
    for (const slot of this.#slots) {
      if (!slot.listening) continue;
      if (now - slot.lastReport > HANG_MS) {
        this.#events.onEvent('error', 'worker-hangs', {
          worker: slot.index,
          silent_ms: Math.round(now - slot.lastReport),
        });
        void slot.worker?.terminate();
      } else send(slot, { kind: 'report', id: 0 });
    }
  }

  #onExit(slot: Slot, worker: Worker, code: number): void {
    if (slot.worker !== worker) return;
    const served = slot.listening;
    slot.worker = null;
    slot.started = false;
    slot.listening = false;
    if (this.#stopping || !served) return;
    const ran = performance.now() - slot.startedAt;
    slot.restartMs = ran > STABLE_MS ? RESTART_MS : Math.min(slot.restartMs * 2, LONGEST_RESTART_MS);
    this.#events.onEvent('error', 'worker-exit', { worker: slot.index, code, restart_ms: slot.restartMs });
    this.#events.onWorkerRestart(slot.index);
    setTimeout(() => this.#relaunch(slot), slot.restartMs);
  }

  #relaunch(slot: Slot): void {
    if (this.#stopping) return;
    this.#launch(slot).catch((error: Error) => {
      this.#events.onEvent('error', 'worker-start-failed', { worker: slot.index, message: error.message });
      if (slot.worker === null || !slot.listening) {
        slot.restartMs = Math.min(slot.restartMs * 2, LONGEST_RESTART_MS);
        setTimeout(() => this.#relaunch(slot), slot.restartMs);
      }
    });
  }
}

function send(slot: Slot, message: ToWorker): void {
  slot.worker?.postMessage(message);
}

function sendAll(slot: Slot, messages: readonly ToWorker[]): void {
  for (const message of messages) send(slot, message);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
