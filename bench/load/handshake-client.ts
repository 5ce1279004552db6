/**
 * node handshake-client.ts PORT CLIENTS SECONDS full|resumed BODY
 *
 * So many clients, each with one connection at a time: handshake, one request that must be answered with BODY, end.
 * `resumed` goes on from a session that was made before. Prints a LoadResult; a handshake counts as an error when it
 * was not of the kind that was asked for.
 */
import { once } from 'node:events';
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls';
import { TLS_GROUP, TLS_HOST, TLS_SUITE } from '../certificate.ts';
import { quantile } from '../statistics.ts';
import type { LoadResult } from './load.ts';

const [port, clients, seconds, kind, body = ''] = process.argv.slice(2);
const options: ConnectionOptions = {
  host: '127.0.0.1',
  port: Number(port),
  servername: TLS_HOST,
  rejectUnauthorized: false,
  secureContext: createSecureContext({ ciphers: TLS_SUITE, ecdhCurve: TLS_GROUP, minVersion: 'TLSv1.3' }),
};
const request = `GET / HTTP/1.1\r\nHost: ${TLS_HOST}:${port}\r\nConnection: close\r\n\r\n`;
const latencies: number[] = [];
let errors = 0;

const session = kind === 'resumed' ? await firstSession() : undefined;
const start = performance.now();
const end = start + Number(seconds) * 1000;
await Promise.all(Array.from({ length: Number(clients) }, connectInTurn));
const result: LoadResult = {
  completed: latencies.length,
  seconds: (performance.now() - start) / 1000,
  p50Us: quantile(latencies, 0.5),
  p99Us: quantile(latencies, 0.99),
  errors,
};
console.log(JSON.stringify(result));

async function connectInTurn(): Promise<void> {
  while (performance.now() < end) {
    const from = performance.now();
    try {
      const socket = connect(session === undefined ? options : { ...options, session });
      if (!(await answersRightly(socket, session !== undefined))) errors++;
    } catch {
      errors++;
    }
    latencies.push((performance.now() - from) * 1000);
  }
}

/** Rejects when the connection fails. */
async function answersRightly(socket: TLSSocket, resumed: boolean): Promise<boolean> {
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => {
    text += part;
  });
  await once(socket, 'secureConnect');
  const asWanted = socket.isSessionReused() === resumed;
  socket.write(request);
  await once(socket, 'close');
  return asWanted && text.startsWith('HTTP/1.1 200 ') && text.endsWith(body);
}

/** A ticket of TLS 1.3 comes after the handshake; all connections use the same one. */
async function firstSession(): Promise<Buffer> {
  const socket = connect(options);
  const ticket = once(socket, 'session') as Promise<[Buffer]>;
  const [[bytes]] = await Promise.all([ticket, answersRightly(socket, false)]);
  return bytes;
}
