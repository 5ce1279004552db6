/** Large bodies through TLS arrive as they were sent, while buffers are reused and either side is slow. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { routeAll } from '../kit/manifests.ts';
import { startHttps } from '../kit/tls.ts';

const MIB = 1024 * 1024;
const NOISE = randomBytes(MIB);

/** Writes `mebibytes` blocks of which no two are equal; gives the digest of all. */
async function pour(target: Writable, mebibytes: number): Promise<string> {
  const digest = createHash('sha1');
  for (let block = 0; block < mebibytes; block++) {
    const bytes = Buffer.from(NOISE);
    for (let at = 0; at < MIB; at += 4096) bytes.writeUInt32BE(block * 256 + at / 4096, at);
    digest.update(bytes);
    if (!target.write(bytes)) await once(target, 'drain');
  }
  target.end();
  return digest.digest('hex');
}

/** Reads to the end, with a rest after each part where `slowly`. */
async function swallow(source: Readable, slowly: boolean): Promise<string> {
  const digest = createHash('sha1');
  for await (const part of source as AsyncIterable<Buffer>) {
    digest.update(part);
    for (let turn = 0; slowly && turn < 20; turn++) await nextTurn();
  }
  return digest.digest('hex');
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

describe('bodies through TLS', async () => {
  const sent = new Map<string, Promise<string>>();
  const source = createServer((request, response) => {
    const [, id = '', size = '', framing] = request.url!.split('/');
    if (framing === 'known') response.setHeader('content-length', Number(size) * MIB);
    sent.set(id, pour(response, Number(size)));
  });
  const sink = createServer(async (request, response) => {
    response.end(await swallow(request, request.url === '/slowly'));
  });
  const manifests = [...routeAll('source', await listen(source)), ...routeAll('sink', await listen(sink))];
  const proxy = await startHttps({ after }, { manifests });
  const options = { port: proxy.https, rejectUnauthorized: false, agent: false as const };

  async function download(id: string, mebibytes: number, framing: string, slowly: boolean): Promise<void> {
    const path = `/${id}/${mebibytes}/${framing}`;
    const request = httpsRequest({ ...options, path, headers: { host: 'source' } });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const received = await swallow(response, slowly);
    assert.equal(received, await sent.get(id));
  }

  for (const framing of ['known', 'chunked']) {
    for (const slowly of [false, true]) {
      test(`downloads, ${framing} length, read ${slowly ? 'slowly' : 'at once'}`, async () => {
        const all = Array.from({ length: 6 }, (_, each) =>
          download(`${framing}-${slowly}-${each}`, 16, framing, slowly),
        );
        await Promise.all(all);
      });
    }
  }

  for (const pace of ['slowly', 'at-once']) {
    test(`uploads, read ${pace}`, async () => {
      const upload = async (): Promise<void> => {
        const headers = { host: 'sink' };
        const request = httpsRequest({ ...options, method: 'PUT', path: `/${pace}`, headers });
        const poured = pour(request, 16);
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        let text = '';
        for await (const part of response.setEncoding('utf8')) text += part as string;
        assert.equal(text, await poured);
      };
      await Promise.all(Array.from({ length: 4 }, upload));
    });
  }

  test('a client that never reads holds back its backend, and memory stays flat', async () => {
    await download('warm', 64, 'known', false);
    const before = await proxy.residentBytes();
    const request = httpsRequest({ ...options, path: '/stalled/512/known', headers: { host: 'source' } });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    for (let round = 0; round < 200; round++) await proxy.get('/healthz');
    const grown = (await proxy.residentBytes()) - before;
    assert.ok(grown < 48 * MIB, `grew by ${grown / MIB} MiB`);
    response.destroy();
  });
});
