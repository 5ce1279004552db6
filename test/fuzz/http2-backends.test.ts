/** What one HTTP/2 backend may do and must not do, step by step, over a transport in memory. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as frame from '../../src/dataplane/http2/frames.ts';
import type { Fields } from '../kit/h2-client.ts';
import { framesOf, headers, idsOf, ok, post, reasons, Scene, statusOf } from './http2-scene.ts';

describe('multiplexing', () => {
  test('requests wait for the SETTINGS of a new connection, then share it', () => {
    const scene = new Scene();
    const clients = [scene.ask(), scene.ask(), scene.ask()];
    assert.equal(scene.world.backends.length, 1);
    assert.deepEqual(idsOf(scene.world.backends[0]!), []);
    const backend = scene.backend(0);
    assert.deepEqual(idsOf(backend), [1, 3, 5]);
    scene.say(backend, ok(5) + ok(1) + ok(3));
    assert.deepEqual(clients.map(statusOf), ['200', '200', '200']);
    scene.end();
  });

  test('no more streams than the backend takes: the others get connections of their own', () => {
    const scene = new Scene();
    const clients = [scene.ask(), scene.ask(), scene.ask()];
    const first = scene.backend(0, [[frame.SETTINGS_MAX_CONCURRENT_STREAMS, 2]]);
    assert.deepEqual(idsOf(first), [1, 3]);
    const second = scene.backend(1, [[frame.SETTINGS_MAX_CONCURRENT_STREAMS, 2]]);
    assert.deepEqual(idsOf(second), [1]);
    scene.say(first, ok(1) + ok(3));
    scene.say(second, ok(1));
    assert.deepEqual(clients.map(statusOf), ['200', '200', '200']);
    scene.end();
  });

  test('with all places taken a request waits for one', () => {
    const scene = new Scene({ limits: { endpointConnections: 1 } });
    scene.ask();
    const backend = scene.backend(0, [[frame.SETTINGS_MAX_CONCURRENT_STREAMS, 1]]);
    const waiting = scene.ask();
    assert.deepEqual([idsOf(backend), scene.world.pending], [[1], 1]);
    scene.say(backend, ok(1));
    assert.deepEqual(idsOf(backend), [1, 3]);
    scene.say(backend, ok(3));
    assert.equal(statusOf(waiting), '200');
    scene.end();
  });

  test('our own bound holds where the backend has none', () => {
    const scene = new Scene({ limits: { upstreamStreams: 1 } });
    scene.ask();
    scene.backend(0);
    scene.ask();
    assert.equal(scene.world.backends.length, 2);
    scene.end();
  });
});

test('answers whose heads are the same bytes are told apart by what follows them', () => {
  const scene = new Scene();
  scene.ask();
  const backend = scene.backend(0);
  const head: Fields = [
    [':status', '200'],
    ['x-a', 'b'],
  ];
  const bodies: string[] = [];
  scene.say(backend, headers(1, head, frame.END_STREAM));
  for (let id = 3; id < 15; id += 2) {
    const client = scene.ask();
    const empty = id % 4 === 1;
    const body = empty ? '' : `body ${id}`;
    const data = frame.frameHead(body.length, frame.DATA, frame.END_STREAM, id) + body;
    scene.say(backend, headers(id, head, empty ? frame.END_STREAM : 0) + (empty ? '' : data));
    assert.match(client.text(), /^HTTP\/1\.1 200 OK\r\nx-a: b\r\n/);
    const expected = empty
      ? /\r\nContent-Length: 0\r\n\r\n$/
      : new RegExp(`chunked\r\n\r\n.\r\nbody ${id}\r\n0\r\n`);
    assert.match(client.text(), expected);
    bodies.push(body);
  }
  assert.equal(new Set(bodies).size, 4);
  scene.end();
});

describe('requests that a backend did nothing with are sent again', () => {
  test('GOAWAY: those above the last stream, whatever the method; the others are finished', () => {
    const scene = new Scene();
    const kept = scene.ask();
    const first = scene.backend(0);
    const moved = scene.ask(post('body'));
    scene.say(first, frame.goawayFrame(1, frame.NO_ERROR));
    const second = scene.backend(1);
    assert.deepEqual(idsOf(second), [1]);
    assert.ok(framesOf(second).some(({ type, payload }) => type === frame.DATA && payload === 'body'));
    scene.say(first, ok(1));
    scene.say(second, ok(1));
    assert.deepEqual([statusOf(kept), statusOf(moved)], ['200', '200']);
    assert.equal(first.ended, true, 'the first connection is closed by its last answer');
    scene.end();
  });

  test('REFUSED_STREAM: on the same endpoint when there is no other, as often as retries allow', () => {
    const scene = new Scene({ policy: { retries: 1 } });
    const client = scene.ask(post('body'));
    const backend = scene.backend(0);
    scene.say(backend, frame.rstStreamFrame(1, frame.REFUSED_STREAM));
    assert.deepEqual(idsOf(backend), [1, 3]);
    scene.say(backend, frame.rstStreamFrame(3, frame.REFUSED_STREAM));
    assert.deepEqual([statusOf(client), reasons(scene)], ['502', ['refused']]);
    scene.end();
  });

  test('not a POST whose stream was reset for another reason', () => {
    const scene = new Scene({ endpoints: 2 });
    const client = scene.ask(post('body'));
    const backend = scene.backend(0);
    scene.say(backend, frame.rstStreamFrame(1, frame.INTERNAL_ERROR));
    assert.deepEqual([statusOf(client), reasons(scene)], ['502', ['reset']]);
    scene.end();
  });

  test('not a body that is too long to be kept', () => {
    const scene = new Scene({ limits: { replayBytes: 3 } });
    const client = scene.ask('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nbody');
    const backend = scene.backend(0);
    scene.say(client, 'more');
    scene.say(backend, frame.rstStreamFrame(1, frame.REFUSED_STREAM));
    assert.equal(statusOf(client), '502');
    scene.end();
  });
});

describe('a backend that breaks the protocol', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['pushes', `${frame.frameHead(4, frame.PUSH_PROMISE, 4, 1)}\0\0\0\x02`, 'bad-response'],
    ['sends a block that does not decode', `${frame.frameHead(1, frame.HEADERS, 4, 1)}\xff`, 'bad-response'],
    ['answers on a stream that nobody opened', ok(3), 'bad-response'],
    ['sends a frame that is too large', frame.frameHead(20_000, frame.DATA, 0, 1), 'bad-response'],
    ['opens a window by nothing', frame.windowUpdateFrame(0, 0), 'bad-response'],
    ['opens a window too far', frame.windowUpdateFrame(0, frame.MAX_WINDOW), 'bad-response'],
    ['sends content before a head', `${frame.frameHead(1, frame.DATA, 0, 1)}x`, 'bad-response'],
    ['has no status', headers(1, [['a', 'b']], frame.END_STREAM), 'bad-response'],
    [
      'has two',
      headers(
        1,
        [
          [':status', '200'],
          [':status', '200'],
        ],
        frame.END_STREAM,
      ),
      'bad-response',
    ],
    ['says 101', headers(1, [[':status', '101']]), 'bad-response'],
    ['ends with a 1xx', headers(1, [[':status', '103']], frame.END_STREAM), 'bad-response'],
    [
      'names a connection',
      headers(1, [
        [':status', '200'],
        ['connection', 'close'],
      ]),
      'bad-response',
    ],
    [
      'frames in chunks',
      headers(1, [
        [':status', '200'],
        ['transfer-encoding', 'chunked'],
      ]),
      'bad-response',
    ],
    [
      'breaks a line',
      headers(1, [
        [':status', '200'],
        ['a', 'b\r\nc: d'],
      ]),
      'bad-response',
    ],
    [
      'shouts',
      headers(1, [
        [':status', '200'],
        ['Name', 'x'],
      ]),
      'bad-response',
    ],
    [
      'contradicts itself',
      headers(1, [
        [':status', '200'],
        ['content-length', '1'],
        ['content-length', '2'],
      ]),
      'bad-response',
    ],
    [
      'is shorter than it says',
      headers(
        1,
        [
          [':status', '200'],
          ['content-length', '5'],
        ],
        frame.END_STREAM,
      ),
      'bad-response',
    ],
    [
      'has a head of 70 kB',
      headers(1, [
        [':status', '200'],
        ['a', 'b'.repeat(70_000)],
      ]),
      'bad-response',
    ],
    ['floods PINGs', frame.pingFrame(0, '12345678').repeat(100), 'bad-response'],
    ['floods SETTINGS', frame.settingsFrame([]).repeat(50), 'bad-response'],
    [
      'never ends its block',
      frame.frameHead(0, frame.HEADERS, 0, 1) + frame.frameHead(0, frame.CONTINUATION, 0, 1).repeat(30),
      'bad-response',
    ],
  ];
  for (const [what, bytes, reason] of cases) {
    test(`${what}: 502`, () => {
      const scene = new Scene();
      const client = scene.ask();
      scene.say(scene.backend(0), bytes);
      assert.deepEqual([statusOf(client), reasons(scene)], ['502', [reason]]);
      scene.end();
    });
  }

  test('sends more than it said: the answer is cut', () => {
    const scene = new Scene();
    const client = scene.ask();
    const backend = scene.backend(0);
    scene.say(
      backend,
      `${headers(1, [
        [':status', '200'],
        ['content-length', '1'],
      ])}${frame.frameHead(2, frame.DATA, 1, 1)}xy`,
    );
    assert.deepEqual(reasons(scene), ['truncated']);
    assert.ok(client.ended && !client.text().endsWith('\r\n\r\nx'));
    scene.end();
  });

  test('sends all that it said and then, as node does, NO_ERROR in place of END_STREAM: the answer is whole', () => {
    const head = headers(1, [
      [':status', '200'],
      ['content-length', '2'],
    ]);
    const scene = new Scene();
    const client = scene.ask();
    const backend = scene.backend(0);
    scene.say(
      backend,
      `${head}${frame.frameHead(2, frame.DATA, 0, 1)}xy${frame.rstStreamFrame(1, frame.NO_ERROR)}`,
    );
    assert.deepEqual([statusOf(client), reasons(scene), client.ended], ['200', [], false]);
    assert.ok(client.text().endsWith('\r\n\r\nxy'));
    assert.ok(framesOf(backend).every(({ type }) => type !== frame.RST_STREAM));
    scene.end();
  });

  test('says NO_ERROR before all is here, or when nobody knows how much that is: the answer is cut', () => {
    for (const length of ['3', null]) {
      const fields: [string, string][] = [[':status', '200']];
      if (length !== null) fields.push(['content-length', length]);
      const scene = new Scene();
      const client = scene.ask();
      const body = `${frame.frameHead(2, frame.DATA, 0, 1)}xy${frame.rstStreamFrame(1, frame.NO_ERROR)}`;
      scene.say(scene.backend(0), headers(1, fields) + body);
      assert.deepEqual([reasons(scene), client.ended], [['truncated'], true]);
      scene.end();
    }
  });

  test('sends more than its windows: the answer is cut', () => {
    const scene = new Scene({ limits: { upstreamStreamWindow: 65_535 } });
    const client = scene.ask();
    client.window = 0;
    const backend = scene.backend(0);
    const part = frame.frameHead(16_384, frame.DATA, 0, 1) + 'x'.repeat(16_384);
    scene.say(backend, headers(1, [[':status', '200']]));
    for (let i = 0; i < 10; i++) scene.say(backend, part);
    assert.deepEqual(reasons(scene), ['truncated']);
    scene.end();
  });

  test('speaks HTTP/1: nothing was sent, the reason is told', () => {
    const scene = new Scene();
    const client = scene.ask(post('body'));
    scene.say(scene.world.backends[0]!, 'HTTP/1.1 400 Bad Request\r\n\r\n');
    assert.deepEqual([statusOf(client), reasons(scene)], ['502', ['not-http2']]);
    scene.end();
  });
});

describe('time', () => {
  test('a backend that is silent for too long is asked, and given up without an answer', () => {
    const scene = new Scene({ timeouts: { upstreamPing: 10_000 } });
    const client = scene.ask(post('body'));
    const backend = scene.backend(0);
    scene.world.pass(11_000);
    scene.settle();
    const [ping] = framesOf(backend).filter(({ type }) => type === frame.PING);
    assert.ok(ping, 'a PING');
    scene.world.pass(11_000);
    scene.settle();
    assert.deepEqual([statusOf(client), reasons(scene)], ['502', ['closed']]);
    assert.equal(scene.world.dataplane.stats.counters['limit_hits_total:upstream_ping_timeout'], 1);
    scene.end();
  });

  test('one that answers the PING is asked so seldom that gRPC servers do not mind', () => {
    const scene = new Scene({
      timeouts: { upstreamPing: 10_000 },
      policy: { responseTimeoutMs: 3_000_000 },
    });
    const client = scene.ask();
    const backend = scene.backend(0);
    let answered = 0;
    for (let minute = 0; minute < 20; minute++) {
      scene.world.pass(60_000 / 12);
      for (let i = 0; i < 11; i++) {
        const pings = framesOf(backend).filter(({ type }) => type === frame.PING);
        for (; answered < pings.length; answered++) {
          scene.say(backend, frame.pingFrame(frame.ACK, pings[answered]!.payload));
        }
        scene.world.pass(60_000 / 12);
      }
    }
    // At 10 s, a minute later, then every five minutes: within twenty minutes no more than six.
    assert.ok(answered >= 3 && answered <= 6, `${answered} PINGs`);
    scene.say(backend, ok(1));
    assert.equal(statusOf(client), '200');
    scene.end();
  });

  test('a stream that is not answered costs itself only', () => {
    const scene = new Scene({ policy: { responseTimeoutMs: 5000, retries: 0 } });
    const late = scene.ask();
    const backend = scene.backend(0);
    scene.world.pass(3000);
    const early = scene.ask();
    scene.world.pass(3000);
    scene.settle();
    assert.equal(statusOf(late), '504');
    assert.ok(framesOf(backend).some(({ type, id }) => type === frame.RST_STREAM && id === 1));
    scene.say(backend, ok(3));
    assert.equal(statusOf(early), '200');
    assert.equal(scene.world.backends.length, 1);
    scene.end();
  });

  test('an idle connection says goodbye and closes', () => {
    const scene = new Scene({ timeouts: { upstreamIdle: 30_000 } });
    scene.ask();
    const backend = scene.backend(0);
    scene.say(backend, ok(1));
    scene.world.pass(31_000);
    scene.settle();
    assert.equal(framesOf(backend).at(-1)?.type, frame.GOAWAY);
    assert.equal(backend.ended, true);
    scene.end();
  });
});

describe('upgrades', () => {
  const websocket =
    'GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

  test('a backend that does not offer extended CONNECT is not asked: 502 with the reason', () => {
    const scene = new Scene();
    const client = scene.ask(websocket);
    const backend = scene.backend(0);
    assert.deepEqual([statusOf(client), reasons(scene)], ['502', ['upgrade-unsupported']]);
    assert.deepEqual(idsOf(backend), []);
    scene.end();
  });

  test('one that refuses the tunnel: its answer is passed on', () => {
    const scene = new Scene();
    const client = scene.ask(websocket);
    const backend = scene.backend(0, [[frame.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]]);
    scene.say(backend, headers(1, [[':status', '403']], frame.END_STREAM));
    assert.equal(statusOf(client), '403');
    scene.end();
  });

  test('one that takes it: bytes both ways, ends both ways', () => {
    const scene = new Scene();
    const client = scene.ask(websocket);
    const backend = scene.backend(0, [[frame.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]]);
    scene.say(backend, headers(1, [[':status', '200']]));
    assert.match(client.text(), /^HTTP\/1\.1 101 .*sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/s);
    scene.say(client, 'up');
    assert.ok(framesOf(backend).some(({ type, payload }) => type === frame.DATA && payload === 'up'));
    scene.say(backend, `${frame.frameHead(4, frame.DATA, frame.END_STREAM, 1)}down`);
    assert.ok(client.text().endsWith('\r\n\r\ndown'));
    client.end();
    scene.settle();
    assert.deepEqual([scene.world.dataplane.tunnels, backend.dead], [0, false]);
    scene.end();
  });
});
