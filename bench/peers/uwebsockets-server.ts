/**
 * node uwebsockets-server.ts PORT UPSTREAM_PORT [ACCESS_LOG]
 *
 * A front of uWebSockets.js with node:http towards the backend, for GET. A response is collected and then sent at
 * once: what uWebSockets.js does best.
 */
import { randomUUID } from 'node:crypto';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as send } from 'node:http';
import pino from 'pino';

/** As much of its interface as is used here; the package is not a dependency, so there are no types to import. */
interface HttpRequest {
  forEach(each: (name: string, value: string) => void): void;
  getUrl(): string;
  getQuery(): string | undefined;
}
interface HttpResponse {
  onAborted(handler: () => void): void;
  cork(write: () => void): void;
  writeStatus(status: string): void;
  writeHeader(name: string, value: string): void;
  end(body: Buffer): void;
  getRemoteAddressAsText(): ArrayBuffer;
}
interface App {
  get(pattern: string, handler: (response: HttpResponse, request: HttpRequest) => void): App;
  listen(host: string, port: number, done: (socket: unknown) => void): void;
}

const PACKAGE = 'uWebSockets.js';
/** uWebSockets.js writes these itself, or they belong to the connection to the backend. */
const OWN_FIELDS = new Set(['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']);

const [port, upstream, logFile] = process.argv.slice(2);
const log =
  logFile === undefined ? null : pino(pino.destination({ dest: logFile, sync: false, minLength: 16_000 }));
const agent = new Agent({ keepAlive: true, maxFreeSockets: 1024 });
const { default: uws } = (await import(PACKAGE)) as { default: { App(): App } };

uws
  .App()
  .get('/*', forward)
  .listen('127.0.0.1', Number(port), (socket) => {
    if (!socket) throw new Error(`cannot listen on port ${port}`);
  });

function forward(response: HttpResponse, request: HttpRequest): void {
  const start = performance.now();
  let aborted = false;
  response.onAborted(() => {
    aborted = true;
  });
  const query = request.getQuery();
  const path = query ? `${request.getUrl()}?${query}` : request.getUrl();
  const headers = requestHeaders(request, Buffer.from(response.getRemoteAddressAsText()).toString());
  const message = send({ host: '127.0.0.1', port: Number(upstream), path, headers, agent }, (answer) => {
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('end', () => {
      if (!aborted) respond(response, answer, Buffer.concat(parts));
      log?.info({ path, status: answer.statusCode, duration: performance.now() - start, ...logged(headers) });
    });
  });
  message.on('error', () => {
    if (!aborted) response.cork(() => response.writeStatus('502 Bad Gateway'));
  });
  message.end();
}

function requestHeaders(request: HttpRequest, client: string): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  request.forEach((name, value) => {
    if (!OWN_FIELDS.has(name)) headers[name] = value;
  });
  headers['x-forwarded-for'] = client;
  headers['x-forwarded-host'] = headers.host;
  headers['x-forwarded-proto'] = 'http';
  headers['x-forwarded-port'] = port;
  headers['x-real-ip'] = client;
  headers['x-request-id'] = randomUUID();
  headers.via = '1.1 uwebsockets';
  return headers;
}

function respond(response: HttpResponse, answer: IncomingMessage, body: Buffer): void {
  response.cork(() => {
    response.writeStatus(`${answer.statusCode} ${answer.statusMessage}`);
    for (const [name, value] of Object.entries(answer.headers)) {
      if (!OWN_FIELDS.has(name) && value !== undefined) response.writeHeader(name, String(value));
    }
    response.end(body);
  });
}

function logged(headers: IncomingHttpHeaders): Record<string, unknown> {
  const id = headers['x-request-id'];
  return { client: headers['x-real-ip'], host: headers.host, agent: headers['user-agent'], request_id: id };
}
