/** HTTP/2 clients of an HTTP/2 endpoint: what one side does must not harm the other, nor its other streams. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as frame from '../../src/dataplane/http2/frames.ts';
import { HpackDecoder } from '../../src/dataplane/http2/hpack-decode.ts';
import { type Fields, GET, POST } from '../kit/h2-client.ts';
import type { MemoryPeer } from '../kit/memory-transport.ts';
import { framesOf, headers, idsOf, ok, reasons, Scene, statusOf } from './http2-scene.ts';

const request = (id: number, fields: Fields = GET): string => headers(id, fields, frame.END_STREAM);
const data = (id: number, text: string, flags = 0): string =>
  frame.frameHead(text.length, frame.DATA, flags, id) + text;
const WIDE = [[frame.SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24]] as const;

/** All fields of all blocks a peer got, by stream. Our encoder keeps no table, so blocks stand for themselves. */
function fieldsOf(peer: MemoryPeer, id: number): string[] {
  const seen: string[] = [];
  for (const one of framesOf(peer)) {
    if (one.type !== frame.HEADERS || one.id !== id) continue;
    const block = Buffer.from(one.payload, 'latin1');
    const sink = {
      onField: ({ name, value }: { name: string; value: string }) => seen.push(`${name}: ${value}`) > 0,
    };
    assert.ok(new HpackDecoder().decode(block, 0, block.length, sink));
  }
  return seen;
}

const dataOf = (peer: MemoryPeer, id: number): string =>
  framesOf(peer)
    .filter((one) => one.type === frame.DATA && one.id === id)
    .map(({ payload }) => payload)
    .join('');
const endsOf = (peer: MemoryPeer, id: number): number =>
  framesOf(peer).filter((one) => one.id === id && one.type < 2 && (one.flags & frame.END_STREAM) !== 0)
    .length;

describe('answers', () => {
  test('with the same head are told apart by what follows them', () => {
    const scene = new Scene();
    const client = scene.http2Client();
    const head: Fields = [
      [':status', '200'],
      ['x-a', 'b'],
    ];
    scene.say(client, request(1));
    const backend = scene.backend(0);
    scene.say(backend, headers(1, head, frame.END_STREAM));
    scene.say(client, request(3));
    scene.say(backend, headers(3, head) + data(3, 'body', frame.END_STREAM));
    assert.equal(dataOf(client, 3), 'body');
    assert.ok(!fieldsOf(client, 3).includes('content-length: 0'), 'the length of another answer');
    scene.say(client, request(5));
    scene.say(backend, headers(5, head, frame.END_STREAM));
    assert.deepEqual([endsOf(client, 1), endsOf(client, 3), endsOf(client, 5)], [1, 1, 1]);
    scene.end();
  });

  test('keep every byte of their trailers, also those that look like blanks in Latin-1', () => {
    const scene = new Scene();
    const client = scene.http2Client();
    scene.say(client, request(1));
    const backend = scene.backend(0);
    const voila = Buffer.from('voilà').toString('latin1');
    scene.say(
      backend,
      headers(1, [[':status', '200']]) + data(1, 'x') + headers(1, [['x-note', voila]], frame.END_STREAM),
    );
    assert.ok(fieldsOf(client, 1).includes(`x-note: ${voila}`));
    scene.end();
  });

  test('that a backend breaks off are not held against the client', () => {
    const scene = new Scene();
    const client = scene.http2Client();
    scene.say(client, request(1));
    const backend = scene.backend(0);
    for (let id = 1; id < 1001; id += 2) {
      if (id > 1) scene.say(client, request(id));
      scene.say(backend, headers(id, [[':status', '200']]) + frame.rstStreamFrame(id, frame.INTERNAL_ERROR));
    }
    const resets = framesOf(client).filter(({ type }) => type === frame.RST_STREAM);
    assert.equal(resets.length, 500);
    assert.ok(!framesOf(client).some(({ type }) => type === frame.GOAWAY), 'the connection lives on');
    scene.end();
  });
});

