/** An ordinary node:http backend that answers each request with what it saw, as JSON. */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scope } from './waiting.ts';

export interface Echo {
  readonly backend: string;
  readonly method: string;
  readonly url: string;
  /** Name, value, name, value … as received. */
  readonly rawHeaders: readonly string[];
  readonly bodyBytes: number;
  readonly bodySha256: string;
}

export interface EchoBackend {
  readonly port: number;
  readonly server: Server;
  /** Requests answered so far. */
  count(): number;
}

/** Starts it on a free port; `name` comes back in every answer. */
export async function startEchoBackend(
  scope: Scope,
  name: string,
  address = '127.0.0.1',
): Promise<EchoBackend> {
  let count = 0;
  const server = createServer((request, response) => {
    const hash = createHash('sha256');
    let bodyBytes = 0;
    request.on('data', (bytes: Buffer) => {
      hash.update(bytes);
      bodyBytes += bytes.length;
    });
    request.on('error', () => response.destroy());
    request.on('end', () => {
      count++;
      const { method = '', url = '', rawHeaders } = request;
      const echo: Echo = {
        backend: name,
        method,
        url,
        rawHeaders,
        bodyBytes,
        bodySha256: hash.digest('hex'),
      };
      const text = JSON.stringify(echo);
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    });
  });
  // Longer than any test, so that the backend never closes a pooled connection under a request.
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  scope.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, server, count: () => count };
}
