/** RFC 9110 section 7.6, RFC 9112 section 9: what belongs to one hop stays there, and when connections persist. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues, statusOf } from '../kit/http-message.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer, answerAndClose, type Behaviour } from '../kit/raw-backend.ts';
import { within } from '../kit/waiting.ts';

const MIB = 1024 * 1024;
const fixture = await startHttp1Fixture({ after });

const get = (target: string, fields = '') => `GET ${target} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`;
/** Answers with the path of the request, so that mixed-up answers show. */
const tellPath: Behaviour = async (connection) => {
  const path = (await connection.request()).startLine.split(' ')[1]!;
  connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
};

describe('fields of one hop', () => {
  const HOP_BY_HOP = [
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Proxy-Authenticate: Basic',
    'Proxy-Authorization: Basic eDp5',
    'TE: gzip;q=0.5',
    'Trailer: X-Sum',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
  ];
  const NAMES = new Set(HOP_BY_HOP.map((line) => line.split(':')[0]!.toLowerCase()));

  test('are removed from requests', async () => {
    const { request } = await fixture.forward(get('/', `${HOP_BY_HOP.join('\r\n')}\r\nX-End: 1\r\n`));
    assert.deepEqual(
      request.fields.filter(([name]) => NAMES.has(name.toLowerCase())),
      [],
    );
    assert.equal(fieldValue(request, 'x-end'), '1');
  });

  test('are removed from responses', async () => {
    const fields = HOP_BY_HOP.filter((line) => !line.startsWith('Proxy-Auth')).join('\r\n');
    const seen = await fixture.get(
      answer(`HTTP/1.1 200 OK\r\n${fields}\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n`),
    );
    assert.deepEqual(
      seen.fields.filter(([name]) => NAMES.has(name.toLowerCase())),
      [],
    );
    assert.equal(fieldValue(seen, 'x-end'), '1');
  });

  const lists: readonly [what: string, fields: string][] = [
    ['in one line', 'X-A: 1\r\nConnection: x-a, X-B\r\nX-B: 2\r\nX-C: 3\r\n'],
    ['in two lines', 'Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\nConnection: X-b\r\nX-C: 3\r\n'],
    ['with empty elements', 'Connection: ,x-a,, ,\tx-b\t,\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n'],
    ['beside keep-alive', 'Connection: keep-alive, x-a, x-b\r\nX-A: 1\r\nX-a: 1\r\nX-B: 2\r\nX-C: 3\r\n'],
  ];
  for (const [what, fields] of lists) {
    test(`are removed from requests when Connection lists them ${what}`, async () => {
      const { request } = await fixture.forward(get('/', fields));
      assert.deepEqual([...fieldValues(request, 'x-a'), ...fieldValues(request, 'x-b')], []);
      assert.equal(fieldValue(request, 'x-c'), '3');
      assert.ok(!fieldValues(request, 'connection').join().toLowerCase().includes('x-'));
    });
    test(`are removed from responses when Connection lists them ${what}`, async () => {
      const seen = await fixture.get(answer(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 0\r\n\r\n`));
      assert.deepEqual([...fieldValues(seen, 'x-a'), ...fieldValues(seen, 'x-b')], []);
      assert.equal(fieldValue(seen, 'x-c'), '3');
    });
  }

  test('do not take what frames a response with them', async () => {
    const list = 'Content-Length, Content-Type, Set-Cookie';
    const head = `HTTP/1.1 200 OK\r\nConnection: ${list}\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nok`;
    const seen = await fixture.get(answer(head));
    assert.equal(seen.body.toString(), 'ok');
    assert.equal(fieldValue(seen, 'content-type'), 'a/b');
  });
});

describe('a client connection', () => {
  test('serves many requests, also when the backend closes after each', async () => {
    fixture.backend.behaviour = answerAndClose(
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    );
    const client = await fixture.connect();
    for (let round = 0; round < 5; round++) {
      client.send(get('/'));
      const seen = await client.response();
      assert.equal(seen.body.toString(), 'ok');
      assert.ok(!fieldValues(seen, 'connection').includes('close'));
    }
  });

  for (const value of ['close', 'CLOSE', 'keep-alive, close', 'close, x-a']) {
    test(`ends after the answer to Connection: ${value}, and nothing after it is served`, async () => {
      const mark = fixture.backend.mark();
      fixture.backend.behaviour = tellPath;
      const client = await fixture.connect();
      client.send(get('/last', `Connection: ${value}\r\n`) + get('/smuggled'));
      const seen = await client.response();
      assert.equal(seen.body.toString(), '/last');
      assert.equal(fieldValue(seen, 'connection'), 'close');
      assert.equal(await client.ended(), 'fin');
      assert.equal(client.inbox.rest.length, 0);
      for (const { bytes } of fixture.backend.since(mark)) assert.doesNotMatch(bytes.toString(), /smuggled/);
    });
  }

  test('that is half-closed after the request still gets its answer', async () => {
    const received = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    fixture.backend.behaviour = async (connection) => {
      await connection.request();
      received.resolve();
      await goOn.promise;
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    const client = await fixture.connect();
    client.send(get('/'));
    client.halfClose();
    await received.promise;
    goOn.resolve();
    assert.equal((await client.response()).body.toString(), 'ok');
    assert.equal(await client.ended(), 'fin');
  });

  test('that is half-closed in a body ends the upstream request', async () => {
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello');
    client.halfClose();
    await client.ended();
    for (const { connection, bytes } of fixture.backend.since(mark)) {
      assert.ok(bytes.length > 0);
      await connection.ended();
    }
  });

  for (const [what, bytes] of [
    ['', get('/')],
    [' with another request behind it', get('/') + get('/next')],
    [
      ' with early bytes of a tunnel behind it',
      `${get('/', 'Connection: upgrade\r\nUpgrade: foo\r\n')}early`,
    ],
  ] as const)
    test(`that is reset ends the upstream request${what}`, async () => {
      const received = Promise.withResolvers<void>();
      const ended = Promise.withResolvers<void>();
      fixture.backend.behaviour = async (connection) => {
        await connection.request();
        received.resolve();
        await connection.ended();
        ended.resolve();
      };
      const client = await fixture.connect();
      client.send(bytes);
      await received.promise;
      client.reset();
      await within(ended.promise, 'the end of the upstream request');
    });

  test('that was refused is read on for a moment, so that the answer is not lost to a reset', async () => {
    const client = await fixture.connect();
    client.send(`GET / HTTP/1.1\r\nBad Line\r\n\r\n${'x'.repeat(48 * 1024)}`);
    assert.equal(statusOf(await client.response()), 400);
    client.send('y'.repeat(1024));
    assert.equal(await client.ended(), 'fin');
  });
  test('that was refused and sends on without reading still gets the answer', async () => {
    const client = await fixture.connect();
    client.socket.pause();
    client.send(`GET / HTTP/1.1\r\nBad Line\r\n\r\n${'x'.repeat(16 * 1024 * 1024)}`);
    await fixture.get(OK);
    client.socket.resume();
    assert.equal(statusOf(await client.response()), 400);
    assert.equal(await client.ended(), 'fin');
  });
  test('that ends with an empty line behind its last request is closed without a word', async () => {
    fixture.backend.behaviour = OK;
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await client.response();
    client.send('\r\n');
    client.halfClose();
    assert.equal(await client.ended(), 'fin');
    assert.equal(client.inbox.rest.toString(), '');
  });
});

describe('HTTP/1.0 clients', () => {
  const get10 = (fields: string) => `GET / HTTP/1.0\r\nHost: h\r\n${fields}\r\n`;
  test('are closed after the answer', async () => {
    fixture.backend.behaviour = OK;
    const client = await fixture.connect();
    client.send(get10(''));
    assert.equal((await client.response()).body.toString(), 'ok');
    assert.equal(await client.ended(), 'fin');
  });

  test('keep the connection when they ask for it', async () => {
    fixture.backend.behaviour = OK;
    const client = await fixture.connect();
    for (let round = 0; round < 3; round++) {
      client.send(get10('Connection: Keep-Alive\r\n'));
      const seen = await client.response();
      assert.equal(seen.body.toString(), 'ok');
      assert.equal(fieldValue(seen, 'connection')?.toLowerCase(), 'keep-alive');
    }
  });

  test('are closed when only the close can end the body', async () => {
    fixture.backend.behaviour = answer(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    );
    const client = await fixture.connect();
    client.send(get10('Connection: keep-alive\r\n'));
    const seen = await client.response();
    assert.equal(seen.framing, 'until-close');
    assert.equal(seen.body.toString(), 'ok');
  });
});

describe('pipelined requests', () => {
  test('are answered in their order', async () => {
    fixture.backend.behaviour = tellPath;
    const targets = Array.from({ length: 20 }, (_, index) => `/${index}`);
    const client = await fixture.connect();
    client.send(targets.map((target) => get(target)).join(''));
    for (const target of targets) assert.equal((await client.response()).body.toString(), target);
  });

  test('are answered in their order with bodies between them, byte by byte', async () => {
    fixture.backend.behaviour = tellPath;
    const post = 'POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /';
    const put = 'PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    const client = await fixture.connect();
    await client.dribble(get('/1') + post + put + get('/4'));
    for (const target of ['/1', '/2', '/3', '/4'])
      assert.equal((await client.response()).body.toString(), target);
  });

  test('are all answered when the client closes its side after the last', async () => {
    fixture.backend.behaviour = tellPath;
    const client = await fixture.connect();
    client.send(get('/1') + get('/2') + get('/3'));
    client.halfClose();
    for (const target of ['/1', '/2', '/3']) assert.equal((await client.response()).body.toString(), target);
    assert.equal(await client.ended(), 'fin');
  });

  test('of many clients at once are never mixed up', async () => {
    // Answers of very different sizes and framings, cut at odd places.
    fixture.backend.behaviour = async (connection) => {
      const path = (await connection.request()).startLine.split(' ')[1]!;
      const body = path.repeat((path.length * 7919) % 3000);
      const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const bytes = path.endsWith('odd')
        ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body === '' ? '0\r\n\r\n' : chunked}`
        : `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const cut = (path.length * 31) % bytes.length;
      connection.send(bytes.slice(0, cut));
      await new Promise(setImmediate);
      connection.send(bytes.slice(cut));
    };
    const talk = async (name: number) => {
      const client = await fixture.connect();
      const targets = Array.from(
        { length: 25 },
        (_, i) => `/${name}-${'x'.repeat((name + i * i) % 40)}-${i % 2 ? 'odd' : 'even'}`,
      );
      client.send(targets.map((target) => get(target)).join(''));
      for (const target of targets) {
        const body = (await client.response()).body.toString();
        assert.equal(body, target.repeat((target.length * 7919) % 3000));
      }
      client.close();
    };
    await Promise.all(Array.from({ length: 40 }, (_, name) => talk(name)));
  });

  test('with a bad one among them: it is refused after the answers before it', async () => {
    const mark = fixture.backend.mark();
    fixture.backend.behaviour = tellPath;
    const client = await fixture.connect();
    client.send(`${get('/1')}GET /2 HTTP/1.1\r\nBad Line\r\n\r\n${get('/smuggled')}`);
    assert.equal((await client.response()).body.toString(), '/1');
    assert.equal(statusOf(await client.response()), 400);
    assert.equal(await client.ended(), 'fin');
    assert.equal(client.inbox.rest.length, 0);
    for (const { bytes } of fixture.backend.since(mark)) assert.doesNotMatch(bytes.toString(), /smuggled/);
  });

  test('do not pile up: a client that only sends is read no further', async (t) => {
    const fixture = await startHttp1Fixture(t);
    const hold = Promise.withResolvers<void>();
    const mark = fixture.backend.mark();
    fixture.backend.behaviour = async (connection) => {
      await hold.promise;
      await tellPath(connection);
    };
    const client = await fixture.connect();
    const flood = Buffer.from(get('/flood').repeat(4096), 'latin1');
    let written = 0;
    const write = () => {
      while (written < 64 * MIB && client.socket.write(flood)) written += flood.length;
    };
    client.socket.on('drain', write);
    write();
    // Fifty round trips in which nothing more was taken, after what the kernel's buffers hold.
    for (let quiet = 0, before = 0; quiet < 50; quiet = written === before ? quiet + 1 : 0) {
      before = written;
      await fixture.proxy.get('/healthz');
    }
    assert.ok(written < 32 * MIB, `${written / MIB} MiB were taken`);
    assert.ok(fixture.backend.since(mark).length <= 2, 'at most one request ahead reached the backend');
    client.reset();
    hold.resolve();
  });
});

describe('methods for the proxy itself', () => {
  test('OPTIONS with Max-Forwards: 0 is answered here', async () => {
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send('OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n');
    assert.ok(statusOf(await client.response()) < 300);
    assert.deepEqual(fixture.backend.since(mark), []);
  });
  test('OPTIONS with Max-Forwards goes on with one less', async () => {
    const { request } = await fixture.forward('OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 5\r\n\r\n');
    assert.equal(fieldValue(request, 'max-forwards'), '4');
  });
  test('other methods keep their Max-Forwards', async () => {
    const { request } = await fixture.forward(get('/', 'Max-Forwards: 0\r\n'));
    assert.equal(fieldValue(request, 'max-forwards'), '0');
  });
});
