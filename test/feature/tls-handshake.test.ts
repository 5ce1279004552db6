/** Handshakes: versions, resumption, bounds, and clients that do not play by the rules. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { type ConnectionOptions, connect as connectTlsSocket } from 'node:tls';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { startEchoBackend } from '../kit/echo-backend.ts';
import { fieldValue, statusOf } from '../kit/http-message.ts';
import { type KubeObject, routeAll } from '../kit/manifests.ts';
import { connect } from '../kit/raw-client.ts';
import { connectTls, type HttpsTidegate, startHttps, type TlsClient } from '../kit/tls.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const scope = { after };
const HOST = 'a.test';
const GET = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;

function manifests(port: number): KubeObject[] {
  const [object, ...others] = routeAll(HOST, port);
  const secret = tlsSecret('s', issue({ names: [HOST] }));
  return [withTls(object!, [{ hosts: [HOST], secretName: 's' }]), ...others, secret];
}

async function start(on: Scope, args: readonly string[] = [], workers: 1 | 2 = 1): Promise<HttpsTidegate> {
  const backend = await startEchoBackend(on, 'web');
  return startHttps(on, { manifests: manifests(backend.port), args, workers });
}

async function served(client: TlsClient): Promise<void> {
  client.send(GET);
  assert.equal(statusOf(await client.response()), 200);
}

async function counter(proxy: HttpsTidegate, sample: string): Promise<number> {
  const { text } = await proxy.get('/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`tidegate_${sample} `));
  assert.ok(line !== undefined, `there is a sample ${sample}`);
  return Number(line.split(' ')[1]);
}

/** The beginning of a connection of node:tls: one ClientHello. */
async function clientHello(on: Scope, options: ConnectionOptions = {}): Promise<Buffer> {
  const { createServer } = await import('node:net');
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = createServer((socket) => socket.once('data', resolve).on('error', () => {}));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  on.after(() => void server.close());
  const { port } = server.address() as import('node:net').AddressInfo;
  const socket = connectTlsSocket({ host: '127.0.0.1', port, servername: HOST, ...options });
  socket.on('error', () => {});
  const hello = await within(promise, 'a ClientHello');
  socket.destroy();
  return hello;
}

describe('versions', async () => {
  const proxy = await start(scope);
  const modern = await start(scope, ['--tls-min-version', '1.3']);
  const only = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): ConnectionOptions => ({
    servername: HOST,
    minVersion: version,
    maxVersion: version,
    ...(version === 'TLSv1.1' ? { ciphers: 'ALL:@SECLEVEL=0' } : {}),
  });

  test('TLS 1.2 and 1.3 are spoken', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await connectTls(scope, proxy.https, only(version));
      assert.equal(client.socket.getProtocol(), version);
      await served(client);
    }
  });
  test('TLS 1.1 is refused with an alert', async () => {
    await assert.rejects(connectTls(scope, proxy.https, only('TLSv1.1')), /protocol version/);
  });
  test('TLS 1.2 is refused where 1.3 is the least', async () => {
    await assert.rejects(connectTls(scope, modern.https, only('TLSv1.2')), /protocol version/);
    await served(await connectTls(scope, modern.https, only('TLSv1.3')));
  });
  test('suites without forward secrecy or authenticated encryption are refused', async () => {
    for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256']) {
      const options = { ...only('TLSv1.2'), ciphers };
      await assert.rejects(connectTls(scope, proxy.https, options), /handshake failure/, ciphers);
    }
  });
  test('each group of key exchange is enough, the hybrid post-quantum one too', async () => {
    for (const ecdhCurve of ['X25519MLKEM768', 'X25519', 'P-256', 'P-384']) {
      await served(await connectTls(scope, proxy.https, { servername: HOST, ecdhCurve }));
    }
  });
});

describe('what ALPN agrees on', async () => {
  const proxy = await start(scope);
  test('HTTP/1.1 for clients that offer only that, and for those that offer nothing', async () => {
    for (const options of [{ ALPNProtocols: ['http/1.1'] }, {}]) {
      const client = await connectTls(scope, proxy.https, { servername: HOST, ...options });
      assert.equal(client.socket.alpnProtocol, options.ALPNProtocols ? 'http/1.1' : false);
      await served(client);
    }
  });
  test('HTTP/2 where both can', async () => {
    const client = await connectTls(scope, proxy.https, {
      servername: HOST,
      ALPNProtocols: ['http/1.1', 'h2'],
    });
    assert.equal(client.socket.alpnProtocol, 'h2');
  });
  test('clients that speak neither are told so', async () => {
    const options = { servername: HOST, ALPNProtocols: ['spdy/3'] };
    await assert.rejects(connectTls(scope, proxy.https, options), /no application protocol/);
  });
});

describe('a session', async () => {
  const proxy = await start(scope, [], 2);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`is resumed by every worker (${version})`, async () => {
      const options = { servername: HOST, minVersion: version, maxVersion: version };
      const first = await connectTls(scope, proxy.https, options);
      const session = new Promise<Buffer>((resolve) => first.socket.once('session', resolve));
      await served(first);
      const known = version === 'TLSv1.2' ? first.socket.getSession()! : await within(session, 'a ticket');
      // The kernel spreads connections over the workers: twelve meet both but for one time in 2,000.
      for (let round = 0; round < 12; round++) {
        const again = await connectTls(scope, proxy.https, { ...options, session: known });
        assert.ok(again.socket.isSessionReused(), `round ${round}`);
        await served(again);
        again.close();
      }
    });
  }
});

