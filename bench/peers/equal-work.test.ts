import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { after, before, test } from 'node:test';
import { makeCertificate, TLS_HOST } from '../certificate.ts';
import { expectBody, expectSameTls } from '../load/verify.ts';
import { freePort, PROXY_CORE, startProcess, waitForAnswer, withDirectory } from '../processes.ts';
import { PEERS } from './all.ts';
import { type Peer, probeProgram } from './peer.ts';

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
    await withDirectory((directory) => checkHeaders(peer, directory, false));
  });

  if (!peer.servesTls) continue;
  test(`${peer.name} does the same over TLS, with the version, suite and group that all are to have`, async (t) => {
    for (const presence of [await peer.probe(), await probeProgram(['openssl', 'version'], /(\S+)/)])
      if (presence.kind === 'absent') return t.skip(presence.reason);
    if (process.platform !== 'linux' || availableParallelism() < 2)
      return t.skip('needs Linux and two cores');
    await withDirectory((directory) => checkHeaders(peer, directory, true));
  });
}

async function checkHeaders(peer: Peer, directory: string, secure: boolean): Promise<void> {
  const port = await freePort();
  const upstream = (backend.address() as AddressInfo).port;
  const tls = secure ? await makeCertificate(directory) : null;
  const command = await peer.prepare({
    directory,
    port,
    upstream,
    upstreamTls: false,
    upstreamHttp2: false,
    series: 'log',
    bulk: false,
    tls,
  });
  const proxy = await startProcess({
    ...command,
    name: peer.name,
    cores: PROXY_CORE,
    output: `${directory}/out`,
  });
  const host = secure ? `${TLS_HOST}:${port}` : `127.0.0.1:${port}`;
  const origin = `${secure ? 'https' : 'http'}://${host}`;
  try {
    await waitForAnswer(origin, proxy);
    if (secure) {
      await expectSameTls(origin);
      await expectBody(`${origin}/x?y=1`, Buffer.from('ok'));
    } else {
      // Keeps its connection, which some proxies would otherwise tell the backend.
      const response = await fetch(`${origin}/x?y=1`);
      assert.equal(await response.text(), 'ok');
    }
  } finally {
    await proxy.stop();
  }
  assert.equal(received['x-forwarded-for'], '127.0.0.1');
  assert.equal(received['x-forwarded-host'], host);
  assert.equal(received['x-forwarded-proto'], secure ? 'https' : 'http');
  // Tidegate says 443 over TLS, whatever its own port is behind a mapping of ports; the work is the same.
  assert.match(
    String(received['x-forwarded-port']),
    secure ? new RegExp(`^(443|${port})$`) : new RegExp(`^${port}$`),
  );
  assert.equal(received['x-real-ip'], '127.0.0.1');
  assert.match(String(received['x-request-id']), /^[0-9a-zA-Z-]{16,}$/);
  assert.match(String(received.via), /^1\.1 /);
  assert.notEqual(received.connection, 'close');
}
