/** HTTP/2 requests as the backend sees them over HTTP/1.1, and its responses as the client sees them. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { frameHead, PREFACE, settingsFrame } from '../../src/dataplane/http2/frames.ts';
import {
  connectH2,
  encodeBlock,
  type Fields,
  GET,
  H2Client,
  type H2Response,
  POST,
} from '../kit/h2-client.ts';
import { fieldValue, type HttpMessage } from '../kit/http-message.ts';
import { type Http1Fixture, OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer, answerAndClose, type BackendConnection, type Behaviour } from '../kit/raw-backend.ts';

const ON = ['--http2-cleartext', 'on'];
const fixture: Http1Fixture = await startHttp1Fixture({ after }, { args: [...ON, '--access-log', 'json'] });
const { proxy, backend } = fixture;

interface Asked {
  readonly response: H2Response;
  /** As they reached the backend. */
  readonly requests: readonly HttpMessage[];
}

/** Sends one request, with a body and trailers if there are any. */
async function ask(
  fields: Fields,
  behaviour: Behaviour = OK,
  body: string | null = null,
  trailers: Fields | null = null,
): Promise<Asked> {
  const before = backend.requests.length;
  backend.behaviour = behaviour;
  const client = await connectH2({ after: (f) => void f }, proxy.http);
  client.request(1, fields, body === null);
  if (body !== null) client.data(1, body, trailers === null);
  if (trailers !== null) client.send(1, 5, 1, encodeBlock(trailers));
  const response = await client.response(1);
  client.close();
  return { response, requests: backend.requests.slice(before) };
}

const fieldNames = ({ fields }: HttpMessage) => fields.map(([name]) => name.toLowerCase());

describe('towards the backend', () => {
  test('a request is written anew as HTTP/1.1, with Via 2.0', async () => {
    const { requests, response } = await ask([...GET, ['accept', 'a/b'], ['te', 'trailers']]);
    const request = requests[0]!;
    assert.equal(request.startLine, 'GET / HTTP/1.1');
    assert.equal(fieldValue(request, 'host'), 'h');
    assert.equal(fieldValue(request, 'accept'), 'a/b');
    assert.equal(fieldValue(request, 'te'), 'trailers');
    assert.equal(fieldValue(request, 'via'), '2.0 tidegate');
    assert.equal(fieldValue(request, 'x-forwarded-proto'), 'http');
    assert.equal(fieldNames(request).filter((name) => name.startsWith(':')).length, 0);
    assert.deepEqual([response.status, response.body.toString()], [200, 'ok']);
  });
  test('cookie crumbs arrive as one field', async () => {
    const { requests } = await ask([...GET, ['cookie', 'a=1'], ['cookie', 'b=2']]);
    assert.deepEqual(
      requests[0]!.fields.filter(([name]) => name === 'cookie').map(([, value]) => value),
      ['a=1; b=2'],
    );
  });
  test('names with an underscore are dropped', async () => {
    const { requests } = await ask([...GET, ['x_forwarded_for', '6.6.6.6']]);
    assert.equal(fieldNames(requests[0]!).includes('x_forwarded_for'), false);
  });
  test('a body without a length goes in chunks, with its trailers', async () => {
    const { requests } = await ask(POST, OK, 'hello', [
      ['x-sum', '5'],
      ['content-length', '9'],
    ]);
    assert.equal(requests[0]!.framing, 'chunked');
    assert.equal(requests[0]!.body.toString(), 'hello');
    assert.deepEqual(requests[0]!.trailers, [['x-sum', '5']]);
  });
  test('a body with a length keeps it', async () => {
    const { requests } = await ask([...POST, ['content-length', '5']], OK, 'hello');
    assert.equal(fieldValue(requests[0]!, 'content-length'), '5');
    assert.equal(requests[0]!.body.toString(), 'hello');
  });
  test('padding is no part of the body', async (t) => {
    backend.behaviour = OK;
    const client = await connectH2(t, proxy.http);
    client.request(1, POST, false);
    client.send(0, 9, 1, '\x03hello\0\0\0');
    assert.equal((await client.response(1)).status, 200);
    assert.equal(backend.requests.at(-1)!.body.toString(), 'hello');
  });
  test('a path is normalised before it is matched and forwarded', async () => {
    const { requests } = await ask([...GET.slice(0, 3), [':path', '/a/../b?q=../x']]);
    assert.equal(requests[0]!.startLine, 'GET /b?q=../x HTTP/1.1');
  });
  test('the access log says HTTP/2.0', async () => {
    await ask([...GET.slice(0, 3), [':path', '/logged']]);
    const line = await proxy.logged('the request', ({ path }) => path === '/logged');
    assert.equal(line['protocol'], 'HTTP/2.0');
    assert.equal(line['status'], 200);
  });
});

