/** One raw backend behind one Tidegate, and the questions that most HTTP/1.1 tests ask. */
import assert from 'node:assert/strict';
import { fieldValue, type HttpMessage, readRequest, show, statusOf } from './http-message.ts';
import { type KubeObject, routeAll } from './manifests.ts';
import {
  answer,
  type BackendConnection,
  type Behaviour,
  type RawBackend,
  startRawBackend,
} from './raw-backend.ts';
import { connect, type RawClient } from './raw-client.ts';
import { startTidegate, type Tidegate } from './tidegate.ts';
import type { Scope } from './waiting.ts';

export const OK: Behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

export interface FixtureOptions {
  readonly args?: readonly string[];
  /** What is routed to the backend; host `h` when not given. */
  readonly manifests?: (backendPort: number) => readonly KubeObject[];
}

export class Http1Fixture {
  readonly proxy: Tidegate;
  readonly backend: RawBackend;
  readonly #scope: Scope;
  #sentinels = 0;

  constructor(scope: Scope, proxy: Tidegate, backend: RawBackend) {
    this.#scope = scope;
    this.proxy = proxy;
    this.backend = backend;
  }

  /** A fresh client connection to the proxy. */
  connect(): Promise<RawClient> {
    return connect(this.#scope, this.proxy.http);
  }

  /** Sends bytes that hold one request; gives it as it reached the backend, and the answer to the client. */
  async forward(
    bytes: string,
    behaviour: Behaviour = OK,
  ): Promise<{ request: HttpMessage; response: HttpMessage }> {
    const before = this.backend.requests.length;
    this.backend.behaviour = behaviour;
    const client = await this.connect();
    client.send(bytes);
    const response = await client.response(bytes.trimStart().split(' ')[0]);
    client.close();
    const requests = this.backend.requests.slice(before);
    assert.equal(requests.length, 1, `one request reaches the backend; the answer was ${show(response.raw)}`);
    return { request: requests[0]!, response };
  }

  /** Lets the backend answer a plain GET with `behaviour`; gives what the client sees. */
  async get(behaviour: Behaviour, head = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'): Promise<HttpMessage> {
    this.backend.behaviour = behaviour;
    const client = await this.connect();
    client.send(head);
    const response = await client.response(head.split(' ')[0]);
    client.close();
    return response;
  }

  /**
   * Asserts that the bytes are answered with one of `statuses`, that the connection is closed in order, and that
   * not one byte reaches the backend; both when sent at once and when sent byte by byte.
   */
  async refuses(bytes: string, ...statuses: readonly number[]): Promise<void> {
    await this.#refused(bytes, true, statuses);
    await this.#refused(bytes, false, statuses);
  }

  /** As {@link refuses}, for bytes that are too many to be sent one by one. */
  refusesLong(bytes: string, ...statuses: readonly number[]): Promise<void> {
    return this.#refused(bytes, false, statuses);
  }

  async #refused(bytes: string, dribbled: boolean, statuses: readonly number[]): Promise<void> {
    const mark = this.backend.mark();
    await this.#sendAndSeeClosed(bytes, dribbled, statuses);
    const sentinel = await this.#sentinel();
    const reached = this.backend.since(mark);
    const text = reached.map((part) => part.bytes.toString('latin1')).join('');
    assert.ok(
      text.startsWith(sentinel) && reached.length === 1,
      `nothing reaches the backend, but ${show(text)} did`,
    );
  }

  /**
   * Asserts that the body is found broken: the client gets one of `statuses` and a close, and the backend sees at
   * most the beginning of a request on a connection that is cut, never a whole one.
   */
  async breaksOff(bytes: string, ...statuses: readonly number[]): Promise<void> {
    for (const dribbled of [true, false]) {
      const mark = this.backend.mark();
      await this.#sendAndSeeClosed(bytes, dribbled, statuses);
      const sentinel = await this.#sentinel();
      for (const { connection, bytes: seen } of this.backend.since(mark)) {
        const text = seen.toString('latin1');
        if (text.startsWith(sentinel)) continue;
        await this.#assertAborted(connection, seen);
        assert.doesNotMatch(text, /smuggled/);
      }
    }
  }

  async #assertAborted(connection: BackendConnection, seen: Buffer): Promise<void> {
    assert.equal(readRequest(seen), null, `no whole request reaches the backend, but ${show(seen)} did`);
    await connection.ended();
  }

  async #sendAndSeeClosed(bytes: string, dribbled: boolean, statuses: readonly number[]): Promise<void> {
    this.backend.behaviour = OK;
    const client = await this.connect();
    if (dribbled) await client.dribble(bytes);
    else client.send(bytes);
    const response = await client.response(bytes.startsWith('HEAD ') ? 'HEAD' : 'GET');
    assertOwnAnswer(response, statuses);
    assert.equal(fieldValue(response, 'connection')?.toLowerCase(), 'close');
    assert.equal(await client.ended(), 'fin', 'the connection is closed in order, without a reset');
    assert.equal(
      client.inbox.rest.length,
      0,
      `nothing follows the answer, but ${show(client.inbox.rest)} did`,
    );
    client.close();
  }

  /** One good request that marks a point in the backend's recording; gives how it starts. */
  async #sentinel(): Promise<string> {
    const line = `GET /sentinel-${this.#sentinels++} HTTP/1.1\r\n`;
    const { response } = await this.forward(`${line}Host: h\r\n\r\n`);
    assert.equal(statusOf(response), 200, 'the proxy goes on serving');
    return line;
  }
}

/** Makes the backend of a fixture hold all its answers back until `goOn` is called. */
export function holdAnswers({ backend }: Http1Fixture): { goOn: () => void } {
  const gate = Promise.withResolvers<void>();
  backend.behaviour = async (connection) => {
    await connection.request();
    await gate.promise;
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  };
  return { goOn: gate.resolve };
}

/** Asserts that an answer made by the proxy itself has one of `statuses` and is framed and dated. */
export function assertOwnAnswer(response: HttpMessage, statuses: readonly number[]): void {
  assert.ok(
    statuses.includes(statusOf(response)),
    `expected ${statuses.join(' or ')}, got ${show(response.raw)}`,
  );
  assert.match(fieldValue(response, 'content-length') ?? 'none', /^\d+$/, 'its length is given');
  assert.ok(Date.parse(fieldValue(response, 'date') ?? '') > 0, 'it has a Date');
}

/** Starts a backend and a Tidegate with one worker in front of it. */
export async function startHttp1Fixture(scope: Scope, options: FixtureOptions = {}): Promise<Http1Fixture> {
  const backend = await startRawBackend(scope);
  const { args = [], manifests = (port) => routeAll('h', port) } = options;
  const proxy = await startTidegate(scope, { manifests: manifests(backend.port), args });
  return new Http1Fixture(scope, proxy, backend);
}
