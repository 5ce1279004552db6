/** A backend that records every byte it is sent and answers exactly as a test tells it to. */
import { createServer, type Socket } from 'node:net';
import { type Head, type HttpMessage, readHead, readRequest } from './http-message.ts';
import { type Ending, Inbox } from './inbox.ts';
import { DEADLINE_MS, eventually, type Scope, within } from './waiting.ts';

/** What a backend does with one request, of which at least the first byte is there. */
export type Behaviour = (connection: BackendConnection) => void | Promise<void>;

export class BackendConnection {
  readonly socket: Socket;
  readonly inbox: Inbox;
  readonly #recorded: HttpMessage[];

  constructor(socket: Socket, recorded: HttpMessage[]) {
    this.socket = socket;
    this.inbox = new Inbox(socket);
    this.#recorded = recorded;
  }

  /** Waits for the head of the next request, and leaves it to be taken by {@link request}. */
  async head(): Promise<Head> {
    return await this.inbox.take('the head of a request', (rest) => {
      const value = readHead(rest);
      return value && { value, used: 0 };
    });
  }

  /** Waits for the next whole request; it is recorded in {@link RawBackend.requests}. */
  async request(): Promise<HttpMessage> {
    const request = await this.inbox.take('a request', (rest) => {
      const value = readRequest(rest);
      return value && { value, used: value.raw.length };
    });
    this.#recorded.push(request);
    return request;
  }

  send(bytes: string | Buffer): void {
    if (this.socket.writable)
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends what is given and closes the sending side. */
  end(bytes: string | Buffer = ''): void {
    this.send(bytes);
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Waits until the proxy closed its side. */
  ended(ms = DEADLINE_MS): Promise<Ending> {
    return this.inbox.ended(ms);
  }
}

export class RawBackend {
  readonly port: number;
  /** Every connection ever accepted, in order. */
  readonly connections: BackendConnection[];
  /** Every whole request that a behaviour has taken, in order. */
  readonly requests: HttpMessage[];
  behaviour: Behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

  constructor(port: number, connections: BackendConnection[], requests: HttpMessage[]) {
    this.port = port;
    this.connections = connections;
    this.requests = requests;
  }

  /** Remembers what was received until now, for {@link since}. */
  mark(): Mark {
    return new Map(this.connections.map((connection) => [connection, connection.inbox.all.length]));
  }

  /** The bytes received on each connection since `mark`; connections without any are left out. */
  since(mark: Mark): { readonly connection: BackendConnection; readonly bytes: Buffer }[] {
    return this.connections
      .map((connection) => ({ connection, bytes: connection.inbox.all.subarray(mark.get(connection) ?? 0) }))
      .filter(({ bytes }) => bytes.length > 0);
  }

  /** Waits until `count` requests have been taken in all. */
  async received(count: number): Promise<void> {
    await eventually(() => {
      if (this.requests.length < count)
        throw new Error(`${this.requests.length} of ${count} requests arrived`);
    });
  }

  async #serve(connection: BackendConnection): Promise<void> {
    while (connection.inbox.ending === null) {
      try {
        await connection.inbox.take(
          'a request',
          (rest) => (rest.length > 0 ? { value: null, used: 0 } : null),
          3_600_000,
        );
        const { taken } = connection.inbox;
        await this.behaviour(connection);
        // Who takes no request leaves the connection as it is: there is nothing to wait for.
        if (connection.inbox.taken === taken) return;
      } catch {
        // The proxy hung up in the middle; the test sees that from the recording.
        connection.socket.destroy();
        return;
      }
    }
    if (!connection.socket.writableEnded) connection.socket.end();
  }

  /** Takes over an accepted connection. */
  accept(socket: Socket): void {
    const connection = new BackendConnection(socket, this.requests);
    this.connections.push(connection);
    void this.#serve(connection);
  }
}

export type Mark = ReadonlyMap<BackendConnection, number>;

/** The behaviour that reads one whole request and sends `response`. */
export function answer(response: string | Buffer): Behaviour {
  return async (connection) => {
    await connection.request();
    connection.send(response);
  };
}

/** The behaviour that reads one whole request, sends `response` and closes. */
export function answerAndClose(response: string | Buffer): Behaviour {
  return async (connection) => {
    await connection.request();
    connection.end(response);
  };
}

/** Starts a raw backend on a free port of `address`; its connections are cut at the end of the scope. */
export async function startRawBackend(scope: Scope, address = '127.0.0.1', port = 0): Promise<RawBackend> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, address, resolve);
  await within(promise, 'the backend to listen');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  const backend = new RawBackend(bound.port, [], []);
  server.on('connection', (socket) => backend.accept(socket));
  scope.after(() => {
    server.close();
    for (const { socket } of backend.connections) socket.destroy();
  });
  return backend;
}