describe('towards the client', () => {
  test('hop-by-hop fields end here, names are in lower case, nothing else changes', async () => {
    const { response } = await ask(
      GET,
      answer(
        'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n' +
          'Set-Cookie: a=1\r\nX-Mixed: V a L\r\nDate: Mon, 21 Oct 2013 20:13:21 GMT\r\n\r\nok',
      ),
    );
    assert.deepEqual(Object.fromEntries(response.fields), {
      ':status': '200',
      'set-cookie': 'a=1',
      'x-mixed': 'V a L',
      date: 'Mon, 21 Oct 2013 20:13:21 GMT',
      server: 'tidegate',
      'content-length': '2',
    });
  });
  test('a response in chunks ends with END_STREAM, or with its trailers', async () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n';
    const plain = (await ask(GET, answer(`${chunked}\r\n`))).response;
    assert.deepEqual([plain.body.toString(), plain.ended, plain.trailers], ['hello', true, []]);
    assert.equal(plain.fields.has('transfer-encoding'), false);
    const trailed = (await ask(GET, answer(`${chunked}Grpc-Status: 0\r\n\r\n`))).response;
    assert.deepEqual([trailed.body.toString(), trailed.trailers], ['hello', [['grpc-status', '0']]]);
  });
  test('a response until close ends with END_STREAM', async () => {
    const { response } = await ask(GET, answerAndClose('HTTP/1.1 200 OK\r\n\r\nuntil close'));
    assert.deepEqual([response.body.toString(), response.ended], ['until close', true]);
  });
  test('HEAD, 204 and 304 have no body', async () => {
    const head = await ask(
      [[':method', 'HEAD'], ...GET.slice(1)],
      answer('HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n'),
    );
    assert.deepEqual([head.response.fields.get('content-length'), head.response.body.length], ['77', 0]);
    const none = await ask(GET, answer('HTTP/1.1 204 No Content\r\n\r\n'));
    assert.deepEqual([none.response.status, none.response.fields.has('content-length')], [204, false]);
  });
  test('informational responses come before the final one', async () => {
    const { response } = await ask(
      GET,
      answer(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      ),
    );
    assert.deepEqual([response.informational, response.status], [[103], 200]);
  });
  test('a response that breaks off is reset, never ended', async () => {
    const { response } = await ask(GET, answerAndClose('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'));
    assert.deepEqual([response.status, response.ended, response.reset], [200, false, 2]);
  });
  test('a head of many frames comes whole', async (t) => {
    backend.behaviour = answer(
      `HTTP/1.1 200 OK\r\nX-Large: ${'x'.repeat(40_000)}\r\nContent-Length: 2\r\n\r\nok`,
    );
    const client = await connectH2(t, proxy.http);
    client.request(1);
    const first = await client.until('HEADERS', ({ type }) => type === 1);
    const parts = [first.payload];
    for (let last = first; (last.flags & 4) === 0; parts.push(last.payload)) last = await client.next();
    assert.equal(new Map(client.decode(Buffer.concat(parts))).get('x-large')?.length, 40_000);
  });
  test('our own answers: no route, as HTML or JSON', async () => {
    const nowhere: Fields = GET.map(([n, v]) => [n, n === ':authority' ? 'nowhere' : v] as const);
    const html = (await ask(nowhere)).response;
    assert.deepEqual([html.status, html.fields.get('content-type')], [404, 'text/html; charset=utf-8']);
    assert.equal(html.body.length, Number(html.fields.get('content-length')));
    const json = (await ask([...nowhere, ['accept', 'application/json']])).response;
    assert.equal((JSON.parse(json.body.toString()) as { status: number }).status, 404);
  });
  test('a backend that answers early: the client gets the answer and is told to stop', async (t) => {
    backend.behaviour = async (connection) => {
      await connection.head();
      connection.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    };
    const client = await connectH2(t, proxy.http);
    client.request(1, POST, false);
    client.data(1, 'part');
    const response = await client.response(1);
    assert.deepEqual([response.status, response.body.toString(), response.ended], [403, 'no', true]);
    const reset = await client.until('RST_STREAM', ({ type, id }) => type === 3 && id === 1);
    assert.equal(reset.payload.readUInt32BE(0), 0);
    // What was on its way meanwhile does no harm.
    client.data(1, 'late');
    backend.behaviour = OK;
    client.request(3);
    assert.equal((await client.response(3)).status, 200);
  });
});

