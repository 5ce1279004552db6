/** TLS passthrough by server name: the backend's own certificate, bytes as they are, and what may not go around it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { issue, type TestCertificate, tlsSecret, withTls } from '../kit/certificates.ts';
import { fieldValue, statusOf } from '../kit/http-message.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import { answer, startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { connectTls, shown, startHttps } from '../kit/tls.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const scope = { after };

/** A TLS server that hands every connection to the test, and sends back what it gets until the client ends. */
async function startTlsBackend(
  where: Scope,
  { certificate, key }: TestCertificate,
  serve: (socket: TLSSocket) => void = (socket) => void socket.pipe(socket),
): Promise<{ port: number; sockets: TLSSocket[] }> {
  const sockets: TLSSocket[] = [];
  const server = createServer({ cert: certificate, key }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  // A client that leaves within the handshake is no failure of the server's.
  server.on('tlsClientError', (_error, socket) => void socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  where.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function passing(host: string, name: string, path = '/', more: Record<string, string> = {}): KubeObject {
  const object = ingress(host.replaceAll('.', '-').replaceAll('*', 'star'), host, [{ path, service: name }]);
  const annotations = { 'nginx.ingress.kubernetes.io/ssl-passthrough': 'true', ...more };
  return { ...object, metadata: { ...(object['metadata'] as object), annotations } };
}

/** As old as the year says; younger than every other. */
function made(year: number, object: KubeObject): KubeObject {
  const creationTimestamp = `${year}-01-01T00:00:00Z`;
  return { ...object, metadata: { ...(object['metadata'] as object), creationTimestamp } };
}

const own = issue({ names: ['*.pass.test', 'pass.test'] });
const ours = issue({ names: ['*.test', '*.pass.test'] });
const echo = await startTlsBackend(scope, own);
const plain = await startRawBackend(scope);
plain.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
const dead = await closedPort();

const proxy = await startHttps(scope, {
  args: ['--access-log', 'json'],
  manifests: [
    passing('pass.test', 'echo'),
    passing('*.wild.test', 'echo'),
    passing('retry.test', 'half-dead'),
    passing('dead.test', 'dead'),
    passing('gone.test', 'no-such-service'),
    passing('nopath.test', 'echo', '/only-here'),
    withTls(ingress('plain', 'plain.test', [{ path: '/', service: 'plain' }]), [{ secretName: 'ours' }]),
    made(2020, ingress('owner', 'owned.pass.test', [{ path: '/owned', service: 'plain' }])),
    made(2021, passing('owned.pass.test', 'echo')),
    tlsSecret('ours', ours),
    ...service('echo', [echo.port]),
    ...service('half-dead', [dead, echo.port]),
    ...service('dead', [dead]),
    ...service('plain', [plain.port]),
  ],
});

describe('a connection that names a host with passthrough', () => {
  test('is shown the certificate of the backend, and its bytes go both ways untouched', async (t) => {
    const client = await connectTls(t, proxy.https, { servername: 'pass.test' });
    assert.equal(client.socket.getPeerCertificate().fingerprint256, own.fingerprint);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 251));
    client.send(bytes.toString('latin1'));
    const back = await client.inbox.take('what was sent', (rest) =>
      rest.length < bytes.length ? null : { value: rest, used: rest.length },
    );
    assert.ok(bytes.equals(back));
    client.close();
  });

  test('may be of a wildcard host', async (t) => {
    const client = await connectTls(t, proxy.https, { servername: 'any.wild.test' });
    assert.equal(client.socket.getPeerCertificate().fingerprint256, own.fingerprint);
    client.close();
  });

  test('goes to another endpoint when the first is not there', async (t) => {
    for (let i = 0; i < 4; i++)
      assert.equal(await shown(t, proxy.https, { servername: 'retry.test' }), own.fingerprint);
  });

  test('is reset when no endpoint can be reached or there is no such Service, never served with our certificate', async (t) => {
    for (const servername of ['dead.test', 'gone.test']) {
      await assert.rejects(connectTls(t, proxy.https, { servername }), /ECONNRESET|closed within/);
    }
  });

  test('is told of in the access log', async (t) => {
    const client = await connectTls(t, proxy.https, { servername: 'Pass.Test' });
    client.send('hello');
    await client.inbox.take('the echo', (rest) => (rest.length < 5 ? null : { value: rest, used: 5 }));
    const sent = proxy.log.length;
    client.close();
    const line = await proxy.logged(
      'a line about the connection',
      (each) => each['layer'] === 4 && each['server_name'] === 'pass.test' && proxy.log.indexOf(each) >= sent,
    );
    assert.equal(line['client'], '127.0.0.1');
    assert.equal(line['upstream'], `127.0.0.1:${echo.port}`);
    assert.equal(line['service'], 'default/echo:80');
    assert.equal(line['ingress'], 'pass-test');
    assert.ok((line['bytes_in'] as number) > 500 && (line['bytes_out'] as number) > 500);
    const failed = await proxy.logged(
      'a line about a failure',
      (each) => each['server_name'] === 'dead.test',
    );
    assert.equal(failed['reason'], 'connect-failed');
  });

  test('is counted', async () => {
    await eventually(async () => {
      const { text } = await proxy.get('/metrics');
      assert.match(text, /^tidegate_l4_connections_total\{result="failed"\} [1-9]/m);
      assert.match(text, /^tidegate_l4_connections_total\{result="ended"\} [1-9]/m);
      assert.match(text, /^tidegate_l4_bytes_total\{direction="sent"\} [1-9]/m);
      assert.match(text, /^tidegate_tunnels 0$/m);
    });
  });
});

describe('half-closing and backpressure', () => {
  test('each side may end while the other goes on sending', async (t) => {
    const backend = await startTlsBackend(t, own, (socket) => {
      socket.resume();
      socket.on('end', () => void socket.end('all heard'));
    });
    const one = await startHttps(t, {
      manifests: [passing('half.test', 'late'), ...service('late', [backend.port])],
    });
    const client = await connectTls(t, one.https, { servername: 'half.test', allowHalfOpen: true } as object);
    client.send('last words');
    client.socket.end();
    await client.inbox.take('the answer', (rest) => (rest.length < 9 ? null : { value: rest, used: 9 }));
    assert.equal(client.inbox.all.toString(), 'all heard');
    assert.equal(await client.ended(), 'fin');
  });

  test('a client that does not read stops the backend, and gets everything later', async (t) => {
    const size = 32 * 1024 * 1024;
    const written = { bytes: 0 };
    const backend = await startTlsBackend(t, own, (socket) => {
      const piece = Buffer.alloc(65_536, 'x');
      const more = (): void => {
        while (written.bytes < size) {
          written.bytes += piece.length;
          if (!socket.write(piece)) return void socket.once('drain', more);
        }
        socket.end();
      };
      more();
    });
    const one = await startHttps(t, {
      manifests: [passing('big.test', 'big'), ...service('big', [backend.port])],
    });
    const options = { host: '127.0.0.1', port: one.https, servername: 'big.test', rejectUnauthorized: false };
    const socket = tlsConnect(options);
    t.after(() => void socket.destroy());
    await once(socket, 'secureConnect');
    // It has stalled when it wrote nothing between two looks, and is far from done.
    let before = -1;
    await eventually(() => {
      const now = written.bytes;
      const stalled = now === before;
      before = now;
      if (!stalled) throw new Error(`still writing: ${now}`);
    });
    assert.ok(written.bytes < size, 'the backend was stopped');
    let left = size;
    socket.on('data', (bytes: Buffer) => {
      left -= bytes.length;
    });
    await within(once(socket, 'end'), 'the end of the stream', 60_000);
    assert.equal(left, 0);
  });

  test('a backend that breaks off is seen as a reset, not as a clean end', async (t) => {
    const raw: Socket[] = [];
    const backend = createTcpServer((socket) => {
      raw.push(socket);
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    t.after(() => void backend.close());
    const { port } = backend.address() as AddressInfo;
    const one = await startHttps(t, { manifests: [passing('cut.test', 'cut'), ...service('cut', [port])] });
    const handshake = connectTls(t, one.https, { servername: 'cut.test' });
    await eventually(() => assert.equal(raw.length, 1));
    raw[0]!.resetAndDestroy();
    await assert.rejects(handshake, /ECONNRESET/);
  });
});

describe('what is not passed through', () => {
  test('clients without server name, and names without passthrough, get the usual TLS', async (t) => {
    const named = await connectTls(t, proxy.https, { servername: 'plain.test' });
    assert.equal(named.socket.getPeerCertificate().fingerprint256, ours.fingerprint);
    named.send('GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n');
    assert.equal(statusOf(await named.response()), 200);
    assert.notEqual(await shown(t, proxy.https), own.fingerprint);
  });

  test('a request for such a host on a connection made for another is sent away with 421', async (t) => {
    const client = await connectTls(t, proxy.https, { servername: 'plain.test' });
    client.send('GET / HTTP/1.1\r\nHost: pass.test\r\n\r\n');
    assert.equal(statusOf(await client.response()), 421);
  });

  test('a request in clear is redirected to https', async (t) => {
    const client = await connect(t, proxy.http);
    client.send('GET /x HTTP/1.1\r\nHost: pass.test\r\n\r\n');
    const response = await client.response();
    assert.equal(statusOf(response), 308);
    assert.equal(fieldValue(response, 'location'), 'https://pass.test/x');
  });

  test('an Ingress that came later does not take the TLS of a host away, and is told so', async (t) => {
    assert.notEqual(await shown(t, proxy.https, { servername: 'owned.pass.test' }), own.fingerprint);
    const line = await proxy.logged('the conflict', (each) =>
      String(each['message'] ?? each['msg']).includes('owned.pass.test'),
    );
    assert.match(JSON.stringify(line), /belongs to Ingress default\/owner/);
  });

  test('a host without a path "/" is served here, and that is a problem', async (t) => {
    assert.notEqual(await shown(t, proxy.https, { servername: 'nopath.test' }), own.fingerprint);
    await proxy.logged('the problem', (each) => JSON.stringify(each).includes('has none'));
  });
});

test('passthrough comes and goes with the annotation, and a running connection stays', async (t) => {
  const one = await startHttps(t, {
    manifests: [passing('pass.test', 'echo'), ...service('echo', [echo.port])],
  });
  const client = await connectTls(t, one.https, { servername: 'pass.test' });
  await one.change('all.yaml', [
    ingress('pass-test', 'pass.test', [{ path: '/', service: 'echo' }]),
    ...service('echo', [echo.port]),
  ]);
  assert.notEqual(await shown(t, one.https, { servername: 'pass.test' }), own.fingerprint);
  client.send('still here');
  await client.inbox.take('the echo', (rest) => (rest.length < 10 ? null : { value: rest, used: 10 }));
  await one.change('all.yaml', [passing('pass.test', 'echo'), ...service('echo', [echo.port])]);
  assert.equal(await shown(t, one.https, { servername: 'pass.test' }), own.fingerprint);
});

test('at shutdown a connection may finish', async (t) => {
  const one = await startHttps(t, {
    manifests: [passing('pass.test', 'echo'), ...service('echo', [echo.port])],
  });
  const client = await connectTls(t, one.https, { servername: 'pass.test' });
  one.signal('SIGTERM');
  await one.logged('the drain', (line) => line.event === 'stopping');
  client.send('goodbye');
  await client.inbox.take('the echo', (rest) => (rest.length < 7 ? null : { value: rest, used: 7 }));
  client.socket.end();
  assert.equal((await one.exit()).code, 0);
});
