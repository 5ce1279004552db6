/**
 * node echo-server.ts PORT
 *
 * Sends every WebSocket message back as it came. A plain request is answered with the SHA-256 of its body, which
 * is how an upload is checked byte by byte.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer((request, response) => {
  const hash = createHash('sha256');
  request.on('data', (bytes: Buffer) => hash.update(bytes));
  request.on('end', () => response.end(hash.digest('hex')));
});

new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
  socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
  socket.on('error', () => socket.terminate());
});

server.listen(Number(process.argv[2]), '127.0.0.1');
