/**
 * How a copy of all objects of one kind is kept: list them, watch from there, list again when the server has
 * forgotten where we were. Neither sockets nor clocks: what happened goes in, what to do comes out.
 *
 * The rules are those of the API (Kubernetes docs, "API concepts: efficient detection of changes") and of client-go's
 * reflector. What is known stays known until a complete list or an event says otherwise.
 */
import type { ApiFailure } from '../../kubernetes/result.ts';

export interface Item {
  /** `namespace/name`, or `name` for cluster-scoped kinds. */
  readonly id: string;
  readonly resourceVersion: string;
  readonly value: Record<string, unknown>;
}

export type Input =
  | { readonly type: 'start' }
  | {
      readonly type: 'page';
      readonly items: readonly Item[];
      readonly resourceVersion: string;
      /** Token for the next page; null for the last one. */
      readonly next: string | null;
    }
  | { readonly type: 'list-failed'; readonly failure: ApiFailure }
  /** The server answered the watch: what happens from now on will be told. */
  | { readonly type: 'opened' }
  | { readonly type: 'changed'; readonly item: Item }
  | { readonly type: 'deleted'; readonly id: string; readonly resourceVersion: string }
  | { readonly type: 'bookmark'; readonly resourceVersion: string }
  /** An ERROR event. */
  | { readonly type: 'error'; readonly failure: ApiFailure }
  /** A line that is too long or makes no sense: perhaps an event is lost. */
  | { readonly type: 'bad-line' }
  | { readonly type: 'watch-ended'; readonly failure: ApiFailure | null }
  /** The wait is over, or there is a reason not to wait any longer. */
  | { readonly type: 'due' };

export type Change =
  | { readonly type: 'put'; readonly item: Item }
  | { readonly type: 'remove'; readonly id: string };

export type Command =
  | { readonly do: 'list'; readonly limit: number; readonly next: string | null }
  | { readonly do: 'watch'; readonly resourceVersion: string; readonly timeoutSeconds: number }
  | { readonly do: 'stop-watch' }
  | { readonly do: 'wait'; readonly ms: number };

/**
 * `listing`: nothing known yet. `live`: what is known is what is true. `failing`: what is known may be old. `absent`:
 * the server has no such kind.
 */
export type Status = 'listing' | 'live' | 'failing' | 'absent';

export interface Step {
  readonly changes: readonly Change[];
  /** Null: go on with what is under way. */
  readonly command: Command | null;
}

export const PAGE_SIZE = 500;
const FIRST_DELAY_MS = 400;
const MAX_DELAY_MS = 30_000;
/** For kinds that may be missing for good. */
const MAX_ABSENT_DELAY_MS = 300_000;
/** As client-go: watches of many clients must not all end at once. */
const WATCH_SECONDS = { least: 300, most: 600 };
/** A watch that is refused so often, or is silent so often, may ask for a version that never comes. */
const MAX_FRUITLESS = 3;

const NOTHING: Step = { changes: [], command: null };

export class ListWatch {
  readonly #isOptional: boolean;
  readonly #random: () => number;
  /** What the last state told of each object is; by id. */
  readonly #known = new Map<string, string>();
  #listed = new Set<string>();
  #resourceVersion = '';
  #limit = PAGE_SIZE;
  #synced = false;
  #status: Status = 'listing';
  #failure: ApiFailure | null = null;
  /** Failures since the last sign of life. */
  #attempts = 0;
  #fruitless = 0;
  /** Where a bad line came last. */
  #badLineAt: string | null = null;
  /** What follows the end of the watch. */
  #then: 'watch' | 'list' | null = null;
  #after: 'watch' | 'list' = 'list';

  /** An optional kind may be missing (404) or not ours to read (403) without that being a fault. */
  constructor(isOptional: boolean, random: () => number) {
    this.#isOptional = isOptional;
    this.#random = random;
  }

  get status(): Status {
    return this.#status;
  }

  /** Why it is `failing` or `absent`. */
  get failure(): ApiFailure | null {
    return this.#failure;
  }

  /** Whether all objects of the kind were seen once. */
  get isSynced(): boolean {
    return this.#synced;
  }

  step(input: Input): Step {
    switch (input.type) {
      case 'start':
        return this.#list();
      case 'page':
        return this.#page(input);
      case 'list-failed':
        return this.#listFailed(input.failure);
      case 'opened':
        this.#set('live', null);
        return NOTHING;
      case 'changed':
        return this.#event(input.item.resourceVersion, () => this.#put(input.item));
      case 'deleted':
        return this.#event(input.resourceVersion, () => this.#remove(input.id));
      case 'bookmark':
        return this.#event(input.resourceVersion, () => []);
      case 'error':
        return this.#error(input.failure);
      case 'bad-line':
        return this.#badLine();
      case 'watch-ended':
        return this.#watchEnded(input.failure);
      case 'due':
        return this.#after === 'list' ? this.#list() : this.#watch();
      default:
        return input satisfies never;
    }
  }

  /** The kind may have come into being: what was held off is worth a try at once. */
  hurry(): void {
    this.#attempts = 0;
  }

