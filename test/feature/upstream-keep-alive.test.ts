/** How long an idle connection to a backend is kept: never until the backend closes it under a request. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { statusOf } from '../kit/http-message.ts';
import { routeAll } from '../kit/manifests.ts';
import { answer, type BackendConnection, startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { startTidegate } from '../kit/tidegate.ts';
import { type Scope, within } from '../kit/waiting.ts';

const scope = { after };
const backend = await startRawBackend(scope);
const proxy = await startTidegate(scope, { manifests: routeAll('', backend.port) });

const ok = (keepAlive: string) => `HTTP/1.1 200 OK\r\n${keepAlive}Content-Length: 2\r\n\r\nok`;

/** Sends one request, which the backend answers with this field; gives the connection that it came on. */
async function ask(t: Scope, keepAlive: string): Promise<BackendConnection> {
  const { promise, resolve } = Promise.withResolvers<BackendConnection>();
  const reply = answer(ok(keepAlive));
  backend.behaviour = (connection) => {
    resolve(connection);
    return reply(connection);
  };
  const client = await connect(t, proxy.http);
  client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal(statusOf(await client.response()), 200);
  client.close();
  return await within(promise, 'the request at the backend');
}

test('a connection that the backend keeps for two seconds is closed by us before', async (t) => {
  const connection = await ask(t, 'Keep-Alive: timeout=2, max=100\r\n');
  // Our own limit is twice as long as any wait of a test.
  await connection.ended();
});

for (const seconds of [0, 1]) {
  test(`a connection that the backend keeps for ${seconds} s is not used again`, async (t) => {
    const first = await ask(t, `Keep-Alive: timeout=${seconds}\r\n`);
    await first.ended();
    const second = await ask(t, '');
    assert.notEqual(second, first);
    second.end();
  });
}

test('a connection that the backend keeps for long, or for a time that makes no sense, is used again', async (t) => {
  const first = await ask(t, 'Keep-Alive: timeout=600\r\n');
  for (const words of ['timeout=', 'timeout=-1', 'timeout=soon', 'max=5', 'timeout=99999999999999999999']) {
    assert.equal(await ask(t, `Keep-Alive: ${words}\r\n`), first, words);
  }
});