describe('a client that does not get on with its handshake', async () => {
  const proxy = await start(scope, ['--timeout-tls-handshake', '300ms']);
  const hello = await clientHello(scope);
  const beginnings: readonly [what: string, bytes: Buffer][] = [
    ['says nothing', Buffer.alloc(0)],
    ['says half a hello', hello.subarray(0, 100)],
    ['does not go on after its hello', hello],
  ];
  for (const [what, bytes] of beginnings) {
    test(`is closed after the time for it: ${what}`, async () => {
      const before = await counter(proxy, 'limit_hits_total{limit="tls_handshake_timeout"}');
      const client = await connect(scope, proxy.https);
      client.send(bytes);
      await client.ended();
      assert.equal(await counter(proxy, 'limit_hits_total{limit="tls_handshake_timeout"}'), before + 1);
      await served(await connectTls(scope, proxy.https, { servername: HOST }));
    });
  }
});

test('when there are too many handshakes, slow ones make room and new ones wait for that', async (t) => {
  const proxy = await start(t, ['--limit-tls-handshakes', '2']);
  const hello = await clientHello(t);
  const stalled = [await connect(t, proxy.https), await connect(t, proxy.https)];
  for (const client of stalled) {
    client.send(hello);
    await client.bytes(100);
  }
  await assert.rejects(
    connectTls(t, proxy.https, { servername: HOST }),
    'both are young: the third is closed',
  );
  await eventually(async () => served(await connectTls(t, proxy.https, { servername: HOST })));
  await stalled[0]!.ended();
  assert.ok((await counter(proxy, 'limit_hits_total{limit="tls_handshakes"}')) >= 2);
});

describe('bytes that are no handshake', async () => {
  const proxy = await start(scope);
  const hello = await clientHello(scope);

  test('plain HTTP gets a plain answer that says what is wrong', async () => {
    const client = await connect(scope, proxy.https);
    client.send(GET);
    const response = await client.response();
    assert.equal(statusOf(response), 400);
    assert.equal(fieldValue(response, 'connection'), 'close');
    assert.match(response.body.toString(), /plain HTTP request was sent to the HTTPS port/);
    assert.equal(await client.ended(), 'fin');
  });

  const garbage: readonly [what: string, bytes: Buffer][] = [
    ['zeros', Buffer.alloc(100)],
    ['an alert', Buffer.from([21, 3, 3, 0, 2, 2, 40])],
    ['a record too long', Buffer.from([22, 3, 1, 0x50, 0, 1, 0, 0, 1])],
    [
      'a hello too long',
      Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x50, 0]), Buffer.alloc(17_000)]),
    ],
    ['a ServerHello', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['an SSL 2 hello', Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10])],
    ['a hello whose lengths lie', mutated(hello, 43, 0xff)],
    ['a hello with a version of 0', mutated(mutated(hello, 9, 0), 10, 0)],
    ['a hello in endless tiny records', Buffer.concat(Array(5000).fill(Buffer.from([22, 3, 1, 0, 1, 1])))],
  ];
  for (const [what, bytes] of garbage) {
    test(`are answered by an alert and a close: ${what}`, async () => {
      const client = await connect(scope, proxy.https);
      client.send(bytes);
      await client.ended();
      const { all } = client.inbox;
      assert.ok(all.length === 0 || all[0] === 21, `an alert or nothing, got ${all.toString('hex')}`);
      await served(await connectTls(scope, proxy.https, { servername: HOST }));
    });
  }

  test('a good hello with every single byte changed leaves the program serving', async () => {
    for (let at = 0; at < hello.length; at += 3) {
      const client = await connect(scope, proxy.https);
      client.send(mutated(hello, at, hello[at]! ^ 0x55));
      client.halfClose();
      await client.ended();
    }
    await served(await connectTls(scope, proxy.https, { servername: HOST }));
  });

  test('a hello byte by byte is understood', async () => {
    const client = await connect(scope, proxy.https);
    await client.dribble(hello);
    const [type] = await client.bytes(1);
    assert.equal(type, 22, 'the handshake goes on');
  });

  test('garbage after the handshake ends that one connection', async () => {
    const good = await connectTls(scope, proxy.https, { servername: HOST });
    const wire = await connect(scope, proxy.https);
    const bad = await connectTls(scope, proxy.https, { socket: wire.socket, servername: HOST });
    await served(bad);
    wire.send(Buffer.from([23, 3, 3, 0, 20, ...Buffer.alloc(20, 7)]));
    await bad.ended();
    await served(good);
  });

  test('a client that resets within the handshake is forgotten', async () => {
    for (let end = 1; end < hello.length; end += 50) {
      const client = await connect(scope, proxy.https);
      client.send(hello.subarray(0, end));
      client.reset();
    }
    await eventually(async () => assert.equal(await counter(proxy, 'connections'), 0));
  });
});

test('renegotiation is refused', async (t) => {
  const proxy = await start(t);
  const client = await connectTls(t, proxy.https, { servername: HOST, maxVersion: 'TLSv1.2' });
  await served(client);
  const { promise, resolve } = Promise.withResolvers<Error | null>();
  client.socket.renegotiate({}, resolve);
  client.socket.on('error', resolve);
  client.socket.on('close', () => resolve(new Error('closed')));
  assert.notEqual(await within(promise, 'an answer to renegotiation'), null);
});

test('a drain closes connections without a hello and lets handshakes finish', async (t) => {
  const proxy = await start(t);
  const silent = await connect(t, proxy.https);
  const open = await connectTls(t, proxy.https, { servername: HOST });
  proxy.signal('SIGTERM');
  await silent.ended();
  await served(open);
  assert.equal((await proxy.exit()).code, 0);
});

function mutated(bytes: Buffer, at: number, to: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = to;
  return copy;
}
