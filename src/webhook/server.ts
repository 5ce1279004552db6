/** The HTTPS server that the API server asks. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { needsReview, readReview, reviewAnswer } from './admission-review.ts';
import type { Verdict } from './reviewer.ts';

/** PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface WebhookOptions {
  readonly address: string;
  readonly port: number;
  readonly keyPair: KeyPair;
  /** Whether the cluster is known; before that everything is answered 503, and the API server does without us. */
  readonly isReady: () => boolean;
  readonly review: (object: unknown, old: unknown) => Verdict;
  readonly onReview: (uid: string, verdict: Verdict) => void;
  /** A fault of our own. */
  readonly onFault: (error: Error) => void;
}

export interface WebhookServer {
  readonly address: string;
  readonly port: number;
  /** For connections from now on. Throws when certificate and key do not fit. */
  use(keyPair: KeyPair): void;
  close(): Promise<void>;
}

/** Two objects of at most 1.5 MiB (etcd's bound), with names and escapes. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_CONNECTIONS = 256;
/** The API server waits 30 s at most. */
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
/** For what is under way when we stop. */
const CLOSE_MS = 5000;

/** Rejects when the address cannot be listened on. */
export async function startWebhook(options: WebhookOptions): Promise<WebhookServer> {
  const server = createServer(
    { ...contextOf(options.keyPair), minVersion: 'TLSv1.2' },
    (request, response) => void handle(request, response, options),
  );
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    use: (keyPair) => server.setSecureContext(contextOf(keyPair)),
    close: () =>
      new Promise((resolve) => {
        const patience = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
        server.close(() => {
          clearTimeout(patience);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function contextOf({ certificate, key }: KeyPair): { cert: string; key: string } {
  return { cert: certificate, key };
}

function listen(server: Server, { address, port }: WebhookOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: WebhookOptions,
): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  if (request.method === 'GET' && (path === '/healthz' || path === '/readyz')) {
    const ready = path === '/healthz' || options.isReady();
    return answer(response, ready ? 200 : 503, ready ? 'ok' : 'the cluster is not known yet');
  }
  if (path !== '/validate') return answer(response, 404, 'there is only /validate');
  if (request.method !== 'POST') return answer(response, 405, 'expected POST');
  if (!options.isReady()) return answer(response, 503, 'the cluster is not known yet');
  try {
    const body = await readBody(request);
    if (body === null) return answer(response, 413, 'too large');
    const review = readReview(parseJson(body));
    if (review === null) return answer(response, 400, 'expected an AdmissionReview of admission.k8s.io/v1');
    const verdict = needsReview(review)
      ? options.review(review.object, review.old)
      : { allowed: true, message: '', warnings: [] };
    options.onReview(review.uid, verdict);
    const text = JSON.stringify(reviewAnswer(review.uid, verdict));
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  } catch (error) {
    if (request.destroyed && !request.complete) return;
    options.onFault(error as Error);
    answer(response, 500, 'internal error');
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  // What is left of a body that nobody reads would be taken for the next request.
  if (status >= 400) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}

/** null when it is too long. Throws when it breaks off. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > MAX_BODY_BYTES) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
