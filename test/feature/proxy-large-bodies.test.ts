/** Bodies stream: however large they are and however slow the other side is, memory stays flat. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { routeAll } from '../kit/manifests.ts';
import { startTidegate, type Tidegate } from '../kit/tidegate.ts';

const MIB = 1024 * 1024;
const BLOCK = randomBytes(MIB);
/**
 * The size of a body, and what the whole process may grow by meanwhile. On a crowded machine the collectors of the
 * threads run late and the heaps swing by some 60 MiB, so a body is several times what a swing can be: one that was kept
 * would still show.
 */
const LARGE_MIB = 512;
const GROWTH = 160 * MIB;
/** What the buffers on the way, the kernel's included, may hold of a body that nobody reads. */
const HELD = 48 * MIB;

/** Writes `mebibytes` blocks, waiting for room; counts what was handed over. */
async function pour(target: Writable, mebibytes: number, progress: { written: number }): Promise<number> {
  let sum = 0;
  for (let block = 0; block < mebibytes; block++) {
    sum = crc32(BLOCK, sum);
    progress.written += BLOCK.length;
    if (!target.write(BLOCK)) await once(target, 'drain');
  }
  target.end();
  return sum;
}

/** Reads to the end; gives the number of bytes and their checksum. */
async function swallow(source: Readable): Promise<{ bytes: number; sum: number }> {
  let bytes = 0;
  let sum = 0;
  for await (const part of source as AsyncIterable<Buffer>) {
    bytes += part.length;
    sum = crc32(part, sum);
  }
  return { bytes, sum };
}

/** Waits until `progress` has stood still for a hundred round trips through the program. */
async function untilBlocked(proxy: Tidegate, progress: { written: number }): Promise<void> {
  for (let quiet = 0, before = -1; quiet < 100; quiet = progress.written === before ? quiet + 1 : 0) {
    before = progress.written;
    await proxy.get('/healthz');
  }
}

/** The largest resident size seen while `work` runs, in bytes. */
async function peakOf<T>(proxy: Tidegate, work: Promise<T>): Promise<{ result: T; peak: number }> {
  let peak = 0;
  let running = true;
  const sampling = (async () => {
    while (running) {
      peak = Math.max(peak, await proxy.residentBytes());
      await proxy.get('/healthz');
    }
  })();
  const result = await work.finally(() => {
    running = false;
  });
  await sampling;
  return { result, peak };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

describe('memory stays flat', async () => {
  /** Sends as many MiB as the path says. */
  const progress = { written: 0 };
  let sent: Promise<number> = Promise.resolve(0);
  const source = createServer((request, response) => {
    const mebibytes = Number(request.url?.slice(1));
    progress.written = 0;
    if (request.headers['x-length'] === 'known') response.setHeader('content-length', mebibytes * MIB);
    sent = pour(response, mebibytes, progress);
  });
  /** Reads nothing until the test says so, then answers with what it got. */
  let mayRead = Promise.resolve();
  const sink = createServer(async (request, response) => {
    await mayRead;
    response.end(JSON.stringify(await swallow(request)));
  });
  const manifests = [...routeAll('source', await listen(source)), ...routeAll('sink', await listen(sink))];
  const proxy = await startTidegate({ after }, { manifests });

  const download = async (mebibytes: number, length: 'known' | 'chunked'): Promise<IncomingMessage> => {
    const headers = { host: 'source', 'x-length': length };
    const request = httpRequest({ port: proxy.http, path: `/${mebibytes}`, headers, agent: false });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  };

  /** Uploads to a backend that reads nothing until all buffers on the way are full. */
  const upload = async (mebibytes: number, length: 'known' | 'chunked') => {
    const gate = Promise.withResolvers<void>();
    mayRead = gate.promise;
    const headers = { host: 'sink', ...(length === 'known' ? { 'content-length': mebibytes * MIB } : {}) };
    const request = httpRequest({ port: proxy.http, method: 'PUT', path: '/', headers, agent: false });
    const handedOver = { written: 0 };
    const poured = pour(request, mebibytes, handedOver);
    await untilBlocked(proxy, handedOver);
    const whenBlocked = handedOver.written;
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    gate.resolve();
    const { result, peak } = await peakOf(proxy, Promise.all([answered, poured]));
    const [[response], sum] = result;
    let text = '';
    for await (const part of response.setEncoding('utf8')) text += part as string;
    return { whenBlocked, peak, sum, received: JSON.parse(text) as { bytes: number; sum: number } };
  };

  // First transfers both ways, so that what is allocated once does not count as growth.
  await swallow(await download(64, 'known'));
  await upload(64, 'known');
  const baseline = await proxy.residentBytes();

  for (const length of ['known', 'chunked'] as const) {
    test(`in a download of ${LARGE_MIB} MiB (${length}) through a client that first does not read at all`, async () => {
      const response = await download(LARGE_MIB, length);
      await untilBlocked(proxy, progress);
      assert.ok(progress.written < HELD, `${progress.written / MIB} MiB were taken from the backend`);
      const { result, peak } = await peakOf(proxy, swallow(response));
      assert.deepEqual(result, { bytes: LARGE_MIB * MIB, sum: await sent });
      assert.ok(peak - baseline < GROWTH, `grew by ${(peak - baseline) / MIB} MiB`);
    });

    test(`in an upload of ${LARGE_MIB} MiB (${length}) to a backend that first does not read at all`, async () => {
      const { whenBlocked, peak, sum, received } = await upload(LARGE_MIB, length);
      assert.ok(whenBlocked < HELD, `${whenBlocked / MIB} MiB were taken from the client`);
      assert.deepEqual(received, { bytes: LARGE_MIB * MIB, sum });
      assert.ok(peak - baseline < GROWTH, `grew by ${(peak - baseline) / MIB} MiB`);
    });
  }

  test('in a hundred downloads whose clients do not read', async () => {
    const responses = await Promise.all(Array.from({ length: 100 }, () => download(8, 'known')));
    await untilBlocked(proxy, progress);
    const grown = (await proxy.residentBytes()) - baseline;
    // Buffers of a hundred connections on both sides, and room for what the collector has not yet seen.
    assert.ok(grown < GROWTH, `grew by ${grown / MIB} MiB`);
    for (const response of responses) response.destroy();
  });
});
