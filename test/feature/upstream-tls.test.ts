/** TLS towards backends: what is verified, what is shown, and that nothing is sent to anybody else. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import {
  connect as connectH2,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { after, describe, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { issue, type TestCertificate, tlsSecret, withTls } from '../kit/certificates.ts';
import { type SeenOverTls, startHttpsBackend } from '../kit/https-backend.ts';
import { ingress, type KubeObject, service, speaking } from '../kit/manifests.ts';
import { startHttps } from '../kit/tls.ts';
import { eventually, within } from '../kit/waiting.ts';

const scope = { after };

const authority = issue({ names: ['Our root'], usage: 'authority' });
const middle = issue({ names: ['Middle'], usage: 'authority', issuer: authority });
const deeper = issue({ names: ['Deeper'], usage: 'authority', issuer: middle });
const stranger = issue({ names: ['Other root'], usage: 'authority' });
const names = ['good.test'];
const good = issue({ names, issuer: authority });
const expired = issue({ names, issuer: authority, fromDays: -9, toDays: -1 });
const ofStranger = issue({ names, issuer: stranger });
const ofMiddle = issue({ names, issuer: middle });
const ofDeeper = issue({ names, issuer: deeper });
const ownWord = issue({ names });
const client = issue({ names: ['tidegate client'], usage: 'client', issuer: authority });
const nextClient = issue({ names: ['next client'], usage: 'client', issuer: authority });

const showing = (
  { certificate, key }: TestCertificate,
  chain: readonly TestCertificate[] = [],
): TlsOptions => ({
  cert: certificate + chain.map((each) => each.certificate).join(''),
  key,
});

const backends = {
  good: await startHttpsBackend(scope, showing(good)),
  expired: await startHttpsBackend(scope, showing(expired)),
  stranger: await startHttpsBackend(scope, showing(ofStranger)),
  middle: await startHttpsBackend(scope, showing(ofMiddle, [middle])),
  deeper: await startHttpsBackend(scope, showing(ofDeeper, [deeper, middle])),
  ownWord: await startHttpsBackend(scope, showing(ownWord)),
  old: await startHttpsBackend(scope, { ...showing(good), maxVersion: 'TLSv1.2' }),
  asking: await startHttpsBackend(scope, {
    ...showing(good),
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  }),
  askingOld: await startHttpsBackend(scope, {
    ...showing(good),
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
    maxVersion: 'TLSv1.2',
  }),
  onlyHttp2: await startHttpsBackend(scope, { ...showing(good), ALPNProtocols: ['h2'] }),
};
type BackendName = keyof typeof backends;

function opaque(name: string, stringData: Readonly<Record<string, string>>): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { name, namespace: 'default' },
    stringData,
  };
}

/** An Ingress for `<name>.test`, with these annotations of ingress-nginx, to one port. */
function site(name: string, port: number, annotations: Readonly<Record<string, string>>): KubeObject[] {
  const host = `${name}.test`;
  const object = ingress(name, host, [{ path: '/', service: name }]);
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    `nginx.ingress.kubernetes.io/${key}`,
    value,
  ]);
  const metadata = { ...(object['metadata'] as object), annotations: Object.fromEntries(prefixed) };
  return [
    withTls({ ...object, metadata }, [{ hosts: [host], secretName: 'server' }]),
    ...service(name, [port]),
  ];
}

const HTTPS = { 'backend-protocol': 'HTTPS', 'ssl-redirect': 'false' };
const VERIFIED = {
  ...HTTPS,
  'proxy-ssl-secret': 'default/ca',
  'proxy-ssl-verify': 'on',
  'proxy-ssl-name': 'good.test',
};
const to = (name: BackendName) => backends[name].port;

const hanging = createTcp(() => {});
const closing = createTcp((socket) => socket.once('data', () => socket.end()));
const plain = createTcp((socket) =>
  socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
);
for (const server of [hanging, closing, plain]) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.after(() => void server.close());
}
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

