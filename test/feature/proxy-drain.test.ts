/** SIGTERM: nothing that runs is lost, and nothing new is taken for longer than promised. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fieldValue, statusOf } from '../kit/http-message.ts';
import { type Http1Fixture, holdAnswers, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { makeManifestFolder } from '../kit/manifests.ts';
import { connect } from '../kit/raw-client.ts';
import { eventually, within } from '../kit/waiting.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

/** Waits until the HTTP port takes no more connections. */
function listenerClosed(t: TestContext, fixture: Http1Fixture): Promise<void> {
  return eventually(async () => {
    const refused = await connect(t, fixture.proxy.http).then(
      (client) => client.close(),
      (error: NodeJS.ErrnoException) => error.code,
    );
    assert.equal(refused, 'ECONNREFUSED');
  });
}

// Each has a program of its own and mostly waits.
describe('after SIGTERM', { concurrency: 4 }, () => {
  test('a request in flight is finished, then the program ends with 0', async (t) => {
    const fixture = await startHttp1Fixture(t);
    const { goOn } = holdAnswers(fixture);
    const client = await fixture.connect();
    client.send(GET);
    await fixture.backend.received(1);
    fixture.proxy.signal('SIGTERM');
    await listenerClosed(t, fixture);
    goOn();
    const response = await client.response();
    assert.equal(response.body.toString(), 'ok');
    assert.equal(fieldValue(response, 'connection'), 'close');
    assert.equal(await client.ended(), 'fin');
    client.close();
    assert.deepEqual(await fixture.proxy.exit(), { code: 0, signal: null });
  });

  test('readiness goes false first, while requests are still taken for the drain delay', async (t) => {
    const fixture = await startHttp1Fixture(t, {
      args: ['--drain-delay', '1500ms', '--timeout-drain-idle', '100ms'],
    });
    assert.equal((await fixture.proxy.get('/readyz')).status, 200);
    fixture.proxy.signal('SIGTERM');
    await eventually(async () => assert.equal((await fixture.proxy.get('/readyz')).status, 503));
    assert.equal((await fixture.proxy.get('/healthz')).status, 200);
    const client = await fixture.connect();
    client.send(GET);
    assert.equal(statusOf(await client.response()), 200);
    client.close();
    assert.equal((await fixture.proxy.exit()).code, 0);
  });

  test('the ready file is there while the program is ready', async (t) => {
    const folder = await makeManifestFolder(t);
    const file = join(folder.path, 'ready');
    const fixture = await startHttp1Fixture(t, {
      args: ['--drain-delay', '60s', '--ready-file', file],
    });
    assert.equal(existsSync(file), true);
    fixture.proxy.signal('SIGTERM');
    await eventually(() => assert.equal(existsSync(file), false));
    const client = await fixture.connect();
    client.send(GET);
    assert.equal(statusOf(await client.response()), 200);
    client.close();
    fixture.proxy.signal('SIGTERM');
    await fixture.proxy.exit();
  });

  test('a keep-alive connection that was idle is answered once more and told to go', async (t) => {
    const fixture = await startHttp1Fixture(t, { args: ['--timeout-drain-idle', '10s'] });
    const client = await fixture.connect();
    client.send(GET);
    await client.response();
    fixture.proxy.signal('SIGTERM');
    await listenerClosed(t, fixture);
    client.send(GET);
    const response = await client.response();
    assert.equal(statusOf(response), 200);
    assert.equal(fieldValue(response, 'connection'), 'close');
    assert.equal(await client.ended(), 'fin');
    client.close();
    assert.equal((await fixture.proxy.exit()).code, 0);
  });

  test('a keep-alive connection that stays idle does not hold up the end', async (t) => {
    const fixture = await startHttp1Fixture(t, {
      args: ['--timeout-drain-idle', '100ms', '--drain', '60s'],
    });
    const client = await fixture.connect();
    client.send(GET);
    await client.response();
    fixture.proxy.signal('SIGTERM');
    assert.equal(await client.ended(), 'fin');
    client.close();
    assert.equal((await fixture.proxy.exit()).code, 0);
  });

  test('an upload in flight is finished', async (t) => {
    const fixture = await startHttp1Fixture(t);
    const client = await fixture.connect();
    const mark = fixture.backend.mark();
    client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello');
    await eventually(() => assert.equal(fixture.backend.since(mark).length, 1));
    fixture.proxy.signal('SIGTERM');
    await listenerClosed(t, fixture);
    client.send('world');
    assert.equal(statusOf(await client.response()), 200);
    assert.equal(fixture.backend.requests.at(-1)?.body.toString(), 'helloworld');
    client.close();
    assert.equal((await fixture.proxy.exit()).code, 0);
  });

  test('what still runs at the end of the grace time is cut', async (t) => {
    const fixture = await startHttp1Fixture(t, { args: ['--drain', '300ms'] });
    holdAnswers(fixture);
    const client = await fixture.connect();
    client.send(GET);
    await fixture.backend.received(1);
    fixture.proxy.signal('SIGTERM');
    await client.ended();
    assert.equal((await fixture.proxy.exit()).signal, null);
  });

  test('a tunnel goes on until the grace time is over', async (t) => {
    const fixture = await startHttp1Fixture(t, { args: ['--drain', '1500ms'] });
    fixture.backend.behaviour = async (connection) => {
      await connection.request();
      connection.send('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n');
      const read = (rest: Buffer) => (rest.length < 4 ? null : { value: rest, used: 4 });
      connection.send(await connection.inbox.take('4 bytes', read));
      await connection.ended();
    };
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n');
    assert.equal(statusOf(await client.response()), 101);
    fixture.proxy.signal('SIGTERM');
    await listenerClosed(t, fixture);
    client.send('ping');
    assert.equal((await client.bytes(4)).toString(), 'ping');
    await client.ended();
    client.close();
    assert.equal((await fixture.proxy.exit()).signal, null);
  });

  test('a second signal ends it now', async (t) => {
    const fixture = await startHttp1Fixture(t, { args: ['--drain', '600s'] });
    holdAnswers(fixture);
    const client = await fixture.connect();
    client.send(GET);
    await fixture.backend.received(1);
    fixture.proxy.signal('SIGTERM');
    await listenerClosed(t, fixture);
    fixture.proxy.signal('SIGTERM');
    await within(client.ended(), 'the connection to be cut');
    await fixture.proxy.exit();
  });

  test('SIGINT drains as well', async (t) => {
    const fixture = await startHttp1Fixture(t);
    fixture.proxy.signal('SIGINT');
    assert.deepEqual(await fixture.proxy.exit(), { code: 0, signal: null });
  });
});
