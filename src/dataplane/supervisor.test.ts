import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { fieldValue } from '../../test/kit/http-message.ts';
import { connect as connectRaw } from '../../test/kit/raw-client.ts';
import { eventually } from '../../test/kit/waiting.ts';
import { EMPTY_TABLE } from '../model/routing-table.ts';
import { type DataplaneConfig, DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type ListenerConfig } from './config.ts';
import { Supervisor } from './supervisor.ts';

const TASKS = '/proc/self/task';

function config(listeners: readonly ListenerConfig[]): DataplaneConfig {
  return {
    transport: 'net',
    listeners,
    trustedProxies: [],
    sendForwarded: false,
    serverName: '',
    accessLog: { enabled: false, sample: 1 },
    tls: { minVersion: 'TLSv1.2', ciphers: '', ciphersuites: '', groups: '', hsts: '' },
    upgrades: [],
    http2Cleartext: false,
    limits: DEFAULT_LIMITS,
    timeouts: DEFAULT_TIMEOUTS,
  };
}

function dataplaneThreads(): number {
  const names = readdirSync(TASKS).map((id) => readFileSync(`${TASKS}/${id}/comm`, 'utf8'));
  return names.filter((name) => name.startsWith('data plane')).length;
}

async function reached(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

test('a worker whose address is taken at its restart leaves nothing behind, and comes back when it is free', {
  skip: existsSync(TASKS) ? false : 'there is no /proc',
}, async (t) => {
  const failures: string[] = [];
  const free = { name: 'free', scheme: 'http', address: '127.0.0.1', port: 0 } as const;
  const supervisor = new Supervisor(config([free, { ...free, name: 'taken' }]), 1, {
    onStats: () => {},
    onAccessLog: () => {},
    onEvent: (_level, event, { message }) => {
      if (event === 'worker-start-failed') failures.push(String(message));
    },
    onLive: () => {},
    onWorkerRestart: () => {},
  });
  t.after(() => supervisor.stop(0));
  supervisor.apply({ ...EMPTY_TABLE, generation: 1 });
  const bound = await supervisor.start();
  const portOf = (name: string) => bound.find(({ listener }) => listener === name)!.port;

  const thief = createServer();
  await supervisor.workers[0]!.terminate();
  await once(thief.listen(portOf('taken'), '127.0.0.1'), 'listening');
  await eventually(() => assert.ok(failures.length >= 2));
  assert.match(failures[0]!, /listener taken cannot use 127\.0\.0\.1:\d+: EADDRINUSE/);
  // Its end takes a moment.
  await eventually(() => assert.rejects(reached(portOf('free')), 'nobody listens with a table of the past'));

  thief.close();
  await eventually(() => reached(portOf('taken')));
  await reached(portOf('free'));
  await eventually(() => assert.equal(dataplaneThreads(), 1));
});

test('an address is let go when the requests of its own connections have ended', async (t) => {
  const listener = { name: 'all', scheme: 'http', address: '0.0.0.0', port: 0 } as const;
  const { timeouts, ...rest } = config([listener]);
  const patient = { ...rest, timeouts: { ...timeouts, drainIdle: 60_000 } };
  const supervisor = new Supervisor(patient, 2, {
    onStats: () => {},
    onAccessLog: () => {},
    onEvent: () => {},
    onLive: () => {},
    onWorkerRestart: () => {},
  });
  t.after(() => supervisor.stop(0));
  supervisor.apply({ ...EMPTY_TABLE, generation: 1 });
  const [{ port } = { port: 0 }] = await supervisor.start();
  const [line, host] = ['GET / HTTP/1.1\r\n', 'Host: h\r\n\r\n'];
  const client = (address: string) => connectRaw(t, port, address);

  const idle = await client('127.0.0.2');
  idle.send(line + host);
  await idle.response();
  await supervisor.finish('127.0.0.2', 60_000);
  assert.equal(await idle.ended(), 'fin');
  idle.close();

  const [running, elsewhere] = [await client('127.0.0.2'), await client('127.0.0.1')];
  running.send(line);
  elsewhere.send(line);
  let isOver = false;
  const over = supervisor.finish('127.0.0.2', 60_000).then(() => {
    isOver = true;
  });
  await supervisor.finish('127.0.0.3', 60_000);
  assert.equal(isOver, false);
  await supervisor.finish('127.0.0.2', 1);
  assert.equal(isOver, false, 'the one who waits less gets its answer alone');
  running.send(host);
  assert.equal(fieldValue(await running.response(), 'connection'), 'close');
  running.close();
  await over;
  elsewhere.send(host);
  assert.equal(fieldValue(await elsewhere.response(), 'connection'), null);
});
