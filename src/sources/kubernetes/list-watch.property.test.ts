/**
 * Random histories of objects, with a server that fails in every way between any two steps: in the end the copy is
 * what a fresh list would give, and no object ever goes back to an earlier state on the way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ApiFailure, failure, httpFailure } from '../../kubernetes/result.ts';
import { type Command, type Input, type Item, ListWatch } from './list-watch.ts';

const EXPIRED = httpFailure(410, { kind: 'Status', reason: 'Expired' }, undefined);
const BUSY = httpFailure(429, { kind: 'Status', reason: 'TooManyRequests' }, '1');
const BROKEN = httpFailure(500, {}, undefined);
const CUT = failure('network', 'ECONNRESET', 'cut');
const SILENT = failure('timeout', 'Timeout', 'silent');
const NOT_JSON = failure('malformed', 'NotJson', 'not JSON');
const FAILURES: readonly ApiFailure[] = [EXPIRED, BUSY, BROKEN, CUT, SILENT, NOT_JSON];

type Move =
  | { readonly do: 'put' | 'delete'; readonly id: string }
  | { readonly do: 'compact' | 'set-back' | 'go-on' | 'bookmark' | 'lose-line' | 'error-event' }
  | { readonly do: 'fail'; readonly which: number };

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'delete' as const), id }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('go-on' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'compact' as const,
        'set-back' as const,
        'bookmark' as const,
        'lose-line' as const,
        'error-event' as const,
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(FAILURES.length - 1) }),
  },
);

/** A server with a history, and one client that is somewhere in a list or a watch. */
class World {
  readonly machine = new ListWatch(false, () => 0.5);
  /** The copy: what the client was told. The content is unique over all time, unlike the version. */
  readonly copy = new Map<string, number>();
  readonly #objects = new Map<string, { version: number; content: number }>();
  #events: { version: number; id: string; content: number | null }[] = [];
  #version = 1_000_000;
  #compacted = 0;
  #wasSetBack = false;
  /** The version up to which the client knows all. */
  #told = 0;
  #contents = 0;
  readonly #pages = new Map<string, { items: Item[]; version: number }>();
  #command: Command | null = this.machine.step({ type: 'start' }).command;
  /** Where the watch is; null when none is open. */
  #watchedTo: number | null = null;

