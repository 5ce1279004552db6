/** What the kernel lets through to us, on the loopback interface. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { within } from '../../../test/kit/waiting.ts';
import { parseIp } from '../../model/ip.ts';
import { addressBytes, socketAddress } from '../address.ts';
import { BfdListener, BfdSender } from './port.ts';

const skip = process.platform === 'linux' ? false : 'packet filters are a thing of Linux';
const bytesOf = (text: string) => {
  const { family, value } = parseIp(text)!;
  return addressBytes(family, value);
};

async function freePort(family: 4 | 6): Promise<number> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6').bind(0);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

async function say(from: string, ttl: number, text: string, to: string, port: number): Promise<void> {
  const socket: Socket = createSocket(from.includes(':') ? 'udp6' : 'udp4').bind(0, from);
  await once(socket, 'listening');
  socket.setTTL(ttl);
  await new Promise((resolve) => socket.send(text, port, to, resolve));
  socket.close();
}

describe('packets for BFD', { skip }, () => {
  for (const [family, address, stranger] of [
    [4, '127.0.0.1', '127.0.0.2'],
    [6, '::1', null],
  ] as const)
    test(`IPv${family}: only those of a peer that have not come too far are heard`, async (t) => {
      const port = await freePort(family);
      const heard: string[] = [];
      const { promise: last, resolve } = Promise.withResolvers<void>();
      const listener = BfdListener.open(family, port, null, (bytes, from) => {
        heard.push(`${bytes.toString()} of ${from}`);
        if (bytes.toString().startsWith('last')) resolve();
      });
      assert.ok(typeof listener !== 'string', String(listener));
      t.after(() => listener.close());
      await say(address, 255, 'before anybody is allowed', address, port);
      assert.equal(listener.allow([{ address: bytesOf(address), minimumTtl: 255 }]), null);
      await say(address, 254, 'from behind a router', address, port);
      if (stranger !== null) await say(stranger, 255, 'from a stranger', address, port);
      await say(address, 255, 'direct', address, port);
      const others = Array.from({ length: 20 }, (_, i) => ({
        address: bytesOf(family === 4 ? `192.0.2.${i}` : `2001:db8::${i}`),
        minimumTtl: 255,
      }));
      assert.equal(listener.allow([...others, { address: bytesOf(address), minimumTtl: 200 }]), null);
      await say(address, 199, 'from too far', address, port);
      await say(address, 200, 'last', address, port);
      await within(last, () => `the last packet; heard ${heard}`);
      assert.deepEqual(heard, [`direct of ${address}`, `last of ${address}`]);
    });

  test('what we send has TTL 255 and a source port of 49152 or more', async (t) => {
    const port = await freePort(4);
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = BfdListener.open(4, port, null, () => resolve());
    assert.ok(typeof listener !== 'string', String(listener));
    t.after(() => listener.close());
    listener.allow([{ address: bytesOf('127.0.0.1'), minimumTtl: 255 }]);
    const sender = BfdSender.open(socketAddress('127.0.0.1', 0)!, '127.0.0.1', port, null);
    assert.ok(typeof sender !== 'string', String(sender));
    t.after(() => sender.close());
    assert.ok(sender.port >= 49_152);
    sender.send(Buffer.from('x'));
    await within(promise, 'the packet');
  });
});
