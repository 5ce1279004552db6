/**
 * What a hostile HTTP/2 client can do for next to nothing: each attack ends with GOAWAY ENHANCE_YOUR_CALM (or with
 * an error of its own) after a bounded number of frames, costs bounded memory, and nobody else notices.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  frameHead,
  rstStreamFrame,
  settingsFrame,
  windowUpdateFrame,
} from '../../src/dataplane/http2/frames.ts';
import { connectH2, encodeBlock, GET, type H2Client, POST } from '../kit/h2-client.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer } from '../kit/raw-backend.ts';
import { eventually } from '../kit/waiting.ts';

const ENHANCE_YOUR_CALM = 11;
const { proxy, backend } = await startHttp1Fixture(
  { after },
  { args: ['--http2-cleartext', 'on', '--timeout-send-idle', '300ms'] },
);

const headers = (id: number, flags: number, block = encodeBlock(GET)) =>
  frameHead(block.length, 1, flags, id) + block;

/** Sends `count` pieces; asserts that the connection ends with `code` and that another one is served meanwhile. */
async function flood(
  count: number,
  piece: (i: number) => string,
  code = ENHANCE_YOUR_CALM,
): Promise<H2Client> {
  backend.behaviour = OK;
  const scope = { after: (f: () => void | Promise<void>) => after(f) };
  const client = await connectH2(scope, proxy.http);
  const bystander = await connectH2(scope, proxy.http);
  let bytes = '';
  for (let i = 0; i < count; i++) bytes += piece(i);
  client.raw.send(bytes);
  bystander.request(1);
  assert.equal((await bystander.response(1)).status, 200, 'others are served');
  assert.equal(await client.goaway(), code);
  await client.ended();
  client.close();
  bystander.close();
  return client;
}

describe('floods end the connection', () => {
  const attacks: Readonly<
    Record<string, readonly [count: number, piece: (i: number) => string, code?: number]>
  > = {
    'rapid reset (CVE-2023-44487)': [5000, (i) => headers(2 * i + 1, 5) + rstStreamFrame(2 * i + 1, 8)],
    'made you reset: requests that are malformed (CVE-2025-8671)': [
      5000,
      (i) => headers(2 * i + 1, 5, encodeBlock([...GET, ['te', 'gzip']])),
    ],
    'made you reset: windows that overflow': [
      5000,
      (i) =>
        headers(2 * i + 1, 4, encodeBlock(POST)) +
        windowUpdateFrame(2 * i + 1, 0x7fff_ffff) +
        windowUpdateFrame(2 * i + 1, 0x7fff_ffff),
    ],
    'made you reset: more data than the length': [
      5000,
      (i) =>
        headers(2 * i + 1, 4, encodeBlock([...POST, ['content-length', '1']])) +
        frameHead(2, 0, 0, 2 * i + 1) +
        'ab',
    ],
    'made you reset: a window update of 0 ends the connection at once': [
      1,
      () => headers(1, 4, encodeBlock(POST)) + windowUpdateFrame(1, 0),
      1,
    ],
    'CONTINUATION without end (CVE-2024-27316)': [
      5000,
      (i) => (i === 0 ? headers(1, 1, '') : frameHead(0, 9, 0, 1)),
    ],
    'CONTINUATION of many bytes': [
      100,
      (i) => (i === 0 ? headers(1, 1, '') : frameHead(16_384, 9, 0, 1) + '\x82'.repeat(16_384)),
    ],
    'PING (CVE-2019-9512)': [5000, () => `${frameHead(8, 6, 0, 0)}12345678`],
    'SETTINGS (CVE-2019-9515)': [5000, () => settingsFrame([[4, 65_535]])],
    'acknowledgements nobody asked for': [5000, () => frameHead(0, 4, 1, 0)],
    'PRIORITY (CVE-2019-9513)': [5000, () => `${frameHead(5, 2, 0, 1)}\0\0\0\0\x10`],
    'empty DATA (CVE-2019-9518)': [
      5000,
      (i) => (i === 0 ? headers(1, 4, encodeBlock(POST)) : frameHead(0, 0, 0, 1)),
    ],
    'DATA of padding alone': [
      5000,
      (i) => (i === 0 ? headers(1, 4, encodeBlock(POST)) : `${frameHead(11, 0, 8, 1)}\x0a${'\0'.repeat(10)}`),
    ],
    WINDOW_UPDATE: [5000, () => windowUpdateFrame(0, 1)],
    'frames of unknown types': [30_000, () => frameHead(0, 200, 0, 0)],
    'frames for streams that are closed': [
      30_000,
      (i) => (i === 0 ? headers(1, 5) + rstStreamFrame(1, 8) : rstStreamFrame(1, 8)),
    ],
    'HPACK bomb (CVE-2016-6581): one large entry, referred to again and again': [
      1,
      () => {
        // `a` with a value of 3000 bytes goes into the table, and is then referred to by a byte each time.
        const entry = `\x40\x01a\x7f\xb9\x16${'v'.repeat(3000)}`;
        const block = encodeBlock(GET) + entry + '\xbe'.repeat(10_000);
        return headers(1, 5, block);
      },
    ],
  };
  for (const [name, [count, piece, code]] of Object.entries(attacks)) {
    test(name, async () => {
      await flood(count, piece, code);
    });
  }
});

