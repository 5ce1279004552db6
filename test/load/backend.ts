/** One backend of either protocol: does what the task of a request says, and says who it is and what it saw. */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { overStream } from '../kit/websocket.ts';
import { PayloadCheck, payload } from './payload.ts';
import { BACKEND_FIELD, CHECKED, readTask, SEEN_FIELD, TASK_FIELD, type Task, taskText } from './task.ts';

/** Of so many answers one closes its connection, so that pools are not filled once and for all. */
const ANSWERS_PER_CLOSE = 40;
const DRIP_PIECES = 20;
const DRIP_MS = 25;
/** What a backend that left waits for the end of its connections; tasks last a few seconds at most. */
const PATIENCE_MS = 15_000;

export interface Backend {
  readonly name: string;
  readonly port: number;
  /** Stops listening; resolves when all connections have ended, with how many had to be cut after some seconds. */
  close(): Promise<number>;
}

/** Starts a backend on a free port of loopback; `onTask` is told each task that comes in. */
export async function startBackend(
  name: string,
  http2: boolean,
  onTask: (task: Task, method: string) => void,
): Promise<Backend> {
  const sockets = new Set<Socket>();
  const server = (http2 ? startHttp2 : startHttp1)(name, (request, response, leave) => {
    const task = readTask(request.headers[TASK_FIELD]);
    if (task === null) {
      response.writeHead(500, { [BACKEND_FIELD]: name }).end('no task');
      return;
    }
    onTask(task, request.method ?? '');
    if (task.id % ANSWERS_PER_CLOSE === 0) leave();
    answer(name, task, request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { name, port: (server.address() as AddressInfo).port, close: () => close(server, sockets) };
}

/**
 * `leave` makes this the last answer of its connection. With HTTP/2 it does nothing: node:http2 ignores what is on its
 * way when it says goodbye, and no proxy could make good a body that is too long to be kept.
 */
type Handle = (request: IncomingMessage, response: ServerResponse, leave: () => void) => void;

function startHttp1(name: string, handle: Handle): Server {
  const server = createServer((request, response) => {
    handle(request, response, () => response.setHeader('connection', 'close'));
  });
  // A pooled connection that closes under a POST cannot be made good by any proxy.
  server.keepAliveTimeout = 600_000;
  echoWebSockets(server, name);
  return server;
}

/** In cleartext with prior knowledge; a WebSocket is an extended CONNECT (RFC 8441). */
function startHttp2(name: string, handle: Handle): NetServer {
  const server = createHttp2Server({ settings: { enableConnectProtocol: true } });
  server.on('request', (request, response) => {
    if (request.method === 'CONNECT') return;
    // They are made to be used as those of node:http.
    const asHttp1 = [request, response] as unknown as [IncomingMessage, ServerResponse];
    handle(...asHttp1, () => {});
  });
  server.on('connect', ({ stream, headers }: Http2ServerRequest) => {
    const asked = `GET ${headers[':authority']}${headers[':path']}`;
    stream.on('error', () => {});
    stream.respond({ ':status': 200, [BACKEND_FIELD]: name, [SEEN_FIELD]: asked });
    const webSocket = overStream(stream);
    webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    webSocket.on('error', () => webSocket.terminate());
  });
  return server;
}

function seen({ method, headers, url }: IncomingMessage): string {
  return `${method} ${headers[':authority'] ?? headers.host}${url}`;
}

async function answer(
  name: string,
  task: Task,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const fields: OutgoingHttpHeaders = {
    [BACKEND_FIELD]: name,
    [TASK_FIELD]: taskText(task),
    [SEEN_FIELD]: seen(request),
    'content-type': 'application/octet-stream',
  };
  const withLength = (size: number) => {
    if (task.framing === 'length') fields['content-length'] = size;
    response.writeHead(200, fields);
  };
  // What nobody reads node:http2 ends by RST_STREAM, which may overtake the END_STREAM of the answer.
  if (task.act === 'give' || task.act === 'drip') request.resume();
  switch (task.act) {
    case 'give':
      withLength(task.size);
      return pipeline(payload(task.seed, 0, task.size), response);
    case 'drip':
      withLength(task.size);
      return pipeline(drip(task), response);
    case 'echo':
      withLength(task.size);
      return pipeline(request, response);
    case 'check': {
      const verdict = await checkBody(task, request);
      withLength(verdict.length);
      response.end(verdict);
      return;
    }
    default:
      return task.act satisfies never;
  }
}

async function* drip({ seed, size }: Task): AsyncGenerator<Buffer> {
  const piece = Math.max(1, Math.ceil(size / DRIP_PIECES));
  for (let at = 0; at < size; at += piece) {
    yield* payload(seed, at, Math.min(size, at + piece));
    await delay(DRIP_MS);
  }
}

async function checkBody({ seed, size }: Task, request: IncomingMessage): Promise<string> {
  const check = new PayloadCheck(seed);
  for await (const bytes of request) check.add(bytes as Buffer);
  return check.verdict(size) ?? CHECKED;
}

function echoWebSockets(server: Server, name: string): void {
  const webSockets = new WebSocketServer({ noServer: true });
  webSockets.on('headers', (lines, request) => {
    lines.push(`${BACKEND_FIELD}: ${name}`, `${SEEN_FIELD}: ${seen(request)}`);
  });
  server.on('upgrade', (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
      webSocket.on('error', () => webSocket.terminate());
    });
  });
}

async function close(server: NetServer, sockets: ReadonlySet<Socket>): Promise<number> {
  let left = 0;
  const patience = setTimeout(() => {
    left = sockets.size;
    for (const socket of sockets) socket.destroy();
  }, PATIENCE_MS);
  // node:http and node:http2 would close idle connections themselves; whether the proxy does is what we want to see.
  await new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
  clearTimeout(patience);
  return left;
}