describe('bodies of requests', () => {
  test('end with their last bytes, not with a frame of their own', () => {
    const scene = new Scene();
    const client = scene.http2Client();
    scene.say(client, headers(1, POST) + data(1, 'whole', frame.END_STREAM));
    const backend = scene.backend(0);
    scene.say(backend, ok(1));
    scene.say(client, headers(3, POST) + data(3, 'first ') + data(3, 'last', frame.END_STREAM));
    scene.say(backend, ok(3));
    const sized = scene.ask('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst');
    scene.say(sized, ' last');
    scene.say(backend, ok(5));
    for (const id of [1, 3, 5]) {
      const frames = framesOf(backend).filter((one) => one.id === id && one.type === frame.DATA);
      assert.ok(
        frames.every(({ payload }) => payload !== ''),
        `stream ${id}: an empty frame`,
      );
      assert.equal(endsOf(backend, id), 1);
    }
    assert.deepEqual(
      [dataOf(backend, 1), dataOf(backend, 3), dataOf(backend, 5)],
      ['whole', 'first last', 'first last'],
    );
    assert.equal(statusOf(sized), '200');
    scene.end();
  });

  test('have their trailers behind them, with and without a length', () => {
    const scene = new Scene();
    const client = scene.http2Client();
    scene.say(client, headers(1, POST) + data(1, 'body') + headers(1, [['x-sum', '1']], frame.END_STREAM));
    const backend = scene.backend(0);
    const sized: Fields = [...POST, ['content-length', '4']];
    scene.say(client, headers(3, sized) + data(3, 'body') + headers(3, [['x-sum', '3']], frame.END_STREAM));
    assert.ok(fieldsOf(backend, 1).includes('x-sum: 1'));
    assert.ok(fieldsOf(backend, 3).includes('x-sum: 3'));
    scene.say(backend, ok(1) + ok(3));
    scene.end();
  });

  test('are sent whole to the next endpoint when the first did nothing with them', () => {
    const scene = new Scene({ endpoints: 2, policy: { retries: 2 } });
    const client = scene.http2Client();
    scene.say(client, headers(1, POST) + data(1, 'one '));
    const first = scene.backend(0);
    scene.say(client, data(1, 'two '));
    scene.say(first, frame.rstStreamFrame(1, frame.REFUSED_STREAM));
    scene.say(client, data(1, 'three', frame.END_STREAM));
    const second = scene.backend(1);
    assert.deepEqual([dataOf(second, 1), endsOf(second, 1)], ['one two three', 1]);
    scene.say(second, ok(1, 'done'));
    assert.equal(dataOf(client, 1), 'done');
    scene.end();
  });
});

describe('pieces of a byte are put together, so that they take hardly more than their bytes', () => {
  const PIECES = 60_000;
  const pieces = data(1, 'x').repeat(PIECES / 60);
  const framesWithData = (peer: MemoryPeer): number =>
    framesOf(peer).filter(({ type }) => type === frame.DATA).length;

  test('those of an answer that the client does not read', () => {
    const scene = new Scene();
    const client = scene.http2Client([[frame.SETTINGS_INITIAL_WINDOW_SIZE, 0]]);
    scene.say(client, request(1));
    const backend = scene.backend(0);
    scene.say(backend, headers(1, [[':status', '200']]));
    for (let i = 0; i < 60; i++) scene.say(backend, pieces);
    scene.say(client, frame.windowUpdateFrame(1, 1 << 24) + frame.windowUpdateFrame(0, 1 << 24));
    assert.equal(dataOf(client, 1).length, PIECES);
    assert.ok(framesWithData(client) < 100, `${framesWithData(client)} frames`);
    scene.end();
  });

  for (const [what, settings] of [
    ['waits for its connection', WIDE],
    ['does not read', [[frame.SETTINGS_INITIAL_WINDOW_SIZE, 0]]],
  ] as const) {
    test(`those of a request whose backend ${what}`, () => {
      const scene = new Scene();
      const client = scene.http2Client();
      scene.say(client, headers(1, POST));
      for (let i = 0; i < 60; i++) scene.say(client, pieces);
      const backend = scene.backend(0, settings);
      scene.say(backend, frame.windowUpdateFrame(1, 1 << 24) + frame.windowUpdateFrame(0, 1 << 24));
      assert.equal(dataOf(backend, 1).length, PIECES);
      assert.ok(framesWithData(backend) < 100, `${framesWithData(backend)} frames`);
      scene.say(backend, ok(1));
      scene.end();
    });
  }
});

test('a request whose head the backend says it will not take is refused here, and costs the others nothing', () => {
  const scene = new Scene();
  const client = scene.http2Client();
  scene.say(client, request(1));
  const backend = scene.backend(0, [[frame.SETTINGS_MAX_HEADER_LIST_SIZE, 2000]]);
  scene.say(client, request(3, [...GET, ['x-large', 'y'.repeat(3000)]]));
  assert.deepEqual(idsOf(backend), [1]);
  assert.ok(fieldsOf(client, 3).includes(':status: 431'));
  scene.say(backend, ok(1));
  assert.deepEqual(reasons(scene), ['head-too-large']);
  scene.end();
});

test('a connection that comes to stand for nobody, to an endpoint that left, is closed', () => {
  const scene = new Scene();
  const client = scene.http2Client();
  scene.say(client, request(1));
  const backend = scene.world.backends[0]!;
  scene.world.setEndpoints(0);
  scene.say(client, frame.rstStreamFrame(1, frame.CANCEL));
  scene.say(backend, frame.settingsFrame([]));
  assert.equal(backend.ended, true);
  scene.end();
});