describe('refused', () => {
  const LINE = '\r\n';
  const malformed: Readonly<Record<string, Fields>> = {
    'H2.TE': [...POST, ['transfer-encoding', 'chunked']],
    'H2 CRLF value': [...GET, ['a', `x${LINE}Transfer-Encoding: chunked`]],
    'H2 upper-case name': [...GET, ['X-Upper', '1']],
    'H2 pseudo-field with a line end': [[':method', `GET / HTTP/1.1${LINE}X: y`], ...GET.slice(1)],
    'H2 :path with a space': [...GET.slice(0, 3), [':path', '/ HTTP/1.1']],
    'H2 authority and host that differ': [...GET, ['host', 'b']],
    'H2 value with white space around': [...GET, ['a', ' b\t']],
    'H2 connection': [...GET, ['connection', 'close']],
  };
  for (const [name, fields] of Object.entries(malformed)) {
    test(`${name}: PROTOCOL_ERROR on the stream, and nothing reaches the backend`, async () => {
      const { response, requests } = await ask(fields);
      assert.deepEqual([response.status, response.reset, requests.length], [0, 1, 0]);
    });
  }

  test('H2.CL: more DATA than Content-Length is cut off, and the backend never sees a second request', async (t) => {
    const client = await connectH2(t, proxy.http);
    const mark = backend.mark();
    client.request(1, [...POST, ['content-length', '3']], false);
    client.data(1, 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n', true);
    assert.equal((await client.response(1)).reset, 1);
    const seen = backend.since(mark).map(({ bytes }) => bytes.toString('latin1'));
    assert.doesNotMatch(seen.join(''), /smuggled/);
  });
  test('a malformed request is in the access log as a 400', async () => {
    await ask([...GET, ['x-bad', ' padded']]);
    const line = await proxy.logged(
      'the refusal',
      (one) => one['protocol'] === 'HTTP/2.0' && one['status'] === 400,
    );
    assert.equal(line['reason'], 'bad-request');
  });
  test('less DATA than Content-Length is an error too', async (t) => {
    const client = await connectH2(t, proxy.http);
    client.request(1, [...POST, ['content-length', '30']], false);
    client.data(1, 'short', true);
    assert.equal((await client.response(1)).reset, 1);
  });
  for (const [what, fields, status] of [
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'h:443'],
      ],
      405,
    ],
    ['an unknown expectation', [...GET, ['expect', 'fire']], 417],
    ['a head that is too large', [...GET, ['a', 'x'.repeat(16_000)], ['b', 'x'.repeat(20_000)]], 431],
  ] as const satisfies readonly (readonly [string, Fields, number])[]) {
    test(`${what}: ${status}, and the connection lives on`, async (t) => {
      backend.behaviour = OK;
      const client = await connectH2(t, proxy.http);
      const block = encodeBlock(fields);
      client.send(1, block.length > 16_384 ? 1 : 5, 1, block.slice(0, 16_384));
      for (let at = 16_384; at < block.length; at += 16_384) {
        client.send(9, at + 16_384 >= block.length ? 4 : 0, 1, block.slice(at, at + 16_384));
      }
      assert.equal((await client.response(1)).status, status);
      client.request(3);
      assert.equal((await client.response(3)).status, 200);
    });
  }
});

