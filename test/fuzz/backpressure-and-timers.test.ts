/** Slow, stuck and greedy peers: memory stays bounded, whoever makes progress is served, whoever does not is let go. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './world.ts';

const get = (target = '/') => `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
const upload = (method: string, length: number) =>
  `${method} / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;
const ok = (length: number, fields = '') => `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${length}\r\n\r\n`;

/** Streams block at 1000 bytes here. */
const MARK = 1000;
const PIECE = 30_000;
/** A few pieces may be on their way when a pause takes effect, not the twenty that the tests send. */
const BOUND = MARK + 3 * PIECE;
const LONG_MS = 200_000;

test('a slow reader gets the whole of a response after which the connection closes', () => {
  for (const version of ['HTTP/1.0', 'HTTP/1.1\r\nConnection: close']) {
    const world = new World({ highWaterMark: MARK });
    const client = world.client();
    client.window = 0;
    client.send(`GET / ${version}\r\nHost: h\r\n\r\n`);
    world.transport.settle();
    world.backends[0]!.send(ok(5000) + 'x'.repeat(5000));
    world.transport.settle();
    for (let seconds = 0; seconds < 60; seconds++) {
      client.open(200);
      world.transport.settle();
      world.pass(1000);
    }
    assert.ok(client.text().endsWith(`\r\n\r\n${'x'.repeat(5000)}`), `${client.text().length} bytes arrived`);
    assert.equal(client.ended, true);
  }
});

test('a reader that takes a little now and then is never cut, however long it takes', () => {
  for (const version of ['HTTP/1.0', 'HTTP/1.1']) {
    const world = new World({ highWaterMark: MARK });
    const client = world.client();
    client.window = 0;
    client.send(`GET / ${version}\r\nHost: h\r\n\r\n`);
    world.transport.settle();
    world.backends[0]!.send(ok(5000) + 'x'.repeat(5000));
    for (let taken = 0; taken < 6000; taken += 50) {
      world.transport.settle();
      world.pass(20_000);
      client.open(50);
    }
    world.transport.settle();
    assert.ok(client.text().endsWith(`\r\n\r\n${'x'.repeat(5000)}`), `${client.text().length} bytes arrived`);
  }
});

test('a backend that takes a little of a body now and then is never cut, however long it takes', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  world.onBackend = (backend) => {
    backend.window = 0;
  };
  const client = world.client();
  client.send(upload('POST', 9000) + 'x'.repeat(9000));
  world.transport.settle();
  const backend = world.backends[0]!;
  for (let taken = 0; !backend.text().endsWith(`\r\n\r\n${'x'.repeat(9000)}`); taken += 100) {
    assert.ok(taken < 10_000, `${backend.receivedBytes} bytes arrived`);
    world.pass(20_000);
    backend.open(100);
    world.transport.settle();
  }
  backend.send(ok(0));
  world.transport.settle();
  assert.match(client.text(), /^HTTP\/1\.1 200 /);
});

test('connections that the backend closed while they idled are not held against it', () => {
  const world = new World({ endpoints: 1 });
  const clients = Array.from({ length: 6 }, () => world.client());
  for (const client of clients) client.send(get());
  world.transport.settle();
  const stale = [...world.backends];
  for (const backend of stale) backend.send(ok(0));
  world.transport.settle();
  const before = new Map(stale.map((backend) => [backend, backend.receivedBytes]));
  clients[0]!.send(get());
  for (let tries = 0; world.backends.length === stale.length; tries++) {
    assert.ok(tries <= stale.length, 'a new connection in the end');
    world.transport.settle();
    stale.find((one) => !one.dead && one.receivedBytes > before.get(one)!)?.reset();
  }
  world.transport.settle();
  world.backends.at(-1)!.send(ok(0, 'X-New: 1\r\n'));
  world.transport.settle();
  assert.match(clients[0]!.text(), /X-New: 1/);
  assert.equal(world.endpoints[0]!.ejected, false);
});

test('a response that begins while an earlier one is still unsent does not pile up', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  const client = world.client();
  client.window = 0;
  client.send(get());
  world.transport.settle();
  const backend = world.backends[0]!;
  backend.send(ok(3000) + 'x'.repeat(3000));
  world.transport.settle();
  client.send(get());
  world.transport.settle();
  backend.send(ok(20 * PIECE));
  for (let i = 0; i < 20; i++) {
    backend.send('y'.repeat(PIECE));
    world.transport.settle();
    world.assertSane(BOUND);
  }
});

