/**
 * WebSocket conformance through the proxy: the cases of the Autobahn suite that a proxy can break, with `ws` on both
 * ends, over plain HTTP/1.1, TLS, and HTTP/2 (RFC 8441).
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, describe, test } from 'node:test';
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { ingress, service } from '../kit/manifests.ts';
import { startHttps } from '../kit/tls.ts';
import { within } from '../kit/waiting.ts';

const scope = { after };
const HOST = 'ws.test';

/** What the server heard, by the number that each connection carries in its path. */
const heard = new Map<string, { pings: string[]; close: Promise<[number, string]>; socket: WebSocket }>();
const server = createServer();
/** How it closes; unlike `once`, an error on the way is no failure. */
function closeOf(socket: WebSocket): Promise<[code: number, reason: string]> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.on('close', (code, reason) => resolve([code, String(reason)])));
}

const sockets = new WebSocketServer({
  server,
  maxPayload: 64 * 1024 * 1024,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => [...offered].find((each) => each === 'chat.v2') ?? false,
});
sockets.on('connection', (socket, { url = '' }) => {
  const pings: string[] = [];
  const close = closeOf(socket);
  heard.set(url, { pings, close, socket });
  socket.on('ping', (data) => pings.push(String(data)));
  socket.on('message', (data, binary) => {
    if (String(data) === 'close yourself') socket.close(4123, 'as you wish');
    else if (String(data) === 'ping me') socket.ping('are you there');
    else if (String(data) === 'break') socket.terminate();
    else socket.send(data as Buffer, { binary });
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
scope.after(() => {
  for (const socket of sockets.clients) socket.terminate();
  server.close();
  server.closeAllConnections();
});

const proxy = await startHttps(scope, {
  manifests: [
    withTls(ingress('ws', HOST, [{ path: '/', service: 'ws' }]), [{ hosts: [HOST], secretName: 's' }]),
    tlsSecret('s', issue({ names: [HOST] })),
    ...service('ws', [(server.address() as AddressInfo).port]),
  ],
  args: ['--ssl-redirect', 'off'],
});

let count = 0;
const REQUEST_OPTIONS = { headers: { host: HOST }, servername: HOST, rejectUnauthorized: false };

/** Opens a WebSocket over HTTP/1.1. */
function overHttp1(url: string, protocols: string[], options: ClientOptions): WebSocket {
  return new WebSocket(url, protocols, { ...REQUEST_OPTIONS, ...options });
}

/** The stream of an extended CONNECT, framed by `ws` as if it had made the handshake itself. */
async function overHttp2(path: string, protocols: string[], options: ClientOptions): Promise<WebSocket> {
  const session = connectHttp2(`https://${HOST}`, {
    host: '127.0.0.1',
    port: proxy.https,
    servername: HOST,
    rejectUnauthorized: false,
  });
  session.on('error', () => {});
  scope.after(() => session.destroy());
  await within(once(session, 'remoteSettings'), 'the settings');
  const deflate =
    options.perMessageDeflate === false ? {} : { 'sec-websocket-extensions': 'permessage-deflate' };
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': path,
      'sec-websocket-version': '13',
      ...(protocols.length === 0 ? {} : { 'sec-websocket-protocol': protocols.join(', ') }),
      ...deflate,
    },
    { endStream: false },
  );
  const [head] = (await within(once(stream, 'response'), 'the answer to CONNECT')) as [
    Record<string, unknown>,
  ];
  assert.equal(head[':status'], 200);
  const extensions = String(head['sec-websocket-extensions'] ?? '');
  // What `ws` does after its own handshake; it takes any duplex stream.
  const socket = new WebSocket(null as unknown as string, undefined, {
    autoPong: true,
    closeTimeout: 30_000,
  } as ClientOptions);
  const raw = socket as unknown as {
    _isServer: boolean;
    _protocol: string;
    _extensions: Record<string, unknown>;
    setSocket(stream: Duplex, head: Buffer, options: object): void;
  };
  raw._isServer = false;
  raw._protocol = String(head['sec-websocket-protocol'] ?? '');
  assert.ok(extensions === '' || options.perMessageDeflate !== false);
  Object.assign(stream, { setTimeout: () => stream, setNoDelay: () => stream });
  raw.setSocket(stream as unknown as Socket, Buffer.alloc(0), {
    maxPayload: 64 * 1024 * 1024,
    allowSynchronousEvents: true,
  });
  return socket;
}

interface Way {
  readonly name: string;
  open(path: string, protocols?: string[], options?: ClientOptions): Promise<WebSocket>;
}

async function opened(socket: WebSocket): Promise<WebSocket> {
  await within(once(socket, 'open'), 'the WebSocket to open');
  return socket;
}

const WAYS: readonly Way[] = [
  {
    name: 'plain HTTP/1.1',
    open: (path, protocols = [], options = {}) =>
      opened(overHttp1(`ws://127.0.0.1:${proxy.http}${path}`, protocols, options)),
  },
  {
    name: 'TLS and HTTP/1.1',
    open: (path, protocols = [], options = {}) =>
      opened(overHttp1(`wss://127.0.0.1:${proxy.https}${path}`, protocols, options)),
  },
  {
    name: 'TLS and HTTP/2',
    open: (path, protocols = [], options = {}) =>
      overHttp2(path, protocols, { ...options, perMessageDeflate: false }),
  },
];

/** The next message and whether it was binary. */
async function next(socket: WebSocket): Promise<[Buffer, boolean]> {
  return (await within(once(socket, 'message'), 'a message', 60_000)) as [Buffer, boolean];
}

async function echoed(socket: WebSocket, data: string | Buffer): Promise<void> {
  const answer = next(socket);
  socket.send(data);
  const [back, binary] = await answer;
  assert.equal(binary, typeof data !== 'string');
  assert.ok(Buffer.from(data).equals(back), `${back.length} bytes came back`);
}

for (const { name, open } of WAYS) {
  describe(`over ${name}`, () => {
    const start = async (protocols?: string[], options?: ClientOptions) => {
      const path = `/${count++}`;
      const socket = await open(path, protocols, options);
      const server = heard.get(path)!;
      assert.ok(server !== undefined, 'the server has the connection');
      return { socket, server };
    };

    test('messages of every framing length, text and binary, come back as they are', async () => {
      const { socket } = await start();
      for (const size of [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537]) {
        await echoed(socket, 'x'.repeat(size));
        await echoed(socket, randomBytes(size));
      }
      socket.terminate();
    });

    test('a message of 16 MiB comes back', async () => {
      const { socket } = await start([], { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024 });
      await echoed(socket, randomBytes(16 * 1024 * 1024));
      socket.terminate();
    });

    test('fragments, with a ping between them, are one message', async () => {
      const { socket, server } = await start([], { perMessageDeflate: false });
      const answer = next(socket);
      socket.send('one ', { fin: false });
      socket.ping('between');
      const pong = once(socket, 'pong');
      socket.send('two ', { fin: false });
      socket.send('', { fin: false });
      socket.send('three', { fin: true });
      assert.equal(String((await answer)[0]), 'one two three');
      assert.equal(String((await within(pong, 'the pong'))[0]), 'between');
      assert.deepEqual(server.pings, ['between']);
      socket.terminate();
    });

    test('pings and pongs go both ways, up to their 125 bytes', async () => {
      const { socket } = await start();
      for (const data of ['', 'p'.repeat(125)]) {
        const pong = once(socket, 'pong');
        socket.ping(data);
        assert.equal(String((await within(pong, 'the pong'))[0]), data);
      }
      const ping = once(socket, 'ping');
      socket.send('ping me');
      assert.equal(String((await within(ping, 'the ping'))[0]), 'are you there');
      socket.terminate();
    });

    test('UTF-8 of every length passes, also cut in the middle of a character', async () => {
      const { socket } = await start([], { perMessageDeflate: false });
      const text = 'κόσμε \u{10ffff}\u{10000}\ufffd\u007f\u0080\u07ff\u0800';
      await echoed(socket, text);
      const bytes = Buffer.from(text);
      const answer = next(socket);
      socket.send(bytes.subarray(0, 3), { fin: false, binary: false });
      socket.send(bytes.subarray(3), { fin: true });
      assert.equal(String((await answer)[0]), text);
      socket.terminate();
    });

    test('text that is no UTF-8 is closed by the server with 1007, and the client sees that', async () => {
      const { socket, server } = await start([], { perMessageDeflate: false });
      const closed = closeOf(socket);
      socket.send(Buffer.from([0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xff]), { binary: false });
      const [code] = await within(closed, 'the close');
      assert.equal(code, 1007);
      await within(server.close, 'the end at the server');
    });

    for (const [code, reason] of [
      [1000, 'done'],
      [1001, ''],
      [3000, 'r'.repeat(123)],
      [4999, 'κόσμε'],
    ] as const) {
      test(`a close with ${code} reaches the server with its reason`, async () => {
        const { socket, server } = await start();
        const closed = closeOf(socket);
        socket.close(code, reason);
        assert.deepEqual(await within(server.close, 'the close at the server'), [code, reason]);
        assert.equal((await within(closed, 'the close at the client'))[0], code);
      });
    }

    test('a close by the server reaches the client with its code and reason', async () => {
      const { socket } = await start();
      const closed = closeOf(socket);
      socket.send('close yourself');
      assert.deepEqual(await within(closed, 'the close'), [4123, 'as you wish']);
    });

    test('a server that breaks off is no orderly close', async () => {
      const { socket } = await start();
      const closed = closeOf(socket);
      socket.send('break');
      assert.equal((await within(closed, 'the close'))[0], 1006);
    });

    test('a client that is gone is noticed by the server', async () => {
      const { socket, server } = await start();
      socket.terminate();
      assert.equal((await within(server.close, 'the close at the server'))[0], 1006);
    });

    test('the subprotocol that the server chose is told', async () => {
      const { socket } = await start(['chat.v1', 'chat.v2']);
      assert.equal(socket.protocol, 'chat.v2');
      socket.terminate();
    });

    test('many messages keep their order', async () => {
      const { socket } = await start([], { perMessageDeflate: false });
      const got: string[] = [];
      const all = new Promise<void>((resolve) => {
        socket.on('message', (data) => {
          if (got.push(String(data)) === 2000) resolve();
        });
      });
      const sent = Array.from({ length: 2000 }, (_, at) => `${at} ${'x'.repeat(at % 300)}`);
      for (const text of sent) socket.send(text);
      await within(all, 'all messages', 60_000);
      assert.deepEqual(got, sent);
      socket.terminate();
    });
  });
}

describe('per-message deflate', () => {
  for (const { name, open } of WAYS.slice(0, 2)) {
    test(`is negotiated between the ends, and compressed messages pass, over ${name}`, async () => {
      const socket = await open(`/${count++}`, [], { perMessageDeflate: { threshold: 0 } });
      assert.match(socket.extensions, /permessage-deflate/);
      for (const size of [1, 1000, 300_000]) await echoed(socket, 'compress me '.repeat(size).slice(0, size));
      socket.terminate();
    });
  }
});
