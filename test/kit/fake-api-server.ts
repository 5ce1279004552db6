/**
 * A small Kubernetes API server for tests: lists in pages, watches with bookmarks, versions, patches, Leases, and every
 * fault there is, on command. It keeps no rules of any kind; test/cluster has the real server for those.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FakeObject, FakeStore, type Resource, type StoreEvent } from './fake-api-store.ts';

export type { FakeObject } from './fake-api-store.ts';

/** One request as RBAC and tests see it. */
export interface FakeRequest {
  readonly verb: 'list' | 'watch' | 'get' | 'create' | 'update' | 'patch' | 'delete';
  readonly resource: Resource;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly query: URLSearchParams;
  readonly token: string | null;
  readonly contentType: string;
  readonly accept: string;
  readonly body: unknown;
}

/** What goes wrong instead of an answer. */
export type Fault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly reason: string;
      readonly retryAfter?: number;
    }
  /** Nothing ever comes. */
  | { readonly kind: 'hang' }
  /** The connection ends without an answer. */
  | { readonly kind: 'cut' }
  /** An answer with status 200 and this body, cut off after it when `cut` is set. */
  | { readonly kind: 'body'; readonly text: string; readonly cut?: boolean };

export interface FakeApiServer {
  readonly url: string;
  readonly store: FakeStore;
  /** Every request so far, refused ones too. */
  readonly requests: readonly FakeRequest[];
  /** Asked for each request; null lets it through. */
  fault: (request: FakeRequest) => Fault | null;
  /** Accepted bearer tokens; null accepts anybody. */
  tokens: ReadonlySet<string> | null;
  /** `verb resource` like `list secrets`: these are forbidden. */
  readonly denied: Set<string>;
  /** At most so many items in a page, whatever the client asks for. */
  pageSize: number;
  /** The watches that are open, by plural. */
  watches(plural: string): readonly FakeWatch[];
  /** Writes a bookmark into every watch. */
  bookmark(): void;
  /** Ends every connection at once. */
  cutAll(): void;
  /** Nobody listens any more; `start` listens at the same port again. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** What is in a kubeconfig file for this server. */
  kubeconfig(user?: object): object;
}

export interface FakeWatch {
  readonly resource: Resource;
  /** Writes `text` as it is. */
  write(text: string): void;
  /** Ends in good order, as at the end of timeoutSeconds. */
  end(): void;
  cut(): void;
  /** From now on events are kept from it: it looks open and says nothing. */
  mute(): void;
  unmute(): void;
}

interface Watch extends FakeWatch {
  readonly send: (event: StoreEvent) => void;
  readonly bookmark: () => void;
}

export async function startFakeApiServer(): Promise<FakeApiServer> {
  const server = new Fake();
  await server.start();
  return server;
}