const manifests: KubeObject[] = [
  tlsSecret('server', issue({ names: ['*.test'] })),
  opaque('ca', { 'ca.crt': authority.certificate }),
  opaque('own-word', { 'ca.crt': ownWord.certificate }),
  opaque('client', { 'tls.crt': client.certificate, 'tls.key': client.key, 'ca.crt': authority.certificate }),
  ...site('unverified', to('ownWord'), HTTPS),
  ...site('verified', to('good'), VERIFIED),
  ...site('named', to('good'), { ...VERIFIED, 'proxy-ssl-server-name': 'on' }),
  ...site('dotted', to('good'), {
    ...VERIFIED,
    'proxy-ssl-name': 'good.test.',
    'proxy-ssl-server-name': 'on',
  }),
  ...site('stranger', to('stranger'), VERIFIED),
  ...site('wrong-name', to('good'), { ...VERIFIED, 'proxy-ssl-name': 'bad.test' }),
  ...site('expired', to('expired'), VERIFIED),
  ...site('public', to('good'), {
    ...VERIFIED,
    'proxy-ssl-secret': 'default/client',
    'proxy-ssl-name': 'good.test',
  }),
  ...site('middle', to('middle'), VERIFIED),
  ...site('deeper', to('deeper'), VERIFIED),
  ...site('deep-enough', to('deeper'), { ...VERIFIED, 'proxy-ssl-verify-depth': '2' }),
  ...site('pinned', to('ownWord'), { ...VERIFIED, 'proxy-ssl-secret': 'default/own-word' }),
  ...site('gone', to('good'), { ...VERIFIED, 'proxy-ssl-secret': 'default/gone' }),
  ...site('old', to('old'), VERIFIED),
  ...site('too-old', to('old'), { ...VERIFIED, 'proxy-ssl-protocols': 'TLSv1.3' }),
  ...site('with', to('asking'), { ...VERIFIED, 'proxy-ssl-secret': 'default/client' }),
  ...site('without', to('asking'), VERIFIED),
  ...site('without-old', to('askingOld'), VERIFIED),
  ...site('only-http2', to('onlyHttp2'), VERIFIED),
  ...site('hangs', portOf(hanging), { ...VERIFIED, 'proxy-connect-timeout': '1' }),
  ...site('closes', portOf(closing), VERIFIED),
  ...site('in-clear', portOf(plain), VERIFIED),
  ...speaking('https', site('app-protocol', to('ownWord'), { 'ssl-redirect': 'false' })),
];
const proxy = await startHttps(scope, { manifests, args: ['--access-log', 'json'] });

interface Answer {
  readonly status: number;
  readonly seen: SeenOverTls;
  readonly bytes: number;
  readonly sha256: string;
}

async function ask(name: string, path = '/', body?: Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpRequest(
    {
      host: '127.0.0.1',
      port: proxy.http,
      path,
      method: body ? 'POST' : 'GET',
      headers: { host: `${name}.test` },
    },
    (response) => {
      const hash = createHash('sha256');
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        bytes += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => {
        const seen = JSON.parse(String(response.headers['seen'] ?? '{}')) as SeenOverTls;
        resolve({ status: response.statusCode ?? 0, seen, bytes, sha256: hash.digest('hex') });
      });
    },
  );
  request.on('error', reject);
  request.end(body);
  return await within(promise, `the answer of ${name}.test`);
}

const reasonOf = async (name: string): Promise<unknown> =>
  (await proxy.logged(`the access log of ${name}.test`, (line) => line['host'] === `${name}.test`))['reason'];

