/**
 * Reads exactly the Secrets that are referenced. Of all others only names and versions are known: a content that we
 * do not need is best never in our memory.
 */
import type { KubernetesApi } from '../../kubernetes/api.ts';
import { resourcePath } from '../../kubernetes/resource.ts';
import { type ApiFailure, isRecord } from '../../kubernetes/result.ts';
import type { ObjectKey } from '../../model/keys.ts';
import { SECRETS } from './kinds.ts';
import type { Change } from './list-watch.ts';

export interface SecretReaderOptions {
  readonly api: KubernetesApi;
  /** Whether the Secrets of a namespace are ours to read. */
  readonly isInScope: (namespace: string) => boolean;
  readonly onRead: (key: ObjectKey, value: Record<string, unknown>) => void;
  readonly onGone: (key: ObjectKey) => void;
  /** Whenever there may be something new to settle, and when {@link SecretReader.forbidden} changed. */
  readonly onProgress: () => void;
}

/**
 * What is known of the Secrets there are: not all yet; all, and each change is told; or nothing, because listing them
 * is forbidden. What is wanted is then read by name and looked at again now and then.
 */
export type Index = 'incomplete' | 'complete' | 'forbidden';

interface Wanted {
  readonly key: ObjectKey;
  /** The version that was read last; '' when there is none to read; null before the first answer. */
  version: string | null;
  /** Nobody waits for it any more. */
  isOverdue: boolean;
  reading: boolean;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** Requests at the same time; the API client allows no more anyway. */
const MAX_READING = 8;
const RETRY_MS = { least: 500, most: 30_000 };
/** A Secret holds at most 1 MiB, as base64 and with its metadata. */
const MAX_BYTES = 4 * 1024 * 1024;
/** One that hangs shall not keep others from being read. */
const TIMEOUT_MS = 10_000;
/** When we may not watch, this is how often we look. */
const LOOK_AGAIN_MS = 300_000;

export class SecretReader {
  readonly #options: SecretReaderOptions;
  /** Versions of all Secrets there are. */
  readonly #versions = new Map<ObjectKey, string>();
  readonly #wanted = new Map<ObjectKey, Wanted>();
  readonly #queue = new Set<Wanted>();
  readonly #forbidden = new Map<ObjectKey, ApiFailure>();
  readonly #closing = new AbortController();
  #index: Index = 'incomplete';
  #reading = 0;

  constructor(options: SecretReaderOptions) {
    this.#options = options;
  }

  /** The Secrets that we may not read. */
  get forbidden(): ReadonlyMap<ObjectKey, ApiFailure> {
    return this.#forbidden;
  }

