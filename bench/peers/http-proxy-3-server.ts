/** node http-proxy-3-server.ts PORT UPSTREAM_PORT [ACCESS_LOG] — the usual way to write a proxy on Node.js. */
import { randomUUID } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import pino, { type Logger } from 'pino';

const [port, upstream, logFile] = process.argv.slice(2);
const log =
  logFile === undefined ? null : pino(pino.destination({ dest: logFile, sync: false, minLength: 16_000 }));

const proxy = createProxyServer({
  target: `http://127.0.0.1:${upstream}`,
  agent: new Agent({ keepAlive: true, maxFreeSockets: 1024 }),
  xfwd: true,
  ws: true,
});
proxy.on('error', (_error, _request, response) => {
  if ('writeHead' in response && !response.headersSent) response.writeHead(502);
  response.end();
});

const server = createServer({ keepAliveTimeout: 3_600_000 }, (request, response) => {
  const id = addHeaders(request);
  if (log !== null) logWhenDone(log, id, request, response);
  proxy.web(request, response);
});
server.on('upgrade', (request, socket, head) => {
  addHeaders(request);
  proxy.ws(request, socket, head);
});
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 8192 });

/** `xfwd` adds X-Forwarded-For, -Port, -Proto and -Host. */
function addHeaders(request: IncomingMessage): string {
  const id = randomUUID();
  request.headers['x-request-id'] = id;
  request.headers['x-real-ip'] = request.socket.remoteAddress;
  request.headers.via = '1.1 http-proxy-3';
  return id;
}

function logWhenDone(logger: Logger, id: string, request: IncomingMessage, response: ServerResponse): void {
  const start = performance.now();
  response.on('finish', () => {
    logger.info({
      client: request.socket.remoteAddress,
      method: request.method,
      host: request.headers.host,
      path: request.url,
      protocol: request.httpVersion,
      status: response.statusCode,
      bytes: response.getHeader('content-length'),
      duration: performance.now() - start,
      upstream: `127.0.0.1:${upstream}`,
      agent: request.headers['user-agent'],
      request_id: id,
    });
  });
}
