/** A client that sends exactly the bytes a test gives it. */
import { connect as connectSocket, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type HttpMessage, readHead, readResponse, statusOf } from './http-message.ts';
import { type Ending, Inbox } from './inbox.ts';
import { DEADLINE_MS, type Scope, within } from './waiting.ts';

export class RawClient {
  readonly socket: Socket;
  readonly inbox: Inbox;

  constructor(socket: Socket) {
    this.socket = socket;
    this.inbox = new Inbox(socket);
  }

  /** Strings are sent as Latin-1, so `\xff` is one byte. */
  send(bytes: string | Buffer): void {
    if (this.socket.writable)
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends byte by byte, each in a write of its own, so that the receiver's parser is cut everywhere. */
  async dribble(bytes: string | Buffer): Promise<void> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    for (let at = 0; at < buffer.length && this.inbox.ending === null; at++) {
      this.send(buffer.subarray(at, at + 1));
      await nextTurn();
    }
  }

  /** Waits for the next final response; 1xx before it are skipped over (see {@link informational}). */
  async response(method = 'GET', ms = DEADLINE_MS): Promise<HttpMessage> {
    for (;;) {
      const message = await this.#message(method, ms);
      if (statusOf(message) >= 200 || statusOf(message) === 101) return message;
    }
  }

  /** Waits for the next response of any status, 1xx included. */
  async informational(ms = DEADLINE_MS): Promise<HttpMessage> {
    return await this.#message('GET', ms);
  }

  /** Waits for the head of the next response, without its body. */
  async head(ms = DEADLINE_MS): Promise<HttpMessage> {
    return await this.inbox.take(
      'the head of a response',
      (rest) => {
        const head = readHead(rest);
        if (head === null) return null;
        const { startLine, fields, length } = head;
        const raw = rest.subarray(0, length);
        return {
          value: { startLine, fields, framing: 'none', body: Buffer.alloc(0), trailers: [], chunks: [], raw },
          used: length,
        };
      },
      ms,
    );
  }

  /** Takes exactly `count` further bytes. */
  async bytes(count: number, ms = DEADLINE_MS): Promise<Buffer> {
    const read = (rest: Buffer) =>
      rest.length < count ? null : { value: rest.subarray(0, count), used: count };
    return await this.inbox.take(`${count} bytes`, read, ms);
  }

  /** Waits until the server closed its side. */
  ended(ms = DEADLINE_MS): Promise<Ending> {
    return this.inbox.ended(ms);
  }

  /** Closes the sending side only. */
  halfClose(): void {
    this.socket.end();
  }

  /** Ends the connection with a TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }

  #message(method: string, ms: number): Promise<HttpMessage> {
    return this.inbox.take(
      `a response to ${method}`,
      (rest, ended) => {
        const value = readResponse(rest, ended, method);
        return value && { value, used: value.raw.length };
      },
      ms,
    );
  }
}

/** Opens a connection to a port of 127.0.0.1; closed at the end of the scope. */
export async function connect(scope: Scope, port: number, address = '127.0.0.1'): Promise<RawClient> {
  const socket = connectSocket({ port, host: address, allowHalfOpen: true, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  socket.once('error', reject);
  scope.after(() => void socket.destroy());
  const client = new RawClient(socket);
  await within(promise, `a connection to port ${port}`);
  return client;
}