test('a body kept for a retry does not undo the pause that sending it causes', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  world.onBackend = (backend) => {
    backend.window = 0;
    backend.accepting = false;
  };
  const client = world.client();
  client.send(upload('PUT', 21 * PIECE) + 'x'.repeat(PIECE));
  world.transport.settle();
  world.backends[0]!.accepting = true;
  world.transport.settle();
  for (let i = 0; i < 20; i++) {
    client.send('y'.repeat(PIECE));
    world.transport.settle();
    world.assertSane(BOUND);
  }
});

test('early bytes of a tunnel do not undo the pause that sending them causes', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  const client = world.client();
  client.send(`GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n${'z'.repeat(PIECE)}`);
  world.transport.settle();
  const backend = world.backends[0]!;
  backend.window = 0;
  backend.send('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  for (let i = 0; i < 20; i++) {
    client.send('y'.repeat(PIECE));
    world.transport.settle();
    world.assertSane(BOUND);
  }
});

test('a tunnel in which only one side speaks is not idle', () => {
  for (const speaker of ['client', 'backend'] as const) {
    const world = new World({ endpoints: 1, timeouts: { tunnelIdle: 60_000 } });
    const client = world.client();
    client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    world.transport.settle();
    const backend = world.backends[0]!;
    backend.send('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    for (let i = 0; i < 10; i++) {
      world.transport.settle();
      world.pass(40_000);
      (speaker === 'client' ? client : backend).send('z');
    }
    world.transport.settle();
    const listener = speaker === 'client' ? backend : client;
    assert.ok(listener.text().endsWith(`\r\n\r\n${'z'.repeat(10)}`), `${speaker} speaks`);
    world.settle(LONG_MS);
    world.assertNothingLeft();
  }
});

test('a backend connection with unsent request bytes serves no other request', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  world.onBackend = (backend) => {
    backend.window = 300;
  };
  const client = world.client();
  client.send(upload('POST', 900) + 'x'.repeat(900));
  world.transport.settle();
  world.backends[0]!.send(ok(0));
  world.transport.settle();
  assert.match(client.text(), /^HTTP\/1\.1 200 /);
  client.send(get());
  world.transport.settle();
  assert.equal(world.backends.length, 2);
});

test('a request whose backend said something and then no more is not sent again', () => {
  for (const said of ['', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n']) {
    const world = new World({ endpoints: 2 });
    const client = world.client();
    client.send(get());
    world.transport.settle();
    world.backends[0]!.send(said);
    world.settle(LONG_MS);
    assert.equal(world.backends.length, said === '' ? 2 : 1);
    assert.match(client.text(), /HTTP\/1\.1 504 /);
  }
});

test('a client that pipelines does not keep a connection from requests that wait for one', () => {
  const world = new World({ endpoints: 1, limits: { endpointConnections: 1 } });
  const [greedy, waiting] = [world.client(), world.client()];
  greedy.send(get('/1') + get('/2') + get('/3'));
  world.transport.settle();
  waiting.send(get('/other'));
  world.transport.settle();
  for (let i = 0; i < 4; i++) {
    world.backends[0]!.send(ok(0));
    world.transport.settle();
  }
  assert.deepEqual(world.backends[0]!.text().match(/(?<=^GET )\S+/gm), ['/1', '/other', '/2', '/3']);
  assert.equal(world.backends.length, 1);
});

test('bytes behind a response, or on an idle connection, are never the next answer', () => {
  const poison = `${ok(6, 'X-Poison: 1\r\n')}poison`;
  for (const together of [true, false]) {
    const world = new World({ endpoints: 1 });
    const client = world.client();
    client.send(get());
    world.transport.settle();
    const backend = world.backends[0]!;
    backend.send(`${ok(2)}ok${together ? poison : ''}`);
    world.transport.settle();
    if (!together) backend.send(poison);
    world.transport.settle();
    client.send(get('/next'));
    world.transport.settle();
    assert.equal(world.backends.length, 2, 'a new connection');
    world.backends[1]!.send(`${ok(2)}hi`);
    world.transport.settle();
    assert.ok(client.text().endsWith('hi'));
    assert.doesNotMatch(client.text(), /poison/i);
  }
});

test('a client that takes nothing is let go, at whatever moment it stops', () => {
  const cases: readonly [name: string, play: (world: World) => void][] = [
    [
      'a response that was cut',
      (world) => {
        world.backends[0]!.send(`${ok(900)}${'x'.repeat(600)}`);
        world.transport.settle();
        world.backends[0]!.reset();
      },
    ],
    ['a large response', (world) => world.backends[0]!.send(ok(90_000) + 'x'.repeat(90_000))],
    ['a small response, then silence', (world) => world.backends[0]!.send(`${ok(2)}ok`)],
    ['an answer of our own', (world) => world.backends[0]!.reset()],
  ];
  for (const [name, play] of cases) {
    const world = new World({ highWaterMark: MARK });
    const client = world.client();
    client.window = 0;
    client.send(`${get()}GET`);
    world.transport.settle();
    play(world);
    world.settle(LONG_MS);
    assert.doesNotThrow(() => world.assertNothingLeft(), name);
  }
});

test('two peers that only send are let go', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  const client = world.client();
  client.window = 0;
  client.send(upload('POST', 20 * PIECE));
  world.transport.settle();
  const backend = world.backends[0]!;
  backend.window = 0;
  backend.send(ok(20 * PIECE) + 'z'.repeat(PIECE));
  client.send('x'.repeat(PIECE));
  world.settle(LONG_MS);
  world.assertNothingLeft();
});