test('HTTP/1 goes on beside HTTP/2 on the same port, also when it dribbles in', async () => {
  const client = await fixture.connect();
  backend.behaviour = OK;
  await client.dribble('PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal((await client.response()).startLine, 'HTTP/1.1 200 OK');
  client.close();
});

test('an HTTP/2 connection may dribble in byte by byte', async () => {
  backend.behaviour = OK;
  const block = encodeBlock(POST);
  const client = new H2Client(await fixture.connect());
  await client.raw.dribble(
    PREFACE.toString('latin1') +
      settingsFrame([]) +
      frameHead(block.length, 1, 4, 1) +
      block +
      frameHead(5, 0, 1, 1) +
      'hello',
  );
  assert.equal((await client.response(1)).status, 200);
  assert.equal(backend.requests.at(-1)!.body.toString(), 'hello');
  client.close();
});

test('a client that resets its stream has the upstream request aborted', async (t) => {
  const taken = Promise.withResolvers<BackendConnection>();
  backend.behaviour = async (connection) => {
    await connection.request();
    taken.resolve(connection);
    await connection.ended();
  };
  const client = await connectH2(t, proxy.http);
  client.request(1);
  const connection = await taken.promise;
  client.send(3, 0, 1, '\0\0\0\x08');
  await connection.ended();
  backend.behaviour = OK;
  client.request(3);
  assert.equal((await client.response(3)).status, 200);
});

test('streams over the advertised number are refused and may be tried again', async (t) => {
  const gate = Promise.withResolvers<void>();
  backend.behaviour = async (connection) => {
    await connection.request();
    await gate.promise;
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  };
  const client = await connectH2(t, proxy.http);
  for (let i = 0; i < 129; i++) client.request(1 + 2 * i);
  const refused = await client.until('RST_STREAM', ({ type }) => type === 3);
  assert.deepEqual([refused.id, refused.payload.readUInt32BE(0)], [257, 7]);
  gate.resolve();
  assert.equal((await client.response(255)).status, 200);
});

describe('WebSocket over HTTP/2 (RFC 8441)', () => {
  const CONNECT: Fields = [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':authority', 'h'],
    [':path', '/ws'],
    ['sec-websocket-version', '13'],
  ];

  test('becomes an upgrade; bytes flow both ways and both sides may end', async (t) => {
    backend.behaviour = async (connection) => {
      const { startLine } = await connection.request();
      connection.send(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n' +
          'Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\nfrom the backend',
      );
      assert.equal(startLine, 'GET /ws HTTP/1.1');
      await connection.inbox.take('tunnel bytes', (rest) =>
        rest.toString() === 'early, then late' ? { value: null, used: rest.length } : null,
      );
      connection.end('bye');
    };
    const client = await connectH2(t, proxy.http);
    client.request(1, CONNECT, false);
    // Before the tunnel stands nothing of it may reach the backend.
    client.data(1, 'early, ');
    const head = await client.until('HEADERS', ({ type }) => type === 1);
    const fields = new Map(client.decode(head.payload));
    assert.deepEqual(
      [fields.get(':status'), fields.get('sec-websocket-protocol'), fields.has('sec-websocket-accept')],
      ['200', 'chat', false],
    );
    assert.equal(fields.has('upgrade') || fields.has('connection'), false);
    client.data(1, 'then late');
    let text = '';
    for (;;) {
      const frame = await client.until('DATA', ({ type }) => type === 0);
      text += frame.payload.toString();
      if ((frame.flags & 1) !== 0) break;
    }
    assert.equal(text, 'from the backendbye');
    const request = backend.requests.at(-1)!;
    assert.match(fieldValue(request, 'sec-websocket-key') ?? '', /^[\w+/]{22}==$/);
    assert.equal(fieldValue(request, 'upgrade'), 'websocket');
  });
  test('a backend that does not switch: its refusal is passed on, its success is a 502', async () => {
    const refusal = await ask(CONNECT, answer('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'), '');
    assert.equal(refusal.response.status, 403);
    const success = await ask(CONNECT, answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), '');
    assert.deepEqual([success.response.status, success.response.body.length], [502, 0]);
  });
  test('is announced in SETTINGS, and refused for other protocols', async (t) => {
    const client = await connectH2(t, proxy.http);
    const settings = await client.until('SETTINGS', ({ type }) => type === 4);
    const pairs = settings.payload.toString('hex').match(/.{12}/g);
    assert.ok(pairs?.includes('000800000001'));
    const other = CONNECT.map(([n, v]) => [n, n === ':protocol' ? 'connect-udp' : v] as const);
    client.request(1, other, false);
    assert.equal((await client.response(1)).status, 501);
  });
});

describe('the end of a connection', () => {
  test('a drain goes in two steps: what is on its way is served, then the connection closes', async (t) => {
    const own = await startHttp1Fixture(t, { args: [...ON, '--timeout-drain-idle', '10s'] });
    const client = await connectH2(t, own.proxy.http);
    client.request(1);
    assert.equal((await client.response(1)).status, 200);
    own.proxy.signal('SIGTERM');
    const first = await client.until('GOAWAY', ({ type }) => type === 7);
    assert.deepEqual([first.payload.readUInt32BE(0), first.payload.readUInt32BE(4)], [0x7fff_ffff, 0]);
    const ping = await client.until('PING', ({ type }) => type === 6);
    client.request(3);
    assert.equal((await client.response(3)).status, 200);
    client.send(6, 1, 0, ping.payload.toString('latin1'));
    const second = await client.until('GOAWAY', ({ type }) => type === 7);
    assert.equal(second.payload.readUInt32BE(0), 3);
    assert.equal(await client.ended(), 'fin');
    client.close();
    assert.equal((await own.proxy.exit()).code, 0);
  });
  test('after its last request a connection is told to go', async (t) => {
    const own = await startHttp1Fixture(t, {
      args: [...ON, '--limit-requests-per-connection', '2', '--timeout-drain-idle', '100ms'],
    });
    const client = await connectH2(t, own.proxy.http);
    client.request(1);
    assert.equal((await client.response(1)).status, 200);
    client.request(3);
    assert.equal(await client.goaway(), 0);
    assert.equal((await client.response(3)).status, 200);
    assert.equal(await client.ended(), 'fin');
  });
  test('an idle connection is closed with GOAWAY', async (t) => {
    const own = await startHttp1Fixture(t, { args: [...ON, '--timeout-keep-alive', '100ms'] });
    const client = await connectH2(t, own.proxy.http);
    assert.equal(await client.goaway(), 0);
    assert.equal(await client.ended(), 'fin');
  });
});
