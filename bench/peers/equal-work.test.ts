import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { after, before, test } from 'node:test';
import { freePort, PROXY_CORE, startProcess, waitForAnswer, withDirectory } from '../processes.ts';
import { PEERS } from './all.ts';
import type { Peer } from './peer.ts';

let received: IncomingHttpHeaders = {};
const backend = createServer((request, response) => {
  received = request.headers;
  response.end('ok');
});

before(async () => {
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
});
after(() => {
  backend.close();
  backend.closeAllConnections();
});

for (const peer of PEERS) {
  test(`${peer.name} sends the forwarded headers that all peers are to send, and keeps the connection`, async (t) => {
    const presence = await peer.probe();
    if (presence.kind === 'absent') return t.skip(presence.reason);
    if (process.platform !== 'linux' || availableParallelism() < 2)
      return t.skip('needs Linux and two cores');
    await withDirectory((directory) => checkHeaders(peer, directory));
  });
}

async function checkHeaders(peer: Peer, directory: string): Promise<void> {
  const port = await freePort();
  const upstream = (backend.address() as AddressInfo).port;
  const command = await peer.prepare({ directory, port, upstream, series: 'log', bulk: false });
  const proxy = await startProcess({
    ...command,
    name: peer.name,
    cores: PROXY_CORE,
    output: `${directory}/out`,
  });
  try {
    await waitForAnswer(`http://127.0.0.1:${port}`, proxy);
    const response = await fetch(`http://127.0.0.1:${port}/x?y=1`);
    assert.equal(await response.text(), 'ok');
  } finally {
    await proxy.stop();
  }
  assert.equal(received['x-forwarded-for'], '127.0.0.1');
  assert.equal(received['x-forwarded-host'], `127.0.0.1:${port}`);
  assert.equal(received['x-forwarded-proto'], 'http');
  assert.equal(received['x-forwarded-port'], String(port));
  assert.equal(received['x-real-ip'], '127.0.0.1');
  assert.match(String(received['x-request-id']), /^[0-9a-zA-Z-]{16,}$/);
  assert.match(String(received.via), /^1\.1 /);
  assert.notEqual(received.connection, 'close');
}
