/** Peers that are slow or silent are cut. Only what happens is asserted, never when. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { statusOf } from '../kit/http-message.ts';
import { holdAnswers, OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { routeAll } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n';

describe('a slow client', async () => {
  const fixture = await startHttp1Fixture(
    { after },
    {
      args: [
        ...[
          '--timeout-request-head',
          '700ms',
          '--timeout-body-idle',
          '700ms',
          '--timeout-keep-alive',
          '700ms',
        ],
        ...['--timeout-send-idle', '700ms', '--timeout-tunnel-idle', '700ms'],
      ],
    },
  );
  const { backend } = fixture;

  test('that sends half a head gets 408', async () => {
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHo');
    assert.equal(statusOf(await client.response()), 408);
    assert.equal(await client.ended(), 'fin');
  });

  test('that sends a head byte by byte gets 408, however busy it is', async () => {
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: h\r\nX: ');
    const drip = setInterval(() => client.send('x'), 20);
    assert.equal(statusOf(await client.response()), 408);
    await client.ended();
    clearInterval(drip);
  });

  test('that sends nothing at all is closed', async () => {
    const client = await fixture.connect();
    assert.equal(await client.ended(), 'fin');
  });

  test('that stops in a body gets 408, and the backend is cut off', async () => {
    const mark = backend.mark();
    backend.behaviour = OK;
    const client = await fixture.connect();
    client.send(`${POST}hello`);
    assert.equal(statusOf(await client.response()), 408);
    await client.ended();
    for (const { connection } of backend.since(mark)) await connection.ended();
  });

  test('that stays idle after an answer is closed without a word', async () => {
    backend.behaviour = OK;
    const client = await fixture.connect();
    client.send(GET);
    await client.response();
    assert.equal(await client.ended(), 'fin');
    assert.equal(client.inbox.rest.length, 0);
  });

  test('that begins a next request and stops gets 408', async () => {
    backend.behaviour = OK;
    const client = await fixture.connect();
    client.send(`${GET}GET /`);
    assert.equal(statusOf(await client.response()), 200);
    assert.equal(statusOf(await client.response()), 408);
  });

  test('that does not read is cut, and the backend with it', async () => {
    const ended = Promise.withResolvers<void>();
    backend.behaviour = async (connection) => {
      await connection.request();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n');
      connection.send(Buffer.alloc(64 * 1024 * 1024));
      await connection.ended();
      ended.resolve();
    };
    const client = await fixture.connect();
    client.inbox.pause();
    client.send(GET);
    await ended.promise;
    client.close();
  });

  test('that says nothing in a tunnel is closed on both sides', async () => {
    const ended = Promise.withResolvers<void>();
    backend.behaviour = async (connection) => {
      await connection.request();
      connection.send('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n');
      await connection.ended();
      ended.resolve();
    };
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n');
    assert.equal(statusOf(await client.response()), 101);
    await client.ended();
    await ended.promise;
  });
});

test('a body that drips below the minimum rate gets 408, though it is never idle', async (t) => {
  const fixture = await startHttp1Fixture(t, {
    args: ['--timeout-body-rate', '1000', '--timeout-body-rate-grace', '700ms'],
  });
  const client = await fixture.connect();
  client.send(POST);
  const drip = setInterval(() => client.send('x'), 20);
  t.after(() => clearInterval(drip));
  assert.equal(statusOf(await client.response()), 408);
});

test('a body that begins fast and then drips gets 408 too', async (t) => {
  const fixture = await startHttp1Fixture(t, {
    args: [
      ...['--timeout-body-rate', '1000', '--timeout-body-rate-grace', '200ms'],
      ...['--timeout-body-idle', '1s'],
    ],
  });
  const client = await fixture.connect();
  client.send(POST);
  client.send('x'.repeat(90_000));
  const drip = setInterval(() => client.send('x'), 20);
  t.after(() => clearInterval(drip));
  assert.equal(statusOf(await client.response()), 408);
});

test('a body above the minimum rate passes', async (t) => {
  const fixture = await startHttp1Fixture(t, {
    args: ['--timeout-body-rate', '1000', '--timeout-body-rate-grace', '200ms'],
  });
  const client = await fixture.connect();
  client.send(POST);
  // Paced on purpose: 100,000 bytes in twenty parts over more than the grace time.
  for (let part = 0; part < 20; part++) {
    client.send('x'.repeat(5000));
    await delay(20);
  }
  assert.equal(statusOf(await client.response()), 200);
});

describe('a slow backend', async () => {
  const fixture = await startHttp1Fixture(
    { after },
    {
      args: [
        '--timeout-response',
        '700ms',
        '--timeout-upstream-idle',
        '700ms',
        '--timeout-connect',
        '700ms',
        '--timeout-upstream-send-idle',
        '700ms',
      ],
    },
  );
  const { backend } = fixture;

  test('that does not answer becomes 504, and is cut off', async () => {
    const mark = backend.mark();
    const response = await fixture.get(async (connection) => {
      await connection.request();
      await connection.ended();
    });
    assert.equal(statusOf(response), 504);
    for (const { connection } of backend.since(mark)) await connection.ended();
  });

  test('that stops in the head becomes 504 or 502', async () => {
    const response = await fixture.get(async (connection) => {
      await connection.request();
      connection.send('HTTP/1.1 200 OK\r\nContent-');
      await connection.ended();
    });
    assert.ok([502, 504].includes(statusOf(response)), response.startLine);
  });

  test('that stops in the body ends the response short', async () => {
    backend.behaviour = async (connection) => {
      await connection.request();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
      await connection.ended();
    };
    const client = await fixture.connect();
    client.send(GET);
    await assert.rejects(client.response(), /the connection ended/);
  });

  test('that does not take the body becomes 504 or 502, and is cut off', async () => {
    const mark = backend.mark();
    const responded = Promise.withResolvers<void>();
    backend.behaviour = async (connection) => {
      await connection.head();
      connection.inbox.pause();
      await responded.promise;
    };
    const client = await fixture.connect();
    client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${64 * 1024 * 1024}\r\n\r\n`);
    client.send(Buffer.alloc(64 * 1024 * 1024));
    assert.ok([502, 504].includes(statusOf(await client.response())));
    client.close();
    responded.resolve();
    for (const { connection } of backend.since(mark)) {
      connection.inbox.resume();
      await connection.ended();
    }
  });

  test('gets its idle connection closed', async () => {
    const mark = backend.mark();
    assert.equal(statusOf(await fixture.get(OK)), 200);
    assert.equal(await backend.since(mark)[0]!.connection.ended(), 'fin');
  });

  test('that does not even accept the connection becomes an error of the gateway', async (t) => {
    const port = await startStoppedServer(t);
    await fixture.proxy.change('stopped.yaml', routeAll('stopped', port));
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: stopped\r\n\r\n');
    const status = statusOf(await client.response());
    assert.ok([502, 503, 504].includes(status), String(status));
  });
});

test('a request that waits too long for a free upstream connection gets 503', async (t) => {
  const fixture = await startHttp1Fixture(t, {
    args: ['--limit-endpoint-connections', '1', '--timeout-pending', '200ms'],
  });
  const { goOn } = holdAnswers(fixture);
  const [first, second] = [await fixture.connect(), await fixture.connect()];
  first.send(GET);
  await fixture.backend.received(1);
  second.send(GET);
  assert.equal(statusOf(await second.response()), 503);
  goOn();
  assert.equal(statusOf(await first.response()), 200);
  assert.equal(fixture.backend.requests.length, 1);
});

/** A listening server whose process is stopped and whose backlog is full: connecting to it hangs. */
async function startStoppedServer(t: { after(fn: () => void): void }): Promise<number> {
  const code = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    console.log(this.address().port);
  })`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  const fillers = Array.from({ length: 8 }, () =>
    connectSocket({ port, host: '127.0.0.1' }).on('error', () => {}),
  );
  t.after(() => fillers.forEach((socket) => void socket.destroy()));
  await eventually(() => assert.ok(fillers.filter(({ connecting }) => !connecting).length >= 2));
  return port;
}
