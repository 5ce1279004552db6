import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { holdAddress } from './held-address.ts';

const skip = process.platform !== 'linux' && 'socket filters are a thing of Linux';
const held = (port: number) => holdAddress({ family: 4, bytes: Uint8Array.of(127, 0, 0, 2), port, scope: 0 });

test('an address that is held takes no new connections, others of the same listener do', {
  skip,
}, async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).end('served'));
  t.after(() => server.close());
  server.listen({ host: '0.0.0.0', port: 0, reusePort: true });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = (host: string) => {
    const socket = connect({ host, port });
    t.after(() => socket.destroy());
    socket.resume();
    return { socket, connected: once(socket, 'connect'), served: once(socket, 'end') };
  };
  const before = ask('127.0.0.2');
  await before.connected;
  const release = held(port);
  assert.equal(typeof release, 'function', String(release));
  const waits = ask('127.0.0.2');
  await ask('127.0.0.1').served;
  await before.served;
  assert.equal(waits.socket.connecting, true);
  (release as () => void)();
  // It asks again by itself, a second after it asked first.
  await waits.served;
});

test('what cannot be held is told', { skip }, () => {
  const elsewhere = { family: 4 as const, bytes: Uint8Array.of(192, 0, 2, 1), port: 80, scope: 0 };
  assert.match(String(holdAddress(elsewhere)), /EADDRNOTAVAIL/);
});