  play(step: Move): void {
    switch (step.do) {
      case 'put': {
        const object = { version: ++this.#version, content: ++this.#contents };
        this.#objects.set(step.id, object);
        this.#events.push({ ...object, id: step.id });
        return;
      }
      case 'delete':
        if (this.#objects.delete(step.id)) {
          this.#events.push({ version: ++this.#version, id: step.id, content: null });
        }
        return;
      case 'compact':
        // A watch that is behind cannot be served any more.
        if (this.#isBehind()) this.#tell({ type: 'error', failure: EXPIRED });
        this.#compacted = this.#version;
        this.#events = [];
        this.#pages.clear();
        return;
      case 'set-back':
        return this.#setBack();
      case 'go-on':
        return this.#goOn();
      case 'bookmark':
        if (this.#watchedTo === null) return;
        // A bookmark promises that everything before it was told.
        while (this.#isBehind()) this.#goOn();
        if (this.#watchedTo !== null)
          this.#tell({ type: 'bookmark', resourceVersion: String(this.#version) });
        return;
      case 'lose-line':
        if (this.#watchedTo === null) return;
        this.#watchedTo =
          this.#events.find(({ version }) => version > this.#watchedTo!)?.version ?? this.#watchedTo;
        return this.#tell({ type: 'bad-line' });
      case 'error-event':
        if (this.#watchedTo !== null) this.#tell({ type: 'error', failure: EXPIRED });
        return;
      case 'fail':
        return this.#fail(FAILURES[step.which]!);
      default:
        return step satisfies never;
    }
  }

  /** No more faults: drives the client until it has nothing left to hear. */
  settle(): void {
    for (let turns = 0; turns < 1000; turns++) {
      const isQuiet = this.#watchedTo !== null && !this.#isBehind();
      if (!isQuiet) this.#goOn();
      else {
        this.#tell({ type: 'bookmark', resourceVersion: String(this.#version) });
        if (this.#watchedTo !== null) return;
      }
    }
    assert.fail('the client does not come to rest');
  }

  expected(): ReadonlyMap<string, number> {
    return new Map([...this.#objects].map(([key, { content }]) => [key, content]));
  }

  #isBehind(): boolean {
    const to = this.#watchedTo;
    return to !== null && this.#events.some(({ version }) => version > to);
  }

  /** Lets what the client asked for take its course, one message at a time. */
  #goOn(): void {
    if (this.#watchedTo !== null) {
      const event = this.#events.find(({ version }) => version > this.#watchedTo!);
      if (event === undefined) return;
      this.#watchedTo = event.version;
      const { version, content } = event;
      if (content === null) this.#tell({ type: 'deleted', id: event.id, resourceVersion: String(version) });
      else this.#tell({ type: 'changed', item: itemOf(event.id, version, content) });
      return;
    }
    const command = this.#command!;
    if (command.do === 'wait') this.#tell({ type: 'due' });
    else if (command.do === 'list') this.#list(command);
    else if (command.do === 'watch') {
      const from = Number(command.resourceVersion);
      if (from < this.#compacted) return this.#tell({ type: 'watch-ended', failure: EXPIRED });
      this.#watchedTo = from;
      this.#tell({ type: 'opened' });
      // The next bookmark of a server that was set back comes before its versions are as high as they were.
      if (from > this.#version) this.#tell({ type: 'bookmark', resourceVersion: String(this.#version) });
    }
  }

  #list({ limit, next }: Command & { do: 'list' }): void {
    const fresh = {
      items: [...this.#objects].map(([key, { version, content }]) => itemOf(key, version, content)),
      version: this.#version,
    };
    const found = next === null ? fresh : this.#pages.get(next);
    if (found === undefined) return this.#tell({ type: 'list-failed', failure: EXPIRED });
    // Small pages, unless all is wanted in one piece.
    const size = limit === 0 ? found.items.length : 2;
    const rest = found.items.slice(size);
    const token = rest.length === 0 ? null : `token ${this.#pages.size} ${this.#version}`;
    if (token !== null) this.#pages.set(token, { ...found, items: rest });
    const items = found.items.slice(0, size);
    this.#tell({ type: 'page', items, resourceVersion: String(found.version), next: token });
  }

  #fail(why: ApiFailure): void {
    if (this.#watchedTo !== null || this.#command?.do === 'watch') {
      this.#tell({ type: 'watch-ended', failure: why });
    } else if (this.#command?.do === 'list') this.#tell({ type: 'list-failed', failure: why });
  }

  /**
   * Restored from an old backup: versions count from a smaller number again, and connections are gone. So much
   * smaller that they do not soon reach what the client knows: then no client could tell (which is why etcd's
   * restore can raise the revision).
   */
  #setBack(): void {
    if (this.#told === 0) return;
    this.#fail(CUT);
    this.#wasSetBack = true;
    this.#version = this.#told - 1000;
    this.#compacted = 0;
    this.#events = [];
    this.#pages.clear();
    for (const [key] of this.#objects) {
      this.#objects.set(key, { version: ++this.#version, content: ++this.#contents });
    }
  }

  #tell(input: Input): void {
    if (input.type === 'watch-ended') this.#watchedTo = null;
    if (input.type === 'page' ? input.next === null : 'resourceVersion' in input) {
      this.#told = Number((input as { resourceVersion: string }).resourceVersion);
    } else if (input.type === 'changed') this.#told = Number(input.item.resourceVersion);
    const { changes, command } = this.machine.step(input);
    for (const change of changes) {
      if (change.type === 'remove') this.copy.delete(change.id);
      else {
        const { item } = change;
        const content = Number(item.value['content']);
        const before = this.copy.get(item.id) ?? 0;
        assert.ok(content >= before, `${item.id} went back to an earlier state`);
        // Once versions are given a second time they prove nothing, and what is the same may be told again.
        assert.ok(content > before || this.#wasSetBack, `${item.id} was told twice`);
        this.copy.set(item.id, content);
      }
    }
    if (command?.do === 'stop-watch') this.#tell({ type: 'watch-ended', failure: CUT });
    else if (command !== null) this.#command = command;
  }
}

function itemOf(key: string, version: number, content: number): Item {
  return { id: key, resourceVersion: String(version), value: { content } };
}

test('whatever happens on the way, the copy ends as the cluster is', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120, size: 'max' }), (moves) => {
      const world = new World();
      for (const step of moves) world.play(step);
      world.settle();
      assert.deepEqual(world.copy, world.expected());
    }),
    { numRuns: 2000 },
  );
});