test('windows that the client takes back are honoured to the byte, and given again', () => {
  const scene = new Scene();
  const client = scene.http2Client([[frame.SETTINGS_INITIAL_WINDOW_SIZE, 10]]);
  scene.say(client, request(1));
  const backend = scene.backend(0, WIDE);
  scene.say(backend, headers(1, [[':status', '200']]) + data(1, '0123456789abcdef'));
  assert.equal(dataOf(client, 1), '0123456789');
  scene.say(client, frame.settingsFrame([[frame.SETTINGS_INITIAL_WINDOW_SIZE, 0]]));
  scene.say(client, frame.windowUpdateFrame(1, 9));
  assert.equal(dataOf(client, 1), '0123456789', 'the window is below zero');
  scene.say(client, frame.windowUpdateFrame(1, 3));
  assert.equal(dataOf(client, 1), '0123456789ab');
  scene.say(client, frame.settingsFrame([[frame.SETTINGS_INITIAL_WINDOW_SIZE, 100]]));
  scene.say(backend, data(1, '', frame.END_STREAM));
  assert.deepEqual([dataOf(client, 1), endsOf(client, 1)], ['0123456789abcdef', 1]);
  scene.end();
});

test('windows that the backend takes back are honoured for streams that run and for those that wait', () => {
  const scene = new Scene();
  const client = scene.http2Client();
  scene.say(client, headers(1, POST) + data(1, '0123456789'));
  const backend = scene.backend(0, [[frame.SETTINGS_INITIAL_WINDOW_SIZE, 4]]);
  assert.equal(dataOf(backend, 1), '0123');
  scene.say(backend, frame.settingsFrame([[frame.SETTINGS_INITIAL_WINDOW_SIZE, 0]]));
  scene.say(backend, frame.windowUpdateFrame(1, 4));
  assert.equal(dataOf(backend, 1), '0123');
  scene.say(backend, frame.windowUpdateFrame(1, 2));
  assert.equal(dataOf(backend, 1), '012345');
  scene.say(client, headers(3, POST) + data(3, 'abc', frame.END_STREAM));
  assert.equal(dataOf(backend, 3), '');
  scene.say(backend, frame.settingsFrame([[frame.SETTINGS_INITIAL_WINDOW_SIZE, 65_535]]));
  scene.say(client, data(1, '', frame.END_STREAM));
  assert.deepEqual([dataOf(backend, 1), dataOf(backend, 3)], ['0123456789', 'abc']);
  assert.deepEqual([endsOf(backend, 1), endsOf(backend, 3)], [1, 1]);
  scene.say(backend, ok(1) + ok(3));
  scene.end();
});

test('a backend without a table is told once that ours is empty, before the first block', () => {
  const scene = new Scene();
  const client = scene.http2Client();
  scene.say(client, request(1));
  const backend = scene.backend(0, [[frame.SETTINGS_HEADER_TABLE_SIZE, 0]]);
  scene.say(client, request(3));
  const blocks = framesOf(backend)
    .filter(({ type }) => type === frame.HEADERS)
    .map(({ payload }) => payload.charCodeAt(0) === 0x20);
  assert.deepEqual(blocks, [true, false]);
  scene.say(backend, ok(1) + ok(3));
  scene.end();
});

test('requests that are given up as soon as they are made leave nothing behind, here or at the backend', () => {
  const scene = new Scene();
  const client = scene.http2Client();
  scene.say(client, request(1));
  const backend = scene.backend(0);
  for (let id = 3; id < 303; id += 2) {
    scene.say(client, request(id) + frame.rstStreamFrame(id, frame.CANCEL));
  }
  const opened = idsOf(backend);
  const cancelled = framesOf(backend).filter(({ type }) => type === frame.RST_STREAM);
  assert.equal(cancelled.length, opened.length - 1);
  assert.equal(scene.world.endpoints[0]!.inFlight, 1);
  scene.say(backend, ok(1));
  assert.equal(dataOf(client, 1), 'ok');
  scene.end();
});

test('an upgrade that is answered with a success but no switch ends the request to the backend too', () => {
  const scene = new Scene({ protocol: 'http1' });
  const client = scene.http2Client();
  const connect: Fields = [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':authority', 'h'],
    [':path', '/'],
  ];
  scene.say(client, headers(1, connect));
  const backend = scene.world.backends[0]!;
  scene.say(backend, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n');
  assert.ok(fieldsOf(client, 1).includes(':status: 502'));
  assert.equal(scene.world.dataplane.active, 0);
  assert.equal(backend.gone !== null || backend.stream.destroyed, true);
  scene.end();
});