test('a client that reads nothing is let go also when its body ends after the response has begun', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  const client = world.client();
  client.window = 0;
  client.send(upload('POST', 1000));
  world.transport.settle();
  world.backends[0]!.send(ok(90_000) + 'z'.repeat(5000));
  world.transport.settle();
  client.send('x'.repeat(1000));
  world.settle(LONG_MS);
  world.assertNothingLeft();
});

test('a connection attempt is timed also when the client stops reading meanwhile', () => {
  const world = new World({ highWaterMark: MARK });
  const client = world.client();
  client.window = 0;
  client.send(get() + get());
  world.transport.settle();
  world.onBackend = (backend) => {
    backend.accepting = false;
  };
  world.backends[0]!.send(ok(3000, 'Connection: close\r\n') + 'x'.repeat(3000));
  world.transport.settle();
  client.open(1e9);
  world.settle(LONG_MS);
  assert.match(client.text(), /HTTP\/1\.1 504 /);
});

test('a backend that stalls in the middle of an early response is timed', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  const client = world.client();
  client.send(upload('POST', 20_000));
  world.transport.settle();
  const backend = world.backends[0]!;
  backend.window = 0;
  backend.send(`${ok(10)}abc`);
  client.send('x'.repeat(10_000));
  world.transport.settle();
  backend.open(1e9);
  world.transport.settle();
  client.send('x'.repeat(10_000));
  world.settle(LONG_MS);
  world.assertNothingLeft();
});

test('a client is not blamed for a body that we do not read', () => {
  const slow = { sendTimeoutMs: 300_000, responseTimeoutMs: 300_000 };
  const world = new World({ highWaterMark: MARK, endpoints: 1, policy: slow });
  const client = world.client();
  client.window = 0;
  client.send(upload('POST', 20_000));
  world.transport.settle();
  const backend = world.backends[0]!;
  backend.window = 0;
  client.send('x'.repeat(10_000));
  backend.send(ok(90_000) + 'z'.repeat(5000));
  world.transport.settle();
  client.open(1e9);
  world.transport.settle();
  world.pass(60_000);
  assert.equal(world.dataplane.active, 1);
});

test('a pipelined request is not begun for a client that is reset in the same breath', () => {
  const world = new World({ highWaterMark: MARK, endpoints: 1 });
  const client = world.client();
  client.window = 0;
  client.send(`${get()}POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`);
  world.transport.settle();
  world.backends[0]!.send(ok(5000) + 'x'.repeat(3000));
  world.settle(LONG_MS);
  assert.equal(client.gone, 'reset');
  assert.equal(world.backends.length, 1);
  assert.doesNotMatch(world.backends[0]!.text(), /never/);
});
