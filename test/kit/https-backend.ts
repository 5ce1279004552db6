/** Backends that speak TLS: node:https that answers as the echo backend does, and counts handshakes. */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import type { Scope } from './waiting.ts';

/** What a request and its connection looked like from the backend. */
export interface SeenOverTls {
  readonly method: string;
  readonly url: string;
  readonly bodyBytes: number;
  readonly bodySha256: string;
  /** '' when none was sent. */
  readonly serverName: string;
  readonly version: string;
  readonly resumed: boolean;
  /** Common name of the certificate that was shown; '' for none. */
  readonly client: string;
  /** A number of its own for each connection. */
  readonly connection: number;
}

export interface HttpsBackend {
  readonly port: number;
  readonly server: Server;
  /** Requests answered so far. */
  count(): number;
}

export async function startHttpsBackend(scope: Scope, options: TlsOptions): Promise<HttpsBackend> {
  let count = 0;
  const connections = new Map<TLSSocket, number>();
  const server = createServer(options, (request, response) => {
    const socket = request.socket as TLSSocket;
    const hash = createHash('sha256');
    let bodyBytes = 0;
    request.on('data', (bytes: Buffer) => {
      hash.update(bytes);
      bodyBytes += bytes.length;
    });
    request.on('error', () => response.destroy());
    request.on('end', () => {
      count++;
      const seen: SeenOverTls = {
        method: request.method ?? '',
        url: request.url ?? '',
        bodyBytes,
        bodySha256: hash.digest('hex'),
        serverName: (socket as { servername?: string | false }).servername || '',
        version: socket.getProtocol() ?? '',
        resumed: socket.isSessionReused(),
        client: String(socket.getPeerCertificate().subject?.CN ?? ''),
        connection: connections.get(socket) ?? -1,
      };
      response.setHeader('seen', JSON.stringify(seen));
      const size = Number(new URL(request.url ?? '/', 'https://backend').searchParams.get('bytes') ?? 0);
      response.end(Buffer.alloc(size, 'abcdefgh'));
    });
  });
  server.keepAliveTimeout = 600_000;
  server.on('secureConnection', (socket) => connections.set(socket, connections.size));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, server, count: () => count };
}