class Fake implements FakeApiServer {
  readonly store = new FakeStore((event) => this.#announce(event));
  readonly requests: FakeRequest[] = [];
  readonly denied = new Set<string>();
  tokens: ReadonlySet<string> | null = null;
  pageSize = Number.POSITIVE_INFINITY;
  fault: (request: FakeRequest) => Fault | null = () => null;
  readonly #watches = new Set<Watch>();
  #server: Server | null = null;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#handle(request, response));
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise<unknown>((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    this.#watches.clear();
  }

  kubeconfig(user: object = { token: 'test' }): object {
    return {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'fake',
      clusters: [{ name: 'fake', cluster: { server: this.url } }],
      users: [{ name: 'fake', user }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
    };
  }

  watches(plural: string): readonly FakeWatch[] {
    return [...this.#watches].filter(({ resource }) => resource.plural === plural);
  }

  bookmark(): void {
    for (const watch of this.#watches) watch.bookmark();
  }

  cutAll(): void {
    this.#server?.closeAllConnections();
    this.#watches.clear();
  }

  #announce(event: StoreEvent): void {
    for (const watch of this.#watches) watch.send(event);
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const request = readRequest(incoming, text);
    if (request === null) return answer(response, 404, status(404, 'NotFound', 'no such path'));
    this.requests.push(request);
    const fault = this.fault(request);
    if (fault !== null) return fail(response, fault);
    if (this.tokens !== null && !this.tokens.has(request.token ?? '')) {
      return answer(response, 401, status(401, 'Unauthorized', 'Unauthorized'));
    }
    const { verb, resource } = request;
    if (this.denied.has(`${verb} ${resource.plural}`)) {
      const message = `${resource.plural} is forbidden: User "test" cannot ${verb} resource "${resource.plural}" in API group "${resource.group}" at the cluster scope`;
      return answer(response, 403, status(403, 'Forbidden', message));
    }
    if (!this.store.serves(resource))
      return answer(response, 404, status(404, 'NotFound', 'no such resource'));
    const metadataOnly = (incoming.headers.accept ?? '').includes('as=PartialObjectMetadata');
    if (verb === 'list') return this.#list(request, response, metadataOnly);
    if (verb === 'watch') return this.#watch(request, response, metadataOnly);
    const result = this.store.execute(request);
    answer(response, result.status, result.body);
  }

  #list(request: FakeRequest, response: ServerResponse, metadataOnly: boolean): void {
    const limit = Number(request.query.get('limit') ?? 0) || Number.POSITIVE_INFINITY;
    const size = Math.min(limit, this.pageSize);
    const page = this.store.page(request.resource, request.namespace, request.query.get('continue'), size);
    if (page === null) {
      const message = 'The provided continue parameter is too old';
      return answer(response, 410, status(410, 'Expired', message));
    }
    const { items, resourceVersion, next } = page;
    answer(response, 200, {
      kind: metadataOnly ? 'PartialObjectMetadataList' : 'List',
      apiVersion: metadataOnly ? 'meta.k8s.io/v1' : 'v1',
      metadata: { resourceVersion, ...(next !== null && { continue: next }) },
      items: items.map((item) => shown(item, metadataOnly, true)),
    });
  }

  #watch(request: FakeRequest, response: ServerResponse, metadataOnly: boolean): void {
    const { resource, namespace, query } = request;
    const from = Number(query.get('resourceVersion') ?? 0);
    const history = this.store.since(from);
    if (history === null) {
      return answer(response, 410, status(410, 'Expired', `too old resource version: ${from}`));
    }
    let muted = false;
    const write = (text: string) => void (muted || response.write(text));
    const line = (type: string, object: object) => write(`${JSON.stringify({ type, object })}\n`);
    const watch: Watch = {
      resource,
      write,
      end: () => response.end(),
      cut: () => response.socket?.destroy(),
      mute: () => {
        muted = true;
      },
      unmute: () => {
        muted = false;
      },
      send: (event) => {
        if (event.resource.plural !== resource.plural || event.resource.group !== resource.group) return;
        if (namespace !== '' && event.object.metadata.namespace !== namespace) return;
        line(event.type, shown(event.object, metadataOnly, false));
      },
      bookmark: () => line('BOOKMARK', { metadata: { resourceVersion: String(this.store.resourceVersion) } }),
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const event of history) watch.send(event);
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
  }
}

function shown(object: FakeObject, metadataOnly: boolean, inList: boolean): object {
  if (metadataOnly) {
    return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
  }
  if (!inList) return object;
  // As the real server: the items of a list do not say what they are.
  const { kind: _, apiVersion: __, ...rest } = object;
  return rest;
}

function fail(response: ServerResponse, fault: Fault): void {
  switch (fault.kind) {
    case 'status': {
      const headers = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
      return answer(response, fault.status, status(fault.status, fault.reason, 'as ordered'), headers);
    }
    case 'hang':
      return;
    case 'cut':
      return void response.socket?.destroy();
    case 'body':
      response.writeHead(200, { 'content-type': 'application/json' });
      if (fault.cut) response.write(fault.text, () => response.socket?.destroy());
      else response.end(fault.text);
      return;
    default:
      return fault satisfies never;
  }
}

function answer(response: ServerResponse, code: number, body: unknown, headers: object = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** meta/v1 Status. */
export function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

const PATH =
  /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;

const VERBS = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const;

function readRequest(incoming: IncomingMessage, text: string): FakeRequest | null {
  const url = new URL(incoming.url ?? '/', 'http://fake');
  const match = PATH.exec(url.pathname);
  if (match === null) return null;
  const [, core, group, version, namespace, plural = '', name, subresource] = match;
  const method = incoming.method as keyof typeof VERBS;
  const read = name !== undefined ? 'get' : url.searchParams.get('watch') === 'true' ? 'watch' : 'list';
  return {
    verb: VERBS[method] ?? read,
    resource: { group: group ?? '', version: core ?? version ?? '', plural },
    subresource: subresource ?? '',
    namespace: decodeURIComponent(namespace ?? ''),
    name: decodeURIComponent(name ?? ''),
    query: url.searchParams,
    token: /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '')?.[1] ?? null,
    contentType: incoming.headers['content-type'] ?? '',
    accept: incoming.headers.accept ?? '',
    body: text === '' ? null : JSON.parse(text),
  };
}