  #list(next: string | null = null, changes: readonly Change[] = []): Step {
    if (next === null) this.#listed = new Set();
    return { changes, command: { do: 'list', limit: this.#limit, next } };
  }

  #watch(): Step {
    const { least, most } = WATCH_SECONDS;
    const timeoutSeconds = Math.round(least + (most - least) * this.#random());
    return {
      changes: [],
      command: { do: 'watch', resourceVersion: this.#resourceVersion, timeoutSeconds },
    };
  }

  #page({ items, resourceVersion, next }: Input & { type: 'page' }): Step {
    // A server that was set back gives numbers a second time: they say nothing of what is known.
    if (this.#listed.size === 0 && isOlder(resourceVersion, this.#resourceVersion)) this.#forgetVersions();
    const changes: Change[] = [];
    for (const item of items) {
      this.#listed.add(item.id);
      changes.push(...this.#put(item));
    }
    if (next !== null) return this.#list(next, changes);
    for (const id of this.#known.keys()) if (!this.#listed.has(id)) changes.push(...this.#remove(id));
    this.#listed = new Set();
    this.#resourceVersion = resourceVersion;
    this.#limit = PAGE_SIZE;
    this.#synced = true;
    this.#fruitless = 0;
    return { changes, command: this.#watch().command };
  }

  #listFailed(failure: ApiFailure): Step {
    if (isExpired(failure)) {
      // The rest of a list in pages is gone: the next try takes all in one piece, as client-go does.
      this.#limit = 0;
      return this.#attempts++ === 0 ? this.#list() : this.#wait('list', failure);
    }
    if (failure.reason === 'TooLarge' && this.#limit !== 1) {
      this.#limit = this.#limit === 0 ? PAGE_SIZE / 5 : Math.max(1, Math.floor(this.#limit / 5));
      return this.#list();
    }
    this.#attempts++;
    if (failure.status === 404 && this.#isOptional) return this.#absent(failure);
    return this.#wait('list', failure);
  }

  #absent(failure: ApiFailure): Step {
    const changes = [...this.#known.keys()].flatMap((id) => this.#remove(id));
    this.#synced = true;
    const { command } = this.#wait('list', failure);
    this.#set('absent', failure);
    return { changes, command };
  }

  /** An event that came in order: `act` says what it changes. */
  #event(resourceVersion: string, act: () => readonly Change[]): Step {
    if (this.#then !== null) return NOTHING;
    if (isOlder(resourceVersion, this.#resourceVersion)) return this.#stop('list');
    this.#resourceVersion = resourceVersion;
    this.#attempts = 0;
    this.#fruitless = 0;
    const changes = act();
    return changes.length === 0 ? NOTHING : { changes, command: null };
  }

  #error(failure: ApiFailure): Step {
    if (this.#then !== null) return NOTHING;
    this.#set('failing', failure);
    return this.#stop(isExpired(failure) || !isOverload(failure) ? 'list' : 'watch');
  }

  /** Asks once more from the same place: what is lost comes again. When that is bad again, only a list helps. */
  #badLine(): Step {
    if (this.#then !== null) return NOTHING;
    const again = this.#badLineAt === this.#resourceVersion;
    this.#badLineAt = again ? null : this.#resourceVersion;
    return this.#stop(again ? 'list' : 'watch');
  }

  #stop(then: 'watch' | 'list'): Step {
    this.#then = then;
    return { changes: [], command: { do: 'stop-watch' } };
  }

  #watchEnded(failure: ApiFailure | null): Step {
    const then = this.#then;
    this.#then = null;
    const calm = this.#attempts === 0;
    this.#attempts++;
    if (then !== null) {
      const asked = this.#status === 'failing' ? this.#failure : null;
      if (calm && !(asked && isOverload(asked))) return then === 'list' ? this.#list() : this.#watch();
      return this.#wait(then, asked);
    }
    if (failure === null) return calm ? this.#watch() : this.#wait('watch', null);
    if (isExpired(failure)) return calm ? this.#list() : this.#wait('list', failure);
    const fruitless = failure.kind === 'timeout' || (failure.kind === 'http' && !isOverload(failure));
    if (fruitless && ++this.#fruitless >= MAX_FRUITLESS) return this.#wait('list', failure);
    return this.#wait(failure.status === 404 ? 'list' : 'watch', failure);
  }

  #wait(after: 'watch' | 'list', failure: ApiFailure | null): Step {
    this.#after = after;
    if (failure !== null) this.#set('failing', failure);
    const mayBeMissing = this.#isOptional && (failure?.status === 404 || failure?.status === 403);
    const most = mayBeMissing ? MAX_ABSENT_DELAY_MS : MAX_DELAY_MS;
    const delay = Math.min(most, FIRST_DELAY_MS * 2 ** Math.min(this.#attempts - 1, 20));
    const jittered = delay * (0.5 + 0.5 * this.#random());
    const asked = (failure?.retryAfterMs ?? 0) * (1 + 0.1 * this.#random());
    return { changes: [], command: { do: 'wait', ms: Math.round(Math.max(jittered, asked)) } };
  }

  #put(item: Item): Change[] {
    if (this.#known.get(item.id) === item.resourceVersion) return [];
    this.#known.set(item.id, item.resourceVersion);
    return [{ type: 'put', item }];
  }

  #remove(id: string): Change[] {
    return this.#known.delete(id) ? [{ type: 'remove', id }] : [];
  }

  #forgetVersions(): void {
    for (const id of this.#known.keys()) this.#known.set(id, '');
  }

  #set(status: Status, failure: ApiFailure | null): void {
    this.#status = status;
    this.#failure = failure;
  }
}

/** What was asked for is no longer kept: 410, as a status or as an ERROR event. */
function isExpired({ status, reason }: ApiFailure): boolean {
  return status === 410 || reason === 'Expired' || reason === 'Gone';
}

/** Nothing is wrong with the question; the server cannot answer just now. */
function isOverload({ status }: ApiFailure): boolean {
  return status === 429 || (status >= 500 && status !== 504);
}

/**
 * Versions are numbers that grow (promised by Kubernetes 1.35, true for long); one that shrinks says that the
 * server's data was set back. False when they cannot be compared.
 */
function isOlder(a: string, b: string): boolean {
  if (!/^\d{1,19}$/.test(a) || !/^\d{1,19}$/.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}
