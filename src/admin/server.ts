/**
 * The admin listener: health, metrics, the live configuration and the dashboard. It only reads, on a listener
 * of its own, and never stands in the way of the data plane: large answers leave in pieces.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { configText } from './config-dump.ts';
import { dashboardFile } from './dashboard.ts';
import { isTrustedRequest } from './rebinding.ts';
import { status } from './status.ts';
import type { AdminView } from './view.ts';

export interface AdminOptions {
  readonly address: string;
  readonly port: number;
  /** A host name under which this listener may be asked, besides IP literals and localhost. */
  readonly name: string | null;
  /** Whether a port in use is waited for: the program before this one is about to end. */
  readonly waits: boolean;
}

export interface AdminServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** How long `/metrics` and `/status` wait for the workers' latest figures before they answer with older ones. */
const REFRESH_PATIENCE_MS = 500;
const MAX_CONNECTIONS = 128;
const PORT_RETRY_MS = 250;

/**
 * Binds and serves; rejects with an Error whose message is for the user when the address cannot be bound. When a port in
 * use is waited for, it resolves before it is bound.
 */
export async function startAdmin(options: AdminOptions, view: AdminView): Promise<AdminServer> {
  const server = createServer(
    {
      maxHeaderSize: 16_384,
      headersTimeout: 5000,
      requestTimeout: 10_000,
      keepAliveTimeout: 10_000,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      answer(options.name, view, request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(30_000);
  const bound = await listen(server, options);
  const { address, port } = bound ? (server.address() as AddressInfo) : options;
  const retrying = bound ? null : keepTrying(server, options);
  return {
    address,
    port,
    close: async () => {
      clearInterval(retrying ?? undefined);
      if (server.listening) await close(server);
    },
  };
}

/** Gives whether it is bound: false when the port is in use, and that is no error. */
async function listen(server: Server, { address, port, waits }: AdminOptions): Promise<boolean> {
  server.listen({ host: address, port });
  try {
    await once(server, 'listening');
    return true;
  } catch (error) {
    if (waits && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw new Error(`The admin address ${address} port ${port} cannot be bound: ${(error as Error).message}`);
  }
}

function keepTrying(server: Server, { address, port }: AdminOptions): NodeJS.Timeout {
  server.on('error', () => {}); // Still in use.
  const retrying = setInterval(() => {
    if (server.listening) clearInterval(retrying);
    else server.listen({ host: address, port });
  }, PORT_RETRY_MS);
  return retrying;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function answer(
  name: string | null,
  view: AdminView,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (!isTrustedRequest(request.headers, name)) {
    const accepted = 'an IP address, localhost or the name given by --admin-name';
    return sendText(response, 403, `This listener answers only when it is asked under ${accepted}.\n`);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(response, 405, 'This listener only reads: use GET or HEAD.\n');
  }
  const url = URL.parse(request.url ?? '/', 'http://admin');
  if (url === null) return sendText(response, 400, 'This is no path.\n');
  const page = PAGES.get(url.pathname);
  if (!page) return sendText(response, 404, `Nothing here. There is: ${[...PAGES.keys()].join(' ')}\n`);
  await page(view, response, url.searchParams);
}

type Page = (view: AdminView, response: ServerResponse, query: URLSearchParams) => void | Promise<void>;

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/', (_view, response) => sendDashboard(response, 'index.html', 'text/html')],
  ['/healthz', (_view, response) => sendText(response, 200, 'ok\n')],
  ['/readyz', sendReadiness],
  ['/version', (view, response) => sendJson(response, 200, { version: view.version, node: process.version })],
  ['/metrics', sendMetrics],
  ['/config', sendConfig],
  ['/problems', (view, response) => sendJson(response, 200, view.problems())],
  ['/status', sendStatus],
  ['/speaker', sendSpeaker],
  ['/dashboard.css', (_view, response) => sendDashboard(response, 'dashboard.css', 'text/css')],
  ['/dashboard.js', (_view, response) => sendDashboard(response, 'dashboard.js', 'text/javascript')],
]);

function sendReadiness(view: AdminView, response: ServerResponse): void {
  const readiness = view.readiness();
  sendJson(response, readiness.ready ? 200 : 503, readiness);
}

function sendSpeaker({ speaker }: AdminView, response: ServerResponse): void {
  if (speaker === null) return sendText(response, 404, 'Nothing is announced from here: see --speaker.\n');
  sendJson(response, 200, speaker());
}

async function sendMetrics(view: AdminView, response: ServerResponse): Promise<void> {
  await refreshed(view);
  await sendPieces(response, 'text/plain; version=0.0.4; charset=utf-8', view.metrics.text());
}

async function sendConfig(view: AdminView, response: ServerResponse, query: URLSearchParams): Promise<void> {
  await sendPieces(response, 'application/json', configText(view.table(), query.get('host')));
}

async function sendStatus(view: AdminView, response: ServerResponse, query: URLSearchParams): Promise<void> {
  await refreshed(view);
  sendJson(response, 200, status(view, query.get('filter') ?? ''));
}

/** Resolves when the workers have reported or the patience is over. */
async function refreshed(view: AdminView): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, REFRESH_PATIENCE_MS);
  });
  // A worker that just died cannot report; the figures of the others are still good.
  await Promise.race([view.refresh().catch(() => undefined), patience]);
  clearTimeout(timer);
}

/** Lets the event loop turn between pieces and waits for a slow reader. */
async function sendPieces(
  response: ServerResponse,
  type: string,
  pieces: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  response.writeHead(200, { 'Content-Type': type });
  await pipeline(Readable.from(withTurns(pieces), { objectMode: false, highWaterMark: 65_536 }), response);
}

async function* withTurns(pieces: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  for await (const piece of pieces) {
    yield piece;
    await nextTurn();
  }
}

/** Scripts, styles and data from here only; nothing may frame the page or be sent from it. */
const DASHBOARD_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async function sendDashboard(response: ServerResponse, file: string, type: string): Promise<void> {
  const text = await dashboardFile(file);
  response.setHeader('Content-Security-Policy', DASHBOARD_POLICY);
  response.setHeader('Referrer-Policy', 'no-referrer');
  send(response, 200, `${type}; charset=utf-8`, text);
}

function sendText(response: ServerResponse, code: number, text: string): void {
  send(response, code, 'text/plain; charset=utf-8', text);
}

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  send(response, code, 'application/json', `${JSON.stringify(value)}\n`);
}

function send(response: ServerResponse, code: number, type: string, text: string): void {
  response.writeHead(code, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}
