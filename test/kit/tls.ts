/** TLS clients, and a Tidegate with an HTTPS listener. */
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { RawClient } from './raw-client.ts';
import { type StartOptions, startTidegate, type Tidegate } from './tidegate.ts';
import { type Scope, within } from './waiting.ts';

export interface HttpsTidegate extends Tidegate {
  readonly https: number;
}

/** As `startTidegate`, with an HTTPS listener on a free port. */
export async function startHttps(scope: Scope, options: StartOptions): Promise<HttpsTidegate> {
  const args = ['--https', '127.0.0.1:0', ...(options.args ?? [])];
  const proxy = await startTidegate(scope, { ...options, args });
  const ready = proxy.log.find((line) => line.event === 'ready');
  const addresses = ready?.addresses as { readonly https?: readonly string[] } | undefined;
  const port = /:(\d+)$/.exec(addresses?.https?.[0] ?? '')?.[1];
  if (port === undefined) throw new Error('the ready line names no https address');
  return { ...proxy, https: Number(port) };
}

export interface TlsClient extends RawClient {
  readonly socket: TLSSocket;
}

/** Opens a TLS connection to 127.0.0.1 that trusts anybody; rejects when the handshake fails. */
export async function connectTls(
  scope: Scope,
  port: number,
  options: ConnectionOptions = {},
): Promise<TlsClient> {
  const socket = connect({ host: '127.0.0.1', port, servername: '', rejectUnauthorized: false, ...options });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('secureConnect', resolve);
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('closed within the handshake')));
  scope.after(() => void socket.destroy());
  await within(promise, `a TLS connection to port ${port}`);
  socket.on('error', () => {});
  return new RawClient(socket) as TlsClient;
}

/** The fingerprint of the certificate that a client with these options is shown. */
export async function shown(scope: Scope, port: number, options: ConnectionOptions = {}): Promise<string> {
  const client = await connectTls(scope, port, options);
  const { fingerprint256 } = client.socket.getPeerCertificate();
  client.close();
  return fingerprint256;
}
