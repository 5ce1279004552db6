/** Runs the list-watch of one kind against the API server. */
import type { KubernetesApi, RequestOptions } from '../../kubernetes/api.ts';
import { type Resource, resourcePath } from '../../kubernetes/resource.ts';
import type { ApiFailure } from '../../kubernetes/result.ts';
import { type Change, type Command, type Input, ListWatch, type Status } from './list-watch.ts';
import { readLine, readPage } from './messages.ts';

export interface FeedTarget {
  readonly resource: Resource;
  /** Null for all namespaces and for cluster-scoped kinds. */
  readonly namespace: string | null;
  readonly isOptional: boolean;
  /** Only names, versions and the like are asked for, not contents. */
  readonly metadataOnly: boolean;
}

export interface FeedOptions {
  /** A watch that is silent for this long is opened anew; bookmarks come about once a minute. */
  readonly watchIdleMs: number;
  readonly random: () => number;
  /** Whether {@link Feed.hurry} will be called when a kind that is absent may have come: asking is then needless. */
  readonly isAnnounced: () => boolean;
  readonly onChanges: (changes: readonly Change[]) => void;
  /** After each step in which status or failure changed, or the first complete list came. */
  readonly onStatus: () => void;
}

/** Only the metadata of objects (Kubernetes docs, "Metadata-only fetches"). */
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
/** A page of large objects from a busy server takes its time. */
const LIST_TIMEOUT_MS = 60_000;

/** A kind is not served at once when its definition is announced: asking goes on until the pauses are this long. */
const MAX_ASKING_MS = 60_000;

export class Feed {
  readonly target: FeedTarget;
  readonly #api: KubernetesApi;
  readonly #options: FeedOptions;
  readonly #path: string;
  readonly #machine: ListWatch;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #endWait: (() => void) | null = null;
  #stopWatch: AbortController | null = null;
  #reported = '';

  constructor(api: KubernetesApi, target: FeedTarget, options: FeedOptions) {
    this.target = target;
    this.#api = api;
    this.#options = options;
    const { resource, namespace } = target;
    this.#path = resourcePath(resource, namespace === null ? {} : { namespace });
    this.#machine = new ListWatch(target.isOptional, options.random);
  }

  get status(): Status {
    return this.#machine.status;
  }

  get failure(): ApiFailure | null {
    return this.#machine.failure;
  }

  get isSynced(): boolean {
    return this.#machine.isSynced;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Tries at once what it may be waiting to try: the kind may be there now. */
  hurry(): void {
    if (this.#machine.status !== 'absent') return;
    this.#machine.hurry();
    this.#endWait?.();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#endWait?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    let command = this.#step({ type: 'start' });
    while (!this.#closing.signal.aborted) {
      const input = await this.#obey(command!);
      if (this.#closing.signal.aborted) return;
      command = this.#step(input);
    }
  }

  /** Carries out what takes time, and says how it ended. */
  #obey(command: Command): Promise<Input> {
    switch (command.do) {
      case 'list':
        return this.#list(command);
      case 'watch':
        return this.#watch(command);
      case 'wait':
        return this.#wait(command.ms);
      case 'stop-watch':
        throw new Error('there is no watch to stop');
      default:
        return command satisfies never;
    }
  }

  async #list({ limit, next }: Command & { do: 'list' }): Promise<Input> {
    const options: RequestOptions = {
      query: { limit: limit === 0 ? undefined : limit, continue: next ?? undefined },
      timeoutMs: LIST_TIMEOUT_MS,
      signal: this.#closing.signal,
      ...(this.target.metadataOnly && { accept: METADATA_LIST }),
    };
    const result = await this.#api.request('GET', this.#path, options);
    if (!result.ok) return { type: 'list-failed', failure: result };
    const page = readPage(result.body);
    return 'ok' in page ? { type: 'list-failed', failure: page } : page;
  }

  async #watch({ resourceVersion, timeoutSeconds }: Command & { do: 'watch' }): Promise<Input> {
    const stop = new AbortController();
    this.#stopWatch = stop;
    const end = await this.#api.watchLines(this.#path, {
      query: { resourceVersion, allowWatchBookmarks: true, timeoutSeconds },
      idleMs: this.#options.watchIdleMs,
      signal: AbortSignal.any([stop.signal, this.#closing.signal]),
      onOpen: () => this.#step({ type: 'opened' }),
      onLine: (line) => this.#step(readLine(line)),
      onTooLong: () => this.#step({ type: 'bad-line' }),
      ...(this.target.metadataOnly && { accept: METADATA }),
    });
    this.#stopWatch = null;
    return { type: 'watch-ended', failure: end.ok ? null : end };
  }

  #wait(ms: number): Promise<Input> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#endWait = null;
        resolve({ type: 'due' });
      };
      const isTold = ms > MAX_ASKING_MS && this.#machine.status === 'absent' && this.#options.isAnnounced();
      const timer = isTold ? undefined : setTimeout(end, ms);
      this.#endWait = end;
      if (this.#closing.signal.aborted) end();
    });
  }

  /** Passes on what follows from `input`; gives what is to be done next, null to go on. */
  #step(input: Input): Command | null {
    if (this.#closing.signal.aborted) return null;
    const { changes, command } = this.#machine.step(input);
    if (changes.length > 0) this.#options.onChanges(changes);
    this.#report();
    if (command?.do !== 'stop-watch') return command;
    this.#stopWatch?.abort();
    return null;
  }

  #report(): void {
    const { status, failure: why, isSynced } = this.#machine;
    const report = `${status} ${isSynced} ${why?.status} ${why?.reason}`;
    if (report === this.#reported) return;
    this.#reported = report;
    this.#options.onStatus();
  }
}
