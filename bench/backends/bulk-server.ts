/**
 * node bulk-server.ts BYTES_PER_SECOND
 *
 * GET /N answers N bytes as fast as they are taken; PUT swallows a body at the given rate and answers with its
 * length. Prints its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const BLOCK = Buffer.alloc(65_536, 'tidegate ');
const rate = Number(process.argv[2]);

function pour(bytes: number, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': bytes });
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const size = Math.min(left, BLOCK.length);
      left -= size;
      if (!response.write(BLOCK.subarray(0, size))) return void response.once('drain', more);
    }
    response.end();
  };
  more();
}

function swallow(request: IncomingMessage, response: ServerResponse): void {
  const start = performance.now();
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    const early = (bytes / rate) * 1000 - (performance.now() - start);
    if (early < 5) return;
    request.pause();
    setTimeout(() => request.resume(), early);
  });
  request.on('end', () => response.end(String(bytes)));
}

const server = createServer((request, response) => {
  if (request.method === 'GET') pour(Number(request.url?.slice(1)), response);
  else swallow(request, response);
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
