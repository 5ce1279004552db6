/** The one place that talks to the Kubernetes API server. */
import * as http from 'node:http';
import * as https from 'node:https';
import { CredentialSource, type Credentials } from './credentials.ts';
import { type ChoiceOptions, type ClusterChoice, chooseCluster } from './kubeconfig.ts';
import { LineReader } from './lines.ts';
import { type RequestName, requestName } from './resource.ts';
import { type ApiFailure, type ApiResult, failure, httpFailure } from './result.ts';

export interface ApiOptions extends ChoiceOptions {
  readonly userAgent: string;
  /** Told of each request once it is answered; `code` is the status, or `error` when there was no response. */
  readonly onRequest?: (name: RequestName, code: string) => void;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` when there is a body and nothing else is said. */
  readonly contentType?: string;
  readonly accept?: string;
  /** For the whole request; 30 s when not given. */
  readonly timeoutMs?: number;
  /** Does not wait for its turn behind other requests. */
  readonly isUrgent?: boolean;
  /** Of the response; 64 MiB when not given. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  readonly query?: Query;
  readonly accept?: string;
  /** Until the head of the response; 30 s when not given. */
  readonly timeoutMs?: number;
  /** Between two reads; over it the watch is taken for dead. */
  readonly idleMs: number;
  /** 8 MiB when not given: no object in etcd is larger than 1.5 MiB. */
  readonly maxLineBytes?: number;
  readonly signal?: AbortSignal;
  readonly onOpen?: () => void;
  readonly onLine: (line: string) => void;
  /** A line was too long and is lost. */
  readonly onTooLong: () => void;
}

/** How a watch ended: by the server, in order (`ok`), or not. */
export type WatchEnd = { readonly ok: true } | ApiFailure;

export interface KubernetesApi {
  /** For messages, like `https://10.0.0.1:6443`. */
  readonly server: string;
  /** Of the pod or of the kubeconfig's context. */
  readonly namespace: string;
  /** Never rejects. `path` as {@link resourcePath} makes it. A refused token (401) is read anew and tried once more. */
  request(method: string, path: string, options?: RequestOptions): Promise<ApiResult>;
  /** Reads lines until the stream ends. Never rejects; nothing is called after it has resolved. */
  watchLines(path: string, options: WatchOptions): Promise<WatchEnd>;
  /** Ends idle connections; what is under way is the callers' to abort. */
  close(): void;
}

const TIMEOUT_MS = 30_000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const MAX_LINE_BYTES = 8 * 1024 * 1024;
/** Of an answer that is an error: a Status object is small. */
const MAX_ERROR_BYTES = 256 * 1024;
/** Requests at the same time, besides watches and urgent ones; further ones wait. */
const MAX_SOCKETS = 8;
const KEEP_ALIVE_MS = 30_000;

/** Finds cluster and credentials; asks the server nothing yet. `message` is for the user. */
export async function openApi(
  options: ApiOptions,
): Promise<
  { readonly ok: true; readonly api: KubernetesApi } | { readonly ok: false; readonly message: string }
> {
  try {
    const choice = await chooseCluster(options);
    return { ok: true, api: new HttpApi(choice, options) };
  } catch (error) {
    return { ok: false, message: (error as Error).message };
  }
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly agent: http.Agent;
  readonly signal: AbortSignal;
}

/** Gets a response's head and reads the rest; called for a success status only. */
type ReadResponse<T> = (response: http.IncomingMessage) => Promise<T>;

class HttpApi implements KubernetesApi {
  readonly server: string;
  readonly namespace: string;
  readonly #url: URL;
  readonly #credentials: CredentialSource;
  readonly #options: ApiOptions;
  /** Here requests wait for their turn … */
  readonly #requests: http.Agent;
  /** … and here they do not. */
  readonly #unlimited: http.Agent;

