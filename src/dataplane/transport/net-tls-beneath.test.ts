/** Both ways of beginning TLS on an accepted stream, over real sockets, and when the first of them is not taken. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls';
import { issue } from '../../../test/kit/certificates.ts';
import { netTls } from './net-tls.ts';
import { netTransport } from './net-transport.ts';
import type { SecureStream, StreamOwner } from './stream.ts';
import { findOwnerKey, putTlsBeneath } from './tls-handle.ts';

const { certificate, key } = issue({ names: ['one.test'] });
const context = createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
const PROTOCOLS = ['h2', 'http/1.1'];

/** Answers what it hears with the same; keeps the rest. */
class Echo implements StreamOwner {
  readonly established = Promise.withResolvers<void>();
  readonly closed = Promise.withResolvers<string | null>();
  stream: SecureStream | null = null;

  onConnect(): void {
    this.established.resolve();
  }
  onData(bytes: Buffer, start: number, end: number): void {
    this.stream!.writeBytes(bytes, start, end);
  }
  onBlocked(): void {
    this.stream!.pause();
  }
  onDrain(): void {
    this.stream!.resume();
  }
  onEnd(): void {
    this.stream!.end();
  }
  onClose(error: string | null): void {
    this.closed.resolve(error);
  }
}

const faults: unknown[] = [];
const transport = netTransport(
  (error) => faults.push(error),
  () => {},
);
let askCertificate = false;
let accepted = Promise.withResolvers<Echo>();
const listener = await transport.listen('127.0.0.1', 0, (plain) => {
  const first = new Echo();
  first.onData = (bytes, start, end) => {
    const echo = new Echo();
    const received = Buffer.from(bytes.subarray(start, end));
    echo.stream = netTls.secure(plain, received, { context, protocols: PROTOCOLS, askCertificate }, echo);
    accepted.resolve(echo);
  };
  return first;
});
after(() => {
  void listener.close();
  assert.deepEqual(faults, []);
});

function dial(options: ConnectionOptions = {}): { client: TLSSocket; echo: Promise<Echo> } {
  accepted = Promise.withResolvers();
  const client = connect({
    ...{ port: listener.port, host: '127.0.0.1', servername: 'one.test', rejectUnauthorized: false },
    ...options,
  });
  client.on('error', () => {});
  return { client, echo: accepted.promise };
}

const WAYS = [
  ['TLS beneath the socket', false, 'BeneathStream'],
  ['TLS above the socket', true, 'TlsStream'],
] as const;

for (const [way, ask, kind] of WAYS) {
  test(`${way}: knows protocol and name, brings all bytes both ways, and ends cleanly`, async () => {
    askCertificate = ask;
    const { client, echo } = dial({ ALPNProtocols: ['http/1.1'] });
    const owner = await echo;
    await owner.established.promise;
    const stream = owner.stream!;
    assert.equal(stream.constructor.name, kind);
    assert.deepEqual([stream.protocol, stream.serverName, stream.resumed], ['http/1.1', 'one.test', false]);
    assert.deepEqual([stream.remoteAddress, stream.remotePort], ['127.0.0.1', client.localPort]);
    const sent = Buffer.alloc(3_000_000, 'these bytes come back ');
    const parts: Buffer[] = [];
    client.end(sent);
    for await (const part of client) parts.push(part as Buffer);
    assert.ok(Buffer.concat(parts).equals(sent));
    assert.equal(await owner.closed.promise, null);
  });

  test(`${way}: a reset reaches the client, also from within a callback`, async () => {
    askCertificate = ask;
    const { client, echo } = dial();
    const secured = once(client, 'secureConnect');
    const owner = await echo;
    owner.onData = () => owner.stream!.reset();
    await secured;
    const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
    client.write('reset me');
    assert.equal((await failed)[0].code, 'ECONNRESET');
    await owner.closed.promise;
  });

  test(`${way}: when nothing can be agreed on the client gets the alert and the owner the reason`, async () => {
    askCertificate = ask;
    const { client, echo } = dial({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA256' });
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE');
    assert.equal(await (await echo).closed.promise, 'ERR_SSL_NO_SHARED_CIPHER');
  });

  test(`${way}: bytes that are no TLS after the handshake end the stream with the reason`, async () => {
    askCertificate = ask;
    const wire = net.connect(listener.port, '127.0.0.1');
    const { client, echo } = dial({ socket: wire });
    const secured = once(client, 'secureConnect');
    const owner = await echo;
    await Promise.all([owner.established.promise, secured]);
    wire.write('not a record of TLS');
    assert.match((await owner.closed.promise) ?? '', /^ERR_SSL_/);
  });
}

test('a Node.js that is not known inside is left alone', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  assert.equal(typeof findOwnerKey(socket, '26.99.0'), 'symbol');
  assert.equal(findOwnerKey(socket, '27.0.0'), null);
  const stranger = { _handle: { onread() {}, [Symbol('owner')]: 'somebody else' } };
  assert.equal(findOwnerKey(stranger as unknown as net.Socket, '26.0.0'), null);
  socket.destroy();
  assert.equal(putTlsBeneath(socket, context), null, 'a closed socket');
  far.destroy();
  server.close();
});
