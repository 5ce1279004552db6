/** HTTP/2 to endpoints, with node:http2 servers as backends and clients of either protocol. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { routeAll, speaking } from '../kit/manifests.ts';
import { startTidegate } from '../kit/tidegate.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const scope: Scope = { after };
const MIB = 1024 * 1024;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const CONTENT = randomBytes(8 * MIB);

interface Seen {
  readonly headers: http2.IncomingHttpHeaders;
  body: Buffer;
  trailers: http2.IncomingHttpHeaders;
}

const sessions = new Set<http2.ServerHttp2Session>();
let cancelled = 0;
let connections = 0;
/** Streams that the backend keeps without answering. */
const held = new Set<http2.ServerHttp2Stream>();
const seen = new Map<string, Seen>();

const server = http2.createServer({ settings: { enableConnectProtocol: true } });
server.on('session', (session) => {
  connections++;
  sessions.add(session);
  session.on('close', () => sessions.delete(session));
});
server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
  const path = headers[':path'] ?? '';
  stream.on('error', () => {});
  stream.on('aborted', () => cancelled++);
  if (path.startsWith('/bytes/')) {
    stream.respond({ ':status': 200 });
    stream.end(CONTENT.subarray(0, Number(path.slice(7))));
    return;
  }
  if (path === '/hold') {
    held.add(stream);
    stream.on('close', () => held.delete(stream));
    return;
  }
  if (path === '/early') {
    stream.respond({ ':status': 413 });
    stream.end('too much', () => stream.close(http2.constants.NGHTTP2_NO_ERROR));
    return;
  }
  if (path === '/ws') return tunnel(stream, headers);
  echo(stream, headers, path);
});

function tunnel(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  assert.equal(headers[':method'], 'CONNECT');
  assert.equal(headers[':protocol'], 'websocket');
  assert.equal(headers['sec-websocket-key'], undefined);
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
  stream.pipe(stream);
}

function echo(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, path: string): void {
  const chunks: Buffer[] = [];
  const note: Seen = { headers, body: Buffer.alloc(0), trailers: {} };
  stream.on('trailers', (trailers) => {
    note.trailers = trailers;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    note.body = Buffer.concat(chunks);
    seen.set(path, note);
    if (path === '/none') return stream.respond({ ':status': 204 }, { endStream: true });
    if (path === '/empty') return stream.respond({ ':status': 200 }, { endStream: true });
    if (path === '/hints') stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond(
      {
        ':status': 200,
        'x-backend': 'h2',
        'set-cookie': ['a=1', 'b=2'],
        ...(path === '/trailers-and-length' ? { 'content-length': note.body.length } : {}),
      },
      { waitForTrailers: path.startsWith('/trailers') },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'y', x_under: 'z' }));
    stream.end(headers[':method'] === 'HEAD' ? undefined : note.body);
  });
}

await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
scope.after(() => {
  for (const session of sessions) session.destroy();
  server.close();
});

const proxy = await startTidegate(scope, {
  manifests: speaking('kubernetes.io/h2c', routeAll('h2.test', (server.address() as AddressInfo).port)),
  args: ['--http2-cleartext', 'on'],
});

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: NodeJS.Dict<string>;
}

async function ask(
  method: string,
  path: string,
  headers: http.OutgoingHttpHeaders = {},
  body: Buffer | null = null,
): Promise<Answer> {
  const request = http.request({
    port: proxy.http,
    method,
    path,
    headers: { host: 'h2.test', ...headers },
    agent: false,
  });
  // Who is answered early may find the way up closed.
  request.on('error', () => {});
  request.end(body ?? undefined);
  const [response] = (await within(once(request, 'response'), `the response to ${path}`)) as [
    http.IncomingMessage,
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(chunks),
    trailers: response.trailers,
  };
}