describe('a backend with TLS', () => {
  test('is believed whatever it shows when nobody asked for more, and is told no name', async () => {
    const { status, seen } = await ask('unverified');
    assert.equal(status, 200);
    assert.equal(seen.version, 'TLSv1.3');
    assert.equal(seen.serverName, '');
  });

  test('may be meant by the Service alone', async () => {
    assert.equal((await ask('app-protocol')).status, 200);
  });

  test('is served from when its certificate is signed by ours and for the name', async () => {
    assert.equal((await ask('verified')).status, 200);
    assert.equal((await ask('middle')).status, 200);
    assert.equal((await ask('deep-enough')).status, 200);
    assert.equal((await ask('pinned')).status, 200);
  });

  test('hears the name that is meant when it shall', async () => {
    assert.equal((await ask('named')).seen.serverName, 'good.test');
    assert.equal((await ask('verified')).seen.serverName, '');
    assert.equal((await ask('dotted')).seen.serverName, 'good.test', 'never with its final dot (RFC 6066 3)');
  });

  for (const [name, reason, backend] of [
    ['stranger', 'certificate-not-trusted', 'stranger'],
    ['wrong-name', 'certificate-wrong-name', null],
    ['expired', 'certificate-expired', 'expired'],
    ['deeper', 'certificate-not-trusted', null],
    ['too-old', 'tls-handshake-failed', null],
    ['only-http2', 'protocol-not-agreed', 'onlyHttp2'],
    ['without-old', 'tls-handshake-failed', 'askingOld'],
    ['closes', 'tls-handshake-failed', null],
    ['in-clear', 'tls-handshake-failed', null],
  ] as const) {
    test(`is answered for with 502 and "${reason}" when it is ${name}`, async () => {
      assert.equal((await ask(name, '/', Buffer.from('secret'))).status, 502);
      assert.equal(await reasonOf(name), reason);
      if (backend !== null) assert.equal(backends[backend].count(), 0, 'no request got through');
    });
  }

  test('that lets the handshake hang is answered for with 504 after the time for connecting', async () => {
    assert.equal((await ask('hangs')).status, 504);
    assert.equal(await reasonOf('hangs'), 'connect-timeout');
  });

  test('is not spoken to without the Secret that was asked for', async () => {
    const before = backends.good.count();
    assert.equal((await ask('gone')).status, 503);
    assert.equal(backends.good.count(), before);
  });

  test('that speaks TLS 1.2 at most is spoken to in that', async () => {
    assert.equal((await ask('old')).seen.version, 'TLSv1.2');
  });

  test('that asks for a certificate gets ours', async () => {
    assert.equal((await ask('with')).seen.client, 'tidegate client');
  });

  test('that asks for a certificate and gets none refuses', async () => {
    const before = backends.asking.count();
    assert.equal((await ask('without')).status, 502);
    // In TLS 1.3 its alert comes after our side is done, and may be lost to a reset.
    assert.ok(['tls-refused', 'closed'].includes(String(await reasonOf('without'))));
    assert.equal(backends.asking.count(), before, 'no request got through');
  });

  test('takes and gives 20 MiB as they are', async () => {
    const body = Buffer.alloc(20 * 1024 * 1024, '0123456789abcde');
    const up = await ask('verified', '/', body);
    assert.equal(up.seen.bodySha256, createHash('sha256').update(body).digest('hex'));
    const down = await ask('verified', `/?bytes=${body.length}`);
    const expected = createHash('sha256').update(Buffer.alloc(body.length, 'abcdefgh')).digest('hex');
    assert.deepEqual([down.bytes, down.sha256], [body.length, expected]);
  });

  test('serves clients of HTTP/2', async (t) => {
    const session = connectH2(`https://127.0.0.1:${proxy.https}`, {
      servername: 'verified.test',
      rejectUnauthorized: false,
    });
    t.after(() => session.destroy());
    const body = Buffer.alloc(1024 * 1024, 'xyz');
    const stream = session.request({ ':method': 'POST', ':path': '/h2', ':authority': 'verified.test' });
    const answered = once(stream, 'response');
    stream.end(body);
    const [fields] = await within(answered, 'the response over HTTP/2');
    assert.equal(fields[':status'], 200);
    const seen = JSON.parse(String(fields['seen'])) as SeenOverTls;
    assert.equal(seen.bodySha256, createHash('sha256').update(body).digest('hex'));
  });
});

test('settings that OpenSSL refuses lead nowhere, and are told', async () => {
  const annotations = { ...VERIFIED, 'proxy-ssl-ciphers': 'ECDHE-NO-SUCH-SUITE' };
  await proxy.change('no-suite.yaml', site('no-suite', to('good'), annotations));
  const before = backends.good.count();
  assert.equal((await ask('no-suite')).status, 502);
  assert.equal(await reasonOf('no-suite'), 'tls-handshake-failed');
  assert.equal(backends.good.count(), before);
  await proxy.logged('the refusal', (line) => line.event === 'upstream-tls-unusable');
});

