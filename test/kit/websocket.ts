/** WebSockets over a stream that is no socket, as `ws` would make them after its own handshake. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ClientOptions, WebSocket } from 'ws';

const LARGEST_BYTES = 64 * 1024 * 1024;

/** The server's end on an HTTP/2 stream whose extended CONNECT was accepted (RFC 8441). */
export function overStream(stream: Duplex): WebSocket {
  const options = { autoPong: true, closeTimeout: 30_000 } as ClientOptions;
  const webSocket = new WebSocket(null as unknown as string, undefined, options);
  const raw = webSocket as unknown as {
    _isServer: boolean;
    setSocket(stream: Socket, head: Buffer, options: object): void;
  };
  raw._isServer = true;
  Object.assign(stream, { setTimeout: () => stream, setNoDelay: () => stream });
  raw.setSocket(stream as Socket, Buffer.alloc(0), {
    maxPayload: LARGEST_BYTES,
    allowSynchronousEvents: true,
  });
  return webSocket;
}
