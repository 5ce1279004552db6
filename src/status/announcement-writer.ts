/**
 * Keeps ServiceL2Status and ServiceBGPStatus objects of this node at what it announces. Every speaker writes its own;
 * they belong to its Pod, so that the cluster removes them with it. Who announces a Service on layer 2 also removes
 * what a dead speaker left behind.
 */
import type { KubernetesApi } from '../kubernetes/api.ts';
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import { resourcePath } from '../kubernetes/resource.ts';
import { type ApiResult, isRecord } from '../kubernetes/result.ts';
import { type AnnouncementStatus, STATUS_RESOURCES, type StatusKind } from './announcement-status.ts';

export interface AnnouncementWriterOptions {
  readonly api: KubernetesApi;
  readonly node: string;
  /** Where the objects are kept. */
  readonly namespace: string;
  /** The Pod that they belong to; null outside of one. */
  readonly owner: { readonly name: string; readonly uid: string } | null;
  readonly onOutcome: (kind: 'done' | 'retry') => void;
  /** Told once until a write succeeds. */
  readonly onTrouble: (message: string) => void;
}

/** Changes that come together are one pass. */
const SETTLE_MS = 200;
/** Between two writes: a restart of all speakers shall not be felt by the API server. */
const PACE_MS = 20;
const RETRY_MS = { least: 1000, most: 60_000 };
/** How often what is there is looked at, for what others left behind. */
const LOOK_MS = 60_000;
const TIMEOUT_MS = 5000;
const CLOSE_MS = 2000;
const PAGE = 500;

/** What the cluster has, as far as it matters here. */
interface Found {
  readonly kind: StatusKind;
  readonly name: string;
  readonly node: string;
  readonly service: string;
}

export class AnnouncementWriter {
  readonly #options: AnnouncementWriterOptions;
  readonly #closing = new AbortController();
  #wanted: ReadonlyMap<string, AnnouncementStatus> = new Map();
  /** What was written, by name. */
  readonly #written = new Map<string, { readonly kind: StatusKind; readonly text: string }>();
  /** Objects of ours that are not wanted. */
  readonly #leftovers = new Map<string, Found>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #changed = false;
  #failures = 0;
  #troubled = false;

  constructor(options: AnnouncementWriterOptions) {
    this.#options = options;
  }

