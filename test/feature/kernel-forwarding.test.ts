/** What happens around bodies so large that the kernel forwards them from socket to socket. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { statusOf } from '../kit/http-message.ts';
import { routeAll } from '../kit/manifests.ts';
import { startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { startTidegate } from '../kit/tidegate.ts';

const scope = { after };
const backend = await startRawBackend(scope);
const proxy = await startTidegate(scope, { manifests: routeAll('', backend.port) });

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

/** Every byte tells where it stands. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i);
  return bytes;
}

test('what a backend sends right behind a large body answers nobody', async (t) => {
  const body = pattern(3_000_000);
  backend.behaviour = async (connection) => {
    const { startLine } = await connection.request();
    if (startLine.includes('/small'))
      return connection.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright');
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
    const stray = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong';
    connection.send(Buffer.concat([Buffer.from(head), body, Buffer.from(stray)]));
  };
  for (let round = 0; round < 20; round++) {
    const client = await connect(t, proxy.http);
    client.send(get('/large') + get('/small'));
    const large = await client.response();
    assert.ok(large.body.equals(body));
    const small = await client.response();
    assert.deepEqual([statusOf(small), small.body.toString()], [200, 'right']);
    client.close();
  }
});

test('a request right behind a large body is not taken for its end, whatever the size', async (t) => {
  backend.behaviour = async (connection) => {
    const { startLine, body } = await connection.request();
    const [, path] = startLine.split(' ');
    const seen = body.equals(pattern(body.length)) ? `${path} ${body.length}` : 'other bytes';
    connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${seen.length}\r\n\r\n${seen}`);
  };
  const client = await connect(t, proxy.http);
  const sizes = [16_384, 65_535, 65_536, 65_537, 327_680, 1_000_000, 3_000_000];
  const put = (size: number) => `PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`;
  client.send(
    Buffer.concat(sizes.flatMap((size) => [Buffer.from(put(size)), pattern(size), Buffer.from(get('/get'))])),
  );
  for (const size of sizes) {
    assert.equal((await client.response()).body.toString(), `/put ${size}`);
    assert.equal((await client.response()).body.toString(), '/get 0');
  }
});