  constructor(choice: ClusterChoice, options: ApiOptions) {
    this.#url = serverUrl(choice.cluster.server);
    this.server = this.#url.origin;
    this.namespace = choice.namespace;
    this.#credentials = new CredentialSource(choice);
    this.#options = options;
    const { Agent } = this.#url.protocol === 'https:' ? https : http;
    const keepAlive = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS };
    this.#requests = new Agent({ ...keepAlive, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_SOCKETS });
    this.#unlimited = new Agent(keepAlive);
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<ApiResult> {
    const { query = {}, body, maxBytes = MAX_BODY_BYTES } = options;
    const headers: Record<string, string> = { accept: options.accept ?? 'application/json' };
    if (body !== undefined) headers['content-type'] = options.contentType ?? 'application/json';
    const deadline = new Deadline(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    const text = body === undefined ? null : JSON.stringify(body);
    const agent = options.isUrgent ? this.#unlimited : this.#requests;
    const sent = { method, path, query, headers, body: text, agent, signal: deadline.signal };
    const result = await this.#send(sent, deadline, async (response) => {
      const bytes = await readBody(response, maxBytes);
      if (bytes === null) {
        return failure('malformed', 'TooLarge', `the answer has more than ${maxBytes} bytes`);
      }
      const json = parseJson(bytes);
      if (json === undefined) return failure('malformed', 'NotJson', 'the answer is not JSON');
      return { ok: true, status: response.statusCode ?? 0, body: json } as const;
    });
    deadline.clear();
    return result;
  }

  async watchLines(path: string, options: WatchOptions): Promise<WatchEnd> {
    const deadline = new Deadline(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    const headers = { accept: options.accept ?? 'application/json' };
    const query = { ...options.query, watch: true };
    const sent = {
      method: 'GET',
      path,
      query,
      headers,
      body: null,
      agent: this.#unlimited,
      signal: deadline.signal,
    };
    const end = await this.#send<WatchEnd>(sent, deadline, async (response) => {
      const { onLine, onTooLong } = options;
      deadline.restart(options.idleMs);
      options.onOpen?.();
      const lines = new LineReader(options.maxLineBytes ?? MAX_LINE_BYTES, onLine, onTooLong);
      for await (const chunk of response) {
        deadline.restart(options.idleMs);
        lines.push(chunk as Buffer);
        if (deadline.signal.aborted) throw deadline.signal.reason;
      }
      return lines.isInside
        ? failure('network', 'Truncated', 'the stream ended inside a line')
        : ({ ok: true } as const);
    });
    deadline.clear();
    return end;
  }

  close(): void {
    this.#requests.destroy();
    this.#unlimited.destroy();
  }

  async #send<T>(sent: Sent, deadline: Deadline, read: ReadResponse<T>): Promise<T | ApiFailure> {
    const name = requestName(sent.method, sent.path, sent.query['watch'] === true);
    const first = await this.#try(sent, name, deadline, read);
    if (!isUnauthorized(first)) return first;
    this.#credentials.forget();
    return this.#try(sent, name, deadline, read);
  }

  async #try<T>(
    sent: Sent,
    name: RequestName,
    deadline: Deadline,
    read: ReadResponse<T>,
  ): Promise<T | ApiFailure> {
    let credentials: Credentials;
    try {
      credentials = await this.#credentials.current();
    } catch (error) {
      this.#options.onRequest?.(name, 'error');
      return failure('credentials', 'NoCredentials', (error as Error).message);
    }
    let answered = false;
    try {
      const response = await this.#exchange(sent, credentials);
      const status = response.statusCode ?? 0;
      answered = true;
      this.#options.onRequest?.(name, String(status));
      if (status >= 200 && status < 300) return await read(response);
      const bytes = await readBody(response, MAX_ERROR_BYTES);
      const said = bytes === null ? undefined : parseJson(bytes);
      return httpFailure(status, said, response.headers['retry-after']);
    } catch (error) {
      if (!answered) this.#options.onRequest?.(name, 'error');
      return deadline.failure() ?? networkFailure(error);
    }
  }

  /** Resolves with the head of the response. */
  #exchange(sent: Sent, credentials: Credentials): Promise<http.IncomingMessage> {
    const { method, agent, signal, body } = sent;
    const { request } = this.#url.protocol === 'https:' ? https : http;
    const headers: Record<string, string> = {
      'user-agent': this.#options.userAgent,
      ...sent.headers,
      ...credentials.headers,
    };
    if (body !== null) headers['content-length'] = String(Buffer.byteLength(body));
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const path = `${this.#url.pathname.replace(/\/$/, '')}${sent.path}${queryText(sent.query)}`;
      const outgoing = request({
        ...credentials.tls,
        host: this.#url.hostname.replace(/^\[|\]$/g, ''),
        port: this.#url.port || (this.#url.protocol === 'https:' ? 443 : 80),
        method,
        path,
        headers,
        agent,
        signal,
      });
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(body ?? undefined);
    });
  }
}

/** Ends what is under way when its time is up or its caller gives up, and knows afterwards which it was. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #giveUp = (): void => this.#controller.abort();
  #timer: NodeJS.Timeout;
  #ms: number;

  constructor(ms: number, outer: AbortSignal | undefined) {
    this.#outer = outer;
    this.#ms = ms;
    this.#timer = setTimeout(this.#giveUp, ms);
    if (outer?.aborted) this.#giveUp();
    outer?.addEventListener('abort', this.#giveUp);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(ms: number): void {
    if (ms === this.#ms) this.#timer.refresh();
    else {
      clearTimeout(this.#timer);
      this.#ms = ms;
      this.#timer = setTimeout(this.#giveUp, ms);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#giveUp);
  }

  /** Why it ended; null when this is not what ended it. */
  failure(): ApiFailure | null {
    if (!this.#controller.signal.aborted) return null;
    if (this.#outer?.aborted) return failure('aborted', 'Aborted', 'given up');
    return failure('timeout', 'Timeout', `nothing came for ${this.#ms / 1000} s`);
  }
}

function serverUrl(server: string): URL {
  const url = URL.canParse(server) ? new URL(server) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Error('the cluster has no server that is an http or https URL');
  }
  return url;
}

function queryText(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** Null when it is longer than `maxBytes`; the rest is then not read, and the connection closed. */
async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > maxBytes) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks, length);
}

/** Undefined for what is not JSON: the parser's own message would quote the text. */
function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return null;
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function networkFailure(error: unknown): ApiFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  return failure('network', typeof code === 'string' ? code : 'NetworkError', String(message));
}

function isUnauthorized(result: unknown): boolean {
  const { ok, status } = result as Partial<ApiFailure>;
  return ok === false && status === 401;
}
