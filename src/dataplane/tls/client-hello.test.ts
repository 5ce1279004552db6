import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { readClientHello } from './client-hello.ts';

/** The first bytes that node:tls sends with these options. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      resolve(bytes);
      done();
    },
  });
  const socket = connect({ socket: wire, rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  const hello = await promise;
  socket.destroy();
  return hello;
}

/** The same handshake message in records of at most `size` bytes. */
function inRecordsOf(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

const full = { servername: 'Shop.Example.com', ALPNProtocols: ['h2', 'http/1.1'] };

test('the server name and the protocols of a hello are read', async () => {
  assert.deepEqual(readClientHello(await helloOf(full)), {
    kind: 'hello',
    hello: { serverName: 'shop.example.com', protocols: ['h2', 'http/1.1'], ticketKeyName: '' },
  });
});

test('a hello without server name has an empty one', async () => {
  const read = readClientHello(await helloOf({ servername: '' }));
  assert.equal(read.kind === 'hello' && read.hello.serverName, '');
});

test('each beginning of a hello asks for more, and what follows it does no harm', async () => {
  const hello = await helloOf(full);
  for (let end = 0; end < hello.length; end++) {
    assert.deepEqual(readClientHello(hello.subarray(0, end)), { kind: 'more' }, `${end} bytes`);
  }
  assert.equal(readClientHello(Buffer.concat([hello, Buffer.from('more')])).kind, 'hello');
});

test('a hello may be spread over records of any size', async () => {
  const hello = await helloOf(full);
  const whole = readClientHello(hello);
  for (const size of [1, 2, 3, 4, 5, 100, hello.length]) {
    assert.deepEqual(readClientHello(inRecordsOf(hello, size)), whole, `records of ${size} bytes`);
  }
});

test('what does not begin like TLS is told apart', () => {
  const table: [string, string][] = [
    ['GET / HTTP/1.1\r\n', 'plaintext'],
    ['P', 'plaintext'],
    ['\x16\x03', 'more'],
    ['\x16\x02\x00\x00\x10', 'invalid'],
    ['\x16\x03\x01\x00\x00', 'invalid'],
    ['\x16\x03\x01\x40\x01', 'invalid'],
    ['\x16\x03\x01\x00\x04\x02\x00\x00\x00', 'invalid'],
    ['\x16\x03\x01\x00\x04\x01\x00\x40\x01', 'invalid'],
    ['\x16\x03\x01\x00\x04\x01\x00\x00\x00', 'invalid'],
    ['\x80\x2e\x01\x03\x01', 'invalid'],
    ['\x00', 'invalid'],
  ];
  for (const [text, kind] of table) {
    assert.equal(readClientHello(Buffer.from(text, 'latin1')).kind, kind, JSON.stringify(text));
  }
});

test('a mutated hello never throws, and what is read of it are bounded values', async () => {
  const hello = await helloOf(full);
  const edit = fc.record({ at: fc.nat(hello.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), fc.nat(hello.length), (edits, cut) => {
      const bytes = Buffer.from(hello);
      for (const { at, to } of edits) bytes[at] = to;
      const read = readClientHello(bytes.subarray(0, cut));
      if (read.kind !== 'hello') return;
      assert.ok(read.hello.serverName.length <= 255);
      assert.ok(read.hello.ticketKeyName.length <= 16);
    }),
    { numRuns: 3000 },
  );
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void readClientHello(Buffer.from(bytes))),
  );
  const record = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((body) => {
    const message = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
    return Buffer.concat([Buffer.from([22, 3, 1, 0, message.length]), message]);
  });
  fc.assert(fc.property(record, (bytes) => assert.notEqual(readClientHello(bytes).kind, 'more')));
});