  /** Whether each wanted Secret was read, or is known not to be there or not to be ours, or was given up. */
  get isSettled(): boolean {
    for (const { key, version, isOverdue } of this.#wanted.values()) {
      if (version === null && !isOverdue && !this.#forbidden.has(key)) return false;
    }
    return true;
  }

  /** What was not read by now is no longer waited for. It is still read when that becomes possible. */
  giveUp(): void {
    for (const wanted of this.#wanted.values()) wanted.isOverdue ||= wanted.version === null;
  }

  setIndex(index: Index): void {
    if (index === this.#index) return;
    this.#index = index;
    for (const wanted of this.#wanted.values()) this.#look(wanted);
  }

  /** What the watch of metadata says. */
  take(changes: readonly Change[]): void {
    for (const change of changes) {
      const key = (change.type === 'put' ? change.item.id : change.id) as ObjectKey;
      if (change.type === 'put') this.#versions.set(key, change.item.resourceVersion);
      else this.#versions.delete(key);
      const wanted = this.#wanted.get(key);
      if (wanted !== undefined) this.#look(wanted);
    }
  }

  /** Replaces the set of wanted Secrets; the contents of others are forgotten. */
  want(keys: ReadonlySet<ObjectKey>): void {
    for (const [key, wanted] of this.#wanted) {
      if (keys.has(key)) continue;
      clearTimeout(wanted.timer);
      this.#wanted.delete(key);
      this.#queue.delete(wanted);
      this.#forbidden.delete(key);
      this.#options.onGone(key);
    }
    for (const key of keys) {
      if (this.#wanted.has(key)) continue;
      const wanted: Wanted = {
        key,
        version: null,
        isOverdue: false,
        reading: false,
        failures: 0,
        timer: undefined,
      };
      this.#wanted.set(key, wanted);
      this.#look(wanted);
    }
  }

  close(): void {
    this.#closing.abort();
    for (const { timer } of this.#wanted.values()) clearTimeout(timer);
    this.#queue.clear();
  }

  /** Reads `wanted` if there is something to read that was not read yet. */
  #look(wanted: Wanted): void {
    clearTimeout(wanted.timer);
    const namespace = wanted.key.slice(0, wanted.key.indexOf('/'));
    const version = this.#versions.get(wanted.key);
    const isForeign = !this.#options.isInScope(namespace);
    if (isForeign || (this.#index === 'complete' && version === undefined)) return this.#missing(wanted);
    if (this.#index === 'incomplete' && version === undefined) return;
    if (this.#index !== 'forbidden' && wanted.version === version) return;
    this.#queue.add(wanted);
    this.#readNext();
  }

  #missing(wanted: Wanted): void {
    this.#queue.delete(wanted);
    if (wanted.version === '') return;
    wanted.version = '';
    this.#options.onGone(wanted.key);
    this.#options.onProgress();
  }

  #readNext(): void {
    for (const wanted of this.#queue) {
      if (this.#reading >= MAX_READING) return;
      if (wanted.reading) continue;
      this.#queue.delete(wanted);
      void this.#read(wanted);
    }
  }

  async #read(wanted: Wanted): Promise<void> {
    const [namespace = '', name = ''] = wanted.key.split('/');
    const asked = this.#versions.get(wanted.key);
    wanted.reading = true;
    this.#reading++;
    const { signal } = this.#closing;
    const path = resourcePath(SECRETS.resource, { namespace, name });
    const result = await this.#options.api.request('GET', path, {
      maxBytes: MAX_BYTES,
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    this.#reading--;
    wanted.reading = false;
    if (signal.aborted) return;
    if (this.#wanted.get(wanted.key) === wanted) {
      if (result.ok) this.#take(wanted, result.body, asked);
      else this.#failed(wanted, result);
      this.#options.onProgress();
    }
    this.#readNext();
  }

  #take(wanted: Wanted, body: unknown, asked: string | undefined): void {
    const metadata = isRecord(body) && isRecord(body['metadata']) ? body['metadata'] : {};
    const { resourceVersion } = metadata;
    wanted.failures = 0;
    wanted.version = typeof resourceVersion === 'string' ? resourceVersion : (asked ?? '');
    this.#forbidden.delete(wanted.key);
    if (isRecord(body)) this.#options.onRead(wanted.key, body);
    if (this.#index === 'forbidden') wanted.timer = setTimeout(() => this.#look(wanted), LOOK_AGAIN_MS);
    // The watch may have told of a newer version meanwhile; one that it will only tell of later is no reason.
    else if (this.#versions.get(wanted.key) !== asked) this.#look(wanted);
  }

  #failed(wanted: Wanted, result: ApiFailure): void {
    if (result.status === 404) {
      this.#missing(wanted);
      if (this.#index === 'forbidden') wanted.timer = setTimeout(() => this.#look(wanted), LOOK_AGAIN_MS);
      return;
    }
    if (result.status === 403) this.#forbidden.set(wanted.key, result);
    const delay = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** Math.min(wanted.failures++, 10));
    const ms = Math.max(delay, result.retryAfterMs ?? 0);
    wanted.timer = setTimeout(() => {
      this.#queue.add(wanted);
      this.#readNext();
    }, ms);
  }
}