test('a hundred thousand frames of an attack cost no lasting memory', async () => {
  const rapidReset = (i: number) => headers(2 * i + 1, 5) + rstStreamFrame(2 * i + 1, 8);
  for (let i = 0; i < 3; i++) await flood(2000, rapidReset);
  const before = await proxy.residentBytes();
  for (let i = 0; i < 20; i++) await flood(5000, rapidReset);
  const grown = (await proxy.residentBytes()) - before;
  assert.ok(grown < 64 * 1024 * 1024, `${grown} bytes more`);
});

test('zero window: a stream that nobody reads is reset in time, and its backend connection is free', async (t) => {
  backend.behaviour = answer(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`);
  const client = await connectH2(t, proxy.http, [[4, 0]]);
  for (let i = 0; i < 20; i++) client.request(2 * i + 1);
  const reset = await client.until('RST_STREAM', ({ type }) => type === 3);
  assert.equal(reset.payload.readUInt32BE(0), 8);
  await eventually(async () => {
    const { text } = await proxy.get('/metrics');
    assert.match(text, /^tidegate_requests 0$/m);
  });
});

test('a client that reads slowly, but reads, gets the whole of it', async (t) => {
  backend.behaviour = answer(`HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n${'y'.repeat(50)}`);
  const client = await connectH2(t, proxy.http, [[4, 0]]);
  client.request(1);
  await client.until('HEADERS', ({ type }) => type === 1);
  let body = '';
  while (body.length < 50) {
    client.raw.send(windowUpdateFrame(1, 10));
    const { payload } = await client.until('DATA', ({ type }) => type === 0);
    body += payload.toString();
  }
  assert.equal(body, 'y'.repeat(50));
});

test('a client that never reads its socket is cut', async (t) => {
  backend.behaviour = answer(`HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n${'z'.repeat(4_000_000)}`);
  const client = await connectH2(t, proxy.http, [[4, 0x7fff_ffff]]);
  client.raw.send(windowUpdateFrame(0, 0x3fff_ffff));
  client.raw.inbox.pause();
  for (let i = 0; i < 8; i++) client.request(2 * i + 1);
  await eventually(async () => {
    const { text } = await proxy.get('/metrics');
    assert.match(text, /limit_hits_total\{[^}]*limit="send_timeout"[^}]*\} [1-9]/);
  });
  client.close();
});

test('more data than the windows allow is FLOW_CONTROL_ERROR', async (t) => {
  const gate = Promise.withResolvers<void>();
  backend.behaviour = async (connection) => {
    // Reads nothing until told so: the windows stay closed.
    connection.inbox.pause();
    await gate.promise;
  };
  const client = await connectH2(t, proxy.http);
  client.request(1, POST, false);
  const piece = 'd'.repeat(16_384);
  for (let i = 0; i < 400; i++) client.data(1, piece);
  const end = await client.until('an error', ({ type }) => type === 3 || type === 7);
  assert.equal(end.payload.readUInt32BE(end.type === 3 ? 0 : 4), 3);
  gate.resolve();
});
