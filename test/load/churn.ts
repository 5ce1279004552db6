/**
 * Rewrites the manifests without pause: paths move, hosts and unrelated Services come and go, files break and are
 * mended, and backends join, serve, leave and close as pods do.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { Random } from '../fuzz/random.ts';
import { type ManifestFolder, service } from '../kit/manifests.ts';
import {
  addBackend,
  CELLS,
  type Cell,
  cellObjects,
  type Edit,
  firstCell,
  HTTP2_SERVICE,
  randomEdit,
  removeBackend,
  repeat,
  SERVICES,
} from './cell.ts';
import type { Child } from './child.ts';
import { now } from './clock.ts';
import type { History } from './history.ts';
import type { FromBackends, ToBackends } from './messages.ts';

/** Pause between two writes in ms, at most; half of it on average, plus the write itself. */
const MOST_PAUSE_MS = 45;
/** Backends per Service that are there from the beginning to the end. */
const STEADY = 2;
/** Backends that come and go, at any one time. */
const PASSING = 3;
const CELLS_PER_PASSING = 4;
/** What a pod gets between leaving the endpoints and closing its port, in ms. */
const LEAVE_MS = 300;
const COMMAND_MS = 30_000;

const BROKEN = ['kind: [Ingress\n  : {', '{"apiVersion": "v1", "kind": "Serv', '\x00\x01\x02', '- 1\n- 2\n'];

export interface ChurnCounts {
  readonly writes: number;
  readonly broken: number;
  /** Backends that joined, served and left. */
  readonly passed: number;
  /** Connections that the proxy still held to backends which had left. */
  readonly left: number;
}

interface Waiting {
  readonly cell: number;
  readonly edit: Edit;
  readonly done: (version: number) => void;
}

export class Churn {
  readonly #folder: ManifestFolder;
  readonly #backends: Child<ToBackends, FromBackends>;
  readonly #history: History;
  readonly #random: Random;
  readonly #ports = new Map<string, number>();
  readonly #cells: Cell[] = [];
  readonly #queue: Waiting[] = [];
  readonly #counts = { writes: 0, broken: 0, passed: 0, left: 0 };
  #ending = false;

  constructor(
    folder: ManifestFolder,
    backends: Child<ToBackends, FromBackends>,
    history: History,
    random: Random,
  ) {
    this.#folder = folder;
    this.#backends = backends;
    this.#history = history;
    this.#random = random;
  }

  /** Opens the steady backends and writes the first version of everything. */
  async prepare(): Promise<void> {
    const steady = Array.from({ length: SERVICES }, (_, index) =>
      Array.from({ length: STEADY }, (_, number) => `service-${index}-${number}`),
    );
    for (const [index, names] of steady.entries()) {
      for (const name of names) await this.#open(name, index);
    }
    for (let index = 0; index < CELLS; index++) {
      // Every cell uses one of the steady backends, so a route of the wrong cell shows in half of the cases.
      const cell = firstCell(
        index,
        steady.map((names) => [names[index % STEADY]!]),
      );
      await this.#write(cell);
    }
  }

  /** Goes on until `until`, then until every backend that joined has left. Resolves with what was done. */
  async run(until: number): Promise<ChurnCounts> {
    const passing = Promise.all(Array.from({ length: PASSING }, (_, lane) => this.#passAll(lane, until)));
    const passed = passing.then(() => {
      this.#ending = true;
    });
    await Promise.all([passed, this.#writeAll()]);
    await Promise.all(this.#cells.map(({ index, version }) => this.#history.whenLive(index, version)));
    return this.#counts;
  }

  async #writeAll(): Promise<void> {
    while (!this.#ending || this.#queue.length > 0) {
      await this.#writeOne();
      await delay(this.#random.int(0, MOST_PAUSE_MS));
    }
  }

  async #writeOne(): Promise<void> {
    const waiting = this.#queue.shift();
    if (waiting !== undefined) {
      const cell = waiting.edit(this.#cells[waiting.cell]!);
      await this.#write(cell);
      waiting.done(cell.version);
      return;
    }
    const index = this.#random.int(0, CELLS - 1);
    const kind = this.#random.int(1, 20);
    if (kind === 1) await this.#flapUnrelated();
    else if (kind === 2) await this.#break(index);
    else await this.#write(randomEdit(this.#random)(this.#cells[index]!));
  }

  async #write(cell: Cell): Promise<void> {
    this.#cells[cell.index] = cell;
    this.#history.wrote(cell, now());
    await this.#replace(fileOf(cell.index), this.#text(cell));
  }

  /** Every fourth cell is YAML, the others are JSON: the test is to keep the proxy busy, not a YAML writer. */
  #text(cell: Cell): string {
    const objects = cellObjects(cell, this.#ports);
    if (cell.index % 4 === 0) return objects.map((object) => stringify(object)).join('---\n');
    return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  }

  async #replace(file: string, text: string): Promise<void> {
    this.#counts.writes++;
    await this.#folder.writeText(file, text);
  }

  /** The last good version stays live until the file is mended, which is one of the next things to be done. */
  async #break(index: number): Promise<void> {
    this.#counts.broken++;
    await this.#replace(fileOf(index), this.#random.pick(BROKEN));
    this.#queue.push({ cell: index, edit: repeat, done: () => {} });
  }

  async #flapUnrelated(): Promise<void> {
    const count = this.#random.int(0, 4);
    const objects = Array.from({ length: count }, (_, index) =>
      service(`unrelated-${index}`, [1 + index]),
    ).flat();
    await this.#replace('unrelated.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  }

  /** One backend after the other joins some cells, serves for a while and leaves them again. */
  async #passAll(lane: number, until: number): Promise<void> {
    for (let number = 0; now() < until; number++) {
      await this.#pass(`passing-${lane}-${number}`);
      this.#counts.passed++;
    }
  }

  async #pass(name: string): Promise<void> {
    const random = this.#random;
    const index = random.int(0, SERVICES - 1);
    await this.#open(name, index);
    const first = random.int(0, CELLS - 1);
    const cells = Array.from({ length: CELLS_PER_PASSING }, (_, offset) => (first + offset) % CELLS);
    for (const cell of cells) await this.#edit(cell, addBackend(index, name));
    await delay(random.int(200, 1200));
    const gone: Promise<void>[] = [];
    for (const cell of cells) {
      const version = await this.#edit(cell, removeBackend(name));
      gone.push(this.#history.whenLive(cell, version));
    }
    await Promise.all(gone);
    await delay(LEAVE_MS);
    this.#backends.send({ kind: 'close', name });
    const { left } = await this.#backends.next('closed', COMMAND_MS, (closed) => closed.name === name);
    this.#counts.left += left;
  }

  #edit(cell: number, edit: Edit): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#queue.push({ cell, edit, done: resolve });
    return promise;
  }

  async #open(name: string, service: number): Promise<void> {
    this.#backends.send({ kind: 'open', name, http2: service === HTTP2_SERVICE });
    const { port } = await this.#backends.next('opened', COMMAND_MS, (opened) => opened.name === name);
    this.#ports.set(name, port);
  }
}

function fileOf(cell: number): string {
  return cell % 4 === 0 ? `cell-${cell}.yaml` : `cell-${cell}.json`;
}
