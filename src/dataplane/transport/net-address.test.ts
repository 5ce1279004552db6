/** How the portable transport tells the address of a peer. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { listenNet } from './net.ts';
import type { StreamOwner } from './stream.ts';

const ignoring: StreamOwner = {
  onConnect() {},
  onData() {},
  onBlocked() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

/** What the listener of both families says of a client that connects to `host`, which is this machine. */
async function toldAddress(t: TestContext, host: string): Promise<string> {
  const told = Promise.withResolvers<string>();
  const listener = await listenNet('::', 0, (stream) => {
    told.resolve(stream.remoteAddress);
    return ignoring;
  });
  t.after(() => listener.close());
  const client = net.connect({ host, port: listener.port });
  t.after(() => void client.destroy());
  return await told.promise;
}

const linkLocal = Object.entries(networkInterfaces())
  .flatMap(([name, addresses = []]) => addresses.map(({ address }) => `${address}%${name}`))
  .find((address) => address.startsWith('fe80:'));

test(
  'a client on the link is told without the zone, which means nothing to anybody else',
  { skip: linkLocal === undefined ? 'no interface here has a link-local address' : false },
  async (t) => assert.equal(await toldAddress(t, linkLocal!), linkLocal!.split('%')[0]),
);

test('a client of IPv4 is told as one', async (t) => {
  assert.equal(await toldAddress(t, '127.0.0.1'), '127.0.0.1');
});