test('AUTO_HTTP speaks TLS for clients that came with it, and for no others', async (t) => {
  const TLS_HANDSHAKE = 0x16;
  const first: number[] = [];
  const sniffer = createTcp((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      first.push(bytes[0]!);
      socket.destroy();
    });
  });
  sniffer.listen(0, '127.0.0.1');
  await once(sniffer, 'listening');
  t.after(() => void sniffer.close());
  const auto = { 'backend-protocol': 'AUTO_HTTP', 'ssl-redirect': 'false', 'proxy-next-upstream-tries': '1' };
  await proxy.change('auto.yaml', site('auto', portOf(sniffer), auto));
  // A POST is not sent twice.
  assert.equal((await ask('auto', '/', Buffer.from('x'))).status, 502);
  assert.deepEqual(first, ['P'.charCodeAt(0)]);
  const session = connectH2(`https://127.0.0.1:${proxy.https}`, {
    servername: 'auto.test',
    rejectUnauthorized: false,
  });
  t.after(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': 'auto.test' });
  const answered = once(stream, 'response');
  stream.end('x');
  assert.equal((await within(answered, 'the response over HTTP/2'))[0][':status'], 502);
  assert.deepEqual(first.slice(1), [TLS_HANDSHAKE]);
});

test('HTTP/2 is spoken over TLS to a backend that agrees to it, and to no other', async (t) => {
  const server = createSecureServer({ ...showing(good), ALPNProtocols: ['h2'] });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    response.setHeader('seen', JSON.stringify({ version: request.httpVersion, url: request.url }));
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  const withoutAlpn = createTlsServer(showing(good), (socket) => socket.on('error', () => {}));
  withoutAlpn.listen(0, '127.0.0.1');
  await once(withoutAlpn, 'listening');
  t.after(() => void withoutAlpn.close());
  const grpcs = { ...VERIFIED, 'backend-protocol': 'GRPCS' };
  await proxy.change('grpcs.yaml', [
    ...site('grpcs', portOf(server), grpcs),
    ...site('not-grpcs', to('good'), grpcs),
    ...site('without-alpn', portOf(withoutAlpn), grpcs),
  ]);
  for (let n = 0; n < 3; n++) {
    const { status, seen } = await ask('grpcs', `/${n}`);
    assert.deepEqual([status, seen], [200, { version: '2.0', url: `/${n}` }]);
  }
  assert.equal(sessions.size, 1, 'one connection carries them all');
  assert.equal((await ask('not-grpcs', '/', Buffer.from('x'))).status, 502);
  assert.equal(await reasonOf('not-grpcs'), 'protocol-not-agreed');
  assert.equal((await ask('without-alpn', '/', Buffer.from('x'))).status, 502);
  assert.equal(await reasonOf('without-alpn'), 'protocol-not-agreed');
});

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`HTTP/2 over TLS to a backend that goes away again and again: nothing is lost, sessions are taken up (${maxVersion})`, async (t) => {
    const server = createSecureServer({ ...showing(good), ALPNProtocols: ['h2'], maxVersion });
    const sessions = new Set<ServerHttp2Session>();
    const resumed: boolean[] = [];
    server.on('secureConnection', (socket: TLSSocket) => void resumed.push(socket.isSessionReused()));
    server.on('session', (session) => {
      sessions.add(session);
      let left = 5;
      session.on('stream', (stream) => {
        stream.respond({ ':status': 200, seen: '{}' });
        stream.end();
        // GOAWAY: those that are on their way are not served here.
        if (--left === 0) session.close();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.close();
      for (const session of sessions) session.destroy();
    });
    const name = `goes-${maxVersion.slice(-1)}`;
    const objects = site(name, portOf(server), { ...VERIFIED, 'backend-protocol': 'GRPCS' });
    await proxy.change(`${name}.yaml`, objects);
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, i) => ask(name, `/${i}`, Buffer.from('x'))),
      );
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    }
    assert.ok(sessions.size > 4, `${sessions.size} connections`);
    assert.equal(resumed[0], false);
    assert.ok(resumed.slice(1).includes(true), 'no connection took up a session');
  });
}

