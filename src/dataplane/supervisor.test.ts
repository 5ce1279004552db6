import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
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
