/** HTTP/2 clients that take their time: each wait that is the client's to end has a bound. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PREFACE } from '../../src/dataplane/http2/frames.ts';
import { connectH2, encodeBlock, type Fields, GET, H2Client, POST } from '../kit/h2-client.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { connect } from '../kit/raw-client.ts';

const { proxy, backend } = await startHttp1Fixture(
  { after },
  {
    args: [
      ...['--http2-cleartext', 'on', '--timeout-request-head', '300ms', '--timeout-body-idle', '300ms'],
      ...['--timeout-tunnel-idle', '300ms'],
    ],
  },
);

test('a connection that does not say what it speaks is closed', async (t) => {
  const client = await connect(t, proxy.http);
  client.send('PR');
  await client.ended();
});

test('a preface that does not come whole is PROTOCOL_ERROR', async (t) => {
  const client = new H2Client(await connect(t, proxy.http));
  client.raw.send(PREFACE.subarray(0, 20));
  assert.equal(await client.goaway(), 1);
  assert.equal(await client.ended(), 'fin');
});

test('a header block that does not end is PROTOCOL_ERROR', async (t) => {
  const client = await connectH2(t, proxy.http);
  client.send(1, 1, 1, encodeBlock(GET));
  assert.equal(await client.goaway(), 1);
});

test('a body that stops is 408, and the connection lives on', async (t) => {
  backend.behaviour = async (connection) => {
    await connection.ended();
  };
  const client = await connectH2(t, proxy.http);
  client.request(1, POST, false);
  client.data(1, 'part');
  assert.equal((await client.response(1)).status, 408);
  backend.behaviour = OK;
  client.request(3);
  assert.equal((await client.response(3)).status, 200);
});

test('a tunnel in which nothing moves is ended', async (t) => {
  backend.behaviour = async (connection) => {
    await connection.request();
    connection.send(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello',
    );
    await connection.ended();
  };
  const fields: Fields = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)];
  const client = await connectH2(t, proxy.http);
  client.request(1, fields, false);
  const { status, body, reset } = await client.response(1);
  assert.deepEqual([status, body.toString(), reset], [200, 'hello', 0]);
});