test('a WebSocket goes through to a backend with TLS', async (t) => {
  const sockets = new WebSocketServer({ noServer: true });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const backend = await startHttpsBackend(t, showing(good));
  backend.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (each) => sockets.emit('connection', each, request));
  });
  await proxy.change(
    'wss.yaml',
    speaking('kubernetes.io/wss', site('wss', backend.port, { 'ssl-redirect': 'false' })),
  );
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.http}/`, { headers: { host: 'wss.test' } });
  t.after(() => socket.terminate());
  await within(once(socket, 'open'), 'the WebSocket to open');
  const sent = Buffer.alloc(300_000, 'frame');
  const echoed = once(socket, 'message');
  socket.send(sent);
  const [data] = await within(echoed, 'the echo');
  assert.deepEqual(data, sent);
  const closed = once(socket, 'close');
  socket.close(1000);
  assert.equal((await within(closed, 'the WebSocket to close'))[0], 1000);
});

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a session of a connection that was refused opens no other (${maxVersion})`, async (t) => {
    const chain = showing(ofDeeper, [deeper, middle]);
    const backend = await startHttpsBackend(t, { ...chain, maxVersion });
    const name = `refused-${maxVersion.slice(-1)}`;
    const objects = site(name, backend.port, { ...VERIFIED, 'proxy-next-upstream-tries': '1' });
    await proxy.change(`${name}.yaml`, objects);
    for (let i = 0; i < 4; i++) assert.equal((await ask(name)).status, 502);
  });

  test(`a second connection takes up the session of the first (${maxVersion})`, async (t) => {
    const backend = await startHttpsBackend(t, { ...showing(good), maxVersion });
    const name = `resumed-${maxVersion.slice(-1)}`;
    await proxy.change(`${name}.yaml`, site(name, backend.port, VERIFIED));
    const first = await ask(name);
    assert.deepEqual([first.status, first.seen.resumed], [200, false]);
    backend.server.closeIdleConnections();
    const second = await eventually(async () => {
      const answer = await ask(name);
      assert.notEqual(answer.seen.connection, first.seen.connection);
      return answer;
    });
    assert.deepEqual([second.status, second.seen.resumed], [200, true]);
    const { text } = await proxy.get('/metrics');
    assert.match(text, /tidegate_upstream_tls_handshakes_total\{[^}]*result="resumed"[^}]*\} [1-9]/);
  });
}

test('when the Secret changes new connections show the new certificate and no request is lost', async (t) => {
  const backend = await startHttpsBackend(t, {
    ...showing(good),
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const secret = (certificate: TestCertificate) =>
    opaque('rotated', { 'tls.crt': certificate.certificate, 'tls.key': certificate.key });
  const annotations = { ...HTTPS, 'proxy-ssl-secret': 'default/rotated' };
  await proxy.change('rotated.yaml', [secret(client), ...site('rotated', backend.port, annotations)]);
  assert.equal((await ask('rotated')).seen.client, 'tidegate client');
  // One that runs over the change, and many besides.
  const changed = Promise.withResolvers<void>();
  const long = new Promise<number>((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port: proxy.http, method: 'POST', headers: { host: 'rotated.test' } },
      (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.on('error', reject);
    request.write('begun');
    t.after(() => void request.destroy());
    changed.promise.then(() => request.end('ended'), reject);
  });
  let running = true;
  const statuses: number[] = [];
  const load = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (running) statuses.push((await ask('rotated')).status);
    }),
  );
  await proxy.change('rotated.yaml', [secret(nextClient), ...site('rotated', backend.port, annotations)]);
  assert.equal((await ask('rotated')).seen.client, 'next client');
  changed.resolve();
  assert.equal(await within(long, 'the long request'), 200);
  running = false;
  await load;
  assert.deepEqual([...new Set(statuses)], [200]);
});

test('no secret and no key is shown in the live table', async () => {
  const { text } = await proxy.get('/config');
  assert.ok(!text.includes('BEGIN'), 'PEM in the dump');
  assert.match(text, /\[redacted\]/);
});