  /** From now on this is what is announced. */
  update(wanted: ReadonlyMap<string, AnnouncementStatus>): void {
    this.#wanted = wanted;
    this.#changed = true;
    if (this.#running === null && this.#failures === 0) this.#runIn(SETTLE_MS);
  }

  /** Takes back what was written, as far as that is done in two seconds. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const late = setTimeout(() => this.#closing.abort(), CLOSE_MS);
    this.#wanted = new Map();
    await this.#running;
    if (!this.#closing.signal.aborted) await this.#pass();
    clearTimeout(late);
    this.#closing.abort();
  }

  #runIn(ms: number): void {
    if (this.#closing.signal.aborted) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#running = this.#run();
    }, ms);
  }

  async #run(): Promise<void> {
    this.#changed = false;
    const failed = !(await this.#pass());
    this.#running = null;
    this.#failures = failed ? this.#failures + 1 : 0;
    const backoff = Math.min(RETRY_MS.least * 2 ** Math.min(this.#failures - 1, 10), RETRY_MS.most);
    this.#runIn(failed ? backoff : this.#changed ? SETTLE_MS : LOOK_MS);
  }

  /** Makes the cluster say what is wanted; false when something failed. */
  async #pass(): Promise<boolean> {
    const wanted = this.#wanted;
    if (performance.now() >= this.#lookedAt + LOOK_MS) {
      const found = await this.#look();
      if (found === null) return false;
      this.#lookedAt = performance.now();
      this.#sortOut(found);
    }
    for (const [name, { kind }] of this.#written)
      if (!wanted.has(name)) this.#leftovers.set(name, { kind, name, node: '', service: '' });
    for (const [name, found] of this.#leftovers) {
      if (wanted.has(name)) this.#leftovers.delete(name);
      else if (!(await this.#remove(found))) return false;
    }
    for (const status of wanted.values()) {
      const text = JSON.stringify(status);
      if (this.#written.get(status.name)?.text === text) continue;
      if (!(await this.#write(status))) return false;
      this.#written.set(status.name, { kind: status.kind, text });
    }
    return true;
  }

  /** All there are; null when that cannot be known. A cluster without the kinds has none. */
  async #look(): Promise<Found[] | null> {
    const found: Found[] = [];
    for (const kind of ['ServiceL2Status', 'ServiceBGPStatus'] as const) {
      let next: string | undefined;
      do {
        const path = resourcePath(STATUS_RESOURCES[kind], { namespace: this.#options.namespace });
        const query = { limit: PAGE, ...(next !== undefined && { continue: next }) };
        const result = await this.#send('GET', path, { query });
        if (!result.ok) {
          if (result.status === 404) break;
          return null;
        }
        const { items, metadata } = isRecord(result.body) ? result.body : {};
        for (const item of Array.isArray(items) ? items : []) found.push(read(kind, item));
        const more = isRecord(metadata) ? metadata['continue'] : undefined;
        next = typeof more === 'string' && more !== '' ? more : undefined;
      } while (next !== undefined);
    }
    return found;
  }

  #sortOut(found: readonly Found[]): void {
    const { node } = this.#options;
    const announced = new Set(
      [...this.#wanted.values()]
        .filter(({ kind }) => kind === 'ServiceL2Status')
        .map(({ service }) => `${service}`),
    );
    for (const name of this.#written.keys())
      if (!found.some((object) => object.name === name)) this.#written.delete(name);
    for (const object of found) {
      const isOurs = object.node === node;
      const isStale = object.kind === 'ServiceL2Status' && announced.has(object.service);
      if (isOurs ? !this.#wanted.has(object.name) : isStale) this.#leftovers.set(object.name, object);
    }
  }

  async #remove({ kind, name }: Found): Promise<boolean> {
    const { namespace } = this.#options;
    const result = await this.#send('DELETE', resourcePath(STATUS_RESOURCES[kind], { namespace, name }));
    if (!result.ok && result.status !== 404) return false;
    this.#leftovers.delete(name);
    this.#written.delete(name);
    return true;
  }

  /** Two writes: what is below `status` is not taken with the rest. */
  async #write({ kind, name, labels, status }: AnnouncementStatus): Promise<boolean> {
    const { namespace, owner } = this.#options;
    const identity = { apiVersion: 'metallb.io/v1beta1', kind, metadata: { namespace, name } };
    const ownerReferences =
      owner === null ? [] : [{ apiVersion: 'v1', kind: 'Pod', name: owner.name, uid: owner.uid }];
    const object = { ...identity, metadata: { ...identity.metadata, labels, ownerReferences }, spec: {} };
    const main = await this.#apply(resourcePath(STATUS_RESOURCES[kind], { namespace, name }), object);
    // Nobody has the kind: there is nothing to write, now.
    if (!main.ok) return main.status === 404;
    const path = resourcePath(STATUS_RESOURCES[kind], { namespace, name, subresource: 'status' });
    return (await this.#apply(path, { ...identity, status })).ok;
  }

  #apply(path: string, body: object): Promise<ApiResult> {
    // Server-side apply; JSON is YAML.
    const contentType = 'application/apply-patch+yaml';
    const query = { fieldManager: FIELD_MANAGER, force: true };
    return this.#send('PATCH', path, { query, contentType, body });
  }

  async #send(
    method: string,
    path: string,
    request: Parameters<KubernetesApi['request']>[2] = {},
  ): Promise<ApiResult> {
    const { api, onOutcome, onTrouble } = this.#options;
    const { signal } = this.#closing;
    const result = await api.request(method, path, { ...request, timeoutMs: TIMEOUT_MS, signal });
    if (method !== 'GET') {
      onOutcome(result.ok || result.status === 404 ? 'done' : 'retry');
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
    if (result.ok) this.#troubled = false;
    else if (result.status !== 404 && !signal.aborted && !this.#troubled) {
      this.#troubled = true;
      onTrouble(`${method} ${path}: ${result.reason}: ${result.message}`);
    }
    return result;
  }
}

function read(kind: StatusKind, item: unknown): Found {
  const { metadata, status } = isRecord(item) ? item : {};
  const name = isRecord(metadata) && typeof metadata['name'] === 'string' ? metadata['name'] : '';
  const text = (field: string): string => {
    const value = isRecord(status) ? status[field] : undefined;
    return typeof value === 'string' ? value : '';
  };
  return { kind, name, node: text('node'), service: `${text('serviceNamespace')}/${text('serviceName')}` };
}
