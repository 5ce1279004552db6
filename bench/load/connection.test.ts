import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { openConnection } from './connection.ts';

/** Answers each read with the next of `answers`, cut into its parts; ends the connection when there is none left. */
async function serve(answers: string[][]): Promise<{ server: Server; port: number; received: string[] }> {
  const received: string[] = [];
  const server = createServer((socket) => {
    socket.setNoDelay();
    socket.on('data', async (bytes) => {
      received.push(bytes.toString());
      const parts = answers.shift();
      if (!parts) socket.destroy();
      for (const part of parts ?? []) await new Promise((resolve) => socket.write(part, resolve));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port, received };
}

test('answers with a length or one chunk are read whole, however they arrive, one after the other', async () => {
  const { server, port, received } = await serve([
    ['HTTP/1.1 200 OK\r\nContent-Le', 'ngth: 5\r\n\r\nhe', 'llo'],
    ['HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwait\r\n', '0\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ]);
  const connection = await openConnection(port);
  assert.deepEqual(await connection.get('a.test', '/x'), { status: 200, body: 'hello' });
  assert.deepEqual(await connection.get('a.test', '/y'), { status: 503, body: 'wait' });
  assert.deepEqual(await connection.get('a.test', '/z'), { status: 200, body: '' });
  assert.equal(received[0], 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await assert.rejects(connection.get('a.test', '/'), /closed before the answer was complete/);
  server.close();
});