describe('HTTP/1.1 clients of an HTTP/2 endpoint', () => {
  test('a GET arrives as a stream, the answer as HTTP/1.1', async () => {
    const { status, headers, body } = await ask('GET', '/a?b=c', { cookie: 'x=1; y=2', te: 'trailers' });
    assert.deepEqual([status, headers['x-backend'], body.length], [200, 'h2', 0]);
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    const got = seen.get('/a?b=c')!.headers;
    assert.equal(got[':method'], 'GET');
    assert.equal(got[':scheme'], 'http');
    assert.equal(got[':authority'], 'h2.test');
    assert.equal(got['host'], undefined);
    assert.equal(got['cookie'], 'x=1; y=2');
    assert.equal(got['x-forwarded-host'], 'h2.test');
    assert.match(String(got['x-request-id']), /^[0-9a-f]{32}$/);
    for (const name of ['connection', 'transfer-encoding', 'upgrade', 'keep-alive']) {
      assert.equal(got[name], undefined, name);
    }
  });

  test('bodies of all sizes go up and come back whole, with a length and in chunks', async () => {
    for (const size of [1, 8192, 16_384, 70_000, 3 * MIB]) {
      const body = CONTENT.subarray(0, size);
      const byLength = await ask('POST', `/up/${size}`, { 'content-length': size }, body);
      assert.equal(sha256(byLength.body), sha256(body), `${size} by length`);
      const inChunks = await ask('POST', `/up/${size}`, { 'transfer-encoding': 'chunked' }, body);
      assert.equal(sha256(inChunks.body), sha256(body), `${size} in chunks`);
    }
  });

  test('HEAD, 204 and an answer without content end where they should', async () => {
    assert.equal((await ask('HEAD', '/head')).status, 200);
    assert.equal((await ask('GET', '/none')).status, 204);
    const empty = await ask('GET', '/empty');
    assert.deepEqual([empty.status, empty.headers['content-length']], [200, '0']);
  });

  test('trailers and informational responses are passed on', async () => {
    assert.deepEqual((await ask('GET', '/trailers')).trailers, { 'x-sum': 'y', x_under: 'z' });
    const request = http.request({ port: proxy.http, path: '/hints', headers: { host: 'h2.test' } });
    request.end();
    const final = once(request, 'response');
    const [info] = (await within(once(request, 'information'), 'the 103')) as [http.InformationEvent];
    assert.equal(info.statusCode, 103);
    await within(final, 'the response');
    request.destroy();
  });

  test('an answer before the whole request is here reaches the client', async () => {
    const { status, body } = await ask(
      'POST',
      '/early',
      { 'content-length': 4 * MIB },
      CONTENT.subarray(0, 4 * MIB),
    );
    assert.deepEqual([status, body.toString()], [413, 'too much']);
  });

  test('a WebSocket becomes an extended CONNECT', async () => {
    const key = randomBytes(16).toString('base64');
    const request = http.request({
      port: proxy.http,
      path: '/ws',
      headers: {
        host: 'h2.test',
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': key,
        'sec-websocket-version': '13',
      },
    });
    request.end();
    const [response, socket] = (await within(once(request, 'upgrade'), 'the upgrade')) as [
      http.IncomingMessage,
      import('node:net').Socket,
    ];
    assert.equal(response.statusCode, 101);
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    assert.equal(response.headers['sec-websocket-accept'], accept);
    assert.equal(response.headers['sec-websocket-protocol'], 'chat');
    socket.write('hello');
    const [bytes] = (await within(once(socket, 'data'), 'the echo')) as [Buffer];
    assert.equal(bytes.toString(), 'hello');
    socket.end();
    await within(once(socket, 'end'), 'the end');
  });
});

describe('HTTP/2 clients of an HTTP/2 endpoint', () => {
  const client = http2.connect(`http://127.0.0.1:${proxy.http}`);
  scope.after(() => client.destroy());

  test('a client that gives up cancels its stream and no other', async () => {
    const before = connections;
    const request = client.request({ ':path': '/hold', ':authority': 'h2.test' });
    request.on('error', () => {});
    await eventually(() => assert.equal(held.size, 1));
    const kept = ask('GET', '/bytes/100');
    const cancels = cancelled;
    request.close(http2.constants.NGHTTP2_CANCEL);
    await eventually(() => assert.equal(cancelled, cancels + 1));
    assert.equal((await kept).body.length, 100);
    assert.equal(connections, before);
  });

  test('trailers follow content of a known length', async () => {
    const request = client.request({
      ':path': '/trailers-and-length',
      ':method': 'POST',
      ':authority': 'h2.test',
    });
    const head = once(request, 'response') as Promise<[http2.IncomingHttpHeaders]>;
    const trailers = once(request, 'trailers') as Promise<[http2.IncomingHttpHeaders]>;
    request.end('body');
    request.resume();
    assert.equal((await within(head, 'the head'))[0]['content-length'], '4');
    assert.equal((await within(trailers, 'the trailers'))[0]['x-sum'], 'y');
  });

  test('cookies in crumbs arrive as one field, trailers of a request as trailers', async () => {
    const request = client.request(
      { ':path': '/crumbs', ':method': 'POST', ':authority': 'h2.test', cookie: ['a=1', 'b=2'] as never },
      { waitForTrailers: true },
    );
    request.on('wantTrailers', () => request.sendTrailers({ 'x-end': 'z' }));
    request.end('body');
    request.resume();
    await within(once(request, 'end'), 'the answer');
    const { headers, body, trailers } = seen.get('/crumbs')!;
    assert.equal(headers['cookie'], 'a=1; b=2');
    assert.equal(body.toString(), 'body');
    assert.equal(trailers['x-end'], 'z');
  });
});

describe('many at a time', () => {
  test('requests share one connection', async () => {
    const before = connections;
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => ask('GET', `/bytes/${i}`)));
    assert.deepEqual(
      answers.map(({ body }) => body.length),
      answers.map((_, i) => i),
    );
    assert.ok(connections - before <= 1, `${connections - before} further connections`);
  });

  test('a slow client does not hold up the others', async () => {
    const slow = http.request({ port: proxy.http, path: `/bytes/${8 * MIB}`, headers: { host: 'h2.test' } });
    slow.end();
    const [response] = (await within(once(slow, 'response'), 'the head')) as [http.IncomingMessage];
    response.pause();
    for (let i = 0; i < 5; i++) {
      assert.equal(
        sha256((await ask('GET', `/bytes/${2 * MIB}`)).body),
        sha256(CONTENT.subarray(0, 2 * MIB)),
      );
    }
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    assert.equal(sha256(Buffer.concat(chunks)), sha256(CONTENT));
  });
});
