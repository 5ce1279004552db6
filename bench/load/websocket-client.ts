/**
 * node websocket-client.ts URL CONNECTIONS SECONDS
 *
 * Keeps one message of 64 bytes under way on each connection and compares every echo. Prints a LoadResult.
 */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { quantile } from '../statistics.ts';
import type { LoadResult } from './load.ts';

const MESSAGE_BYTES = 64;

const [url = '', connections = '1', seconds = '1'] = process.argv.slice(2);
const latencies: number[] = [];
let errors = 0;
let running = true;

const sockets = await Promise.all(Array.from({ length: Number(connections) }, (_, index) => open(index)));
const start = performance.now();
for (const { next } of sockets) next();
setTimeout(finish, Number(seconds) * 1000);

async function open(index: number): Promise<{ socket: WebSocket; next: () => void }> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, 'open');
  const message = Buffer.alloc(MESSAGE_BYTES, 97 + (index % 26));
  let count = 0;
  let sent = 0;
  const next = (): void => {
    message.writeUInt32BE(count++);
    sent = performance.now();
    socket.send(message);
  };
  socket.on('message', (echo: Buffer) => {
    if (!running) return;
    if (!message.equals(echo)) errors++;
    latencies.push((performance.now() - sent) * 1000);
    next();
  });
  const failed = (): void => {
    if (running) errors++;
  };
  socket.on('error', failed);
  socket.on('close', failed);
  return { socket, next };
}

function finish(): void {
  running = false;
  const result: LoadResult = {
    completed: latencies.length,
    seconds: (performance.now() - start) / 1000,
    p50Us: quantile(latencies, 0.5),
    p99Us: quantile(latencies, 0.99),
    errors,
  };
  console.log(JSON.stringify(result));
  for (const { socket } of sockets) socket.terminate();
}
