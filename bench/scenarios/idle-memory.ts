import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { makeCertificate, TLS_HOST } from '../certificate.ts';
import { residentBytesOfTree } from '../cpu.ts';
import { expectBody } from '../load/verify.ts';
import { LOAD_CORE } from '../processes.ts';
import type { Fact, Scenario } from './scenario.ts';
import { type RunningPeer, startPeers } from './side-by-side.ts';

const CLIENT = new URL('../load/idle-client.ts', import.meta.url).pathname;

export const idleMemory: Scenario = {
  name: 'idle-memory',
  title: 'Idle keep-alive connections',
  description:
    'Growth of resident memory per client connection that made one request and stays open; the kernel’s socket memory is not in it.',
  run: async (context) => {
    const connections = context.quick ? 1000 : 5000;
    const { running, failures } = await startPeers(context, {
      title: 'Idle keep-alive connections',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      verify: (origin) => expectBody(origin, Buffer.from(SMALL_BODY)),
    });
    const facts: Fact[] = [];
    try {
      for (const peer of running) facts.push(await measure(peer, connections));
    } finally {
      await Promise.all(running.map((peer) => peer.process.stop()));
    }
    return { comparisons: [], facts, failures };
  },
};

export const idleTlsMemory: Scenario = {
  name: 'idle-tls-memory',
  title: 'Idle keep-alive connections over TLS',
  description: 'The same over TLS 1.3 with HTTP/1.1: what a session and its buffers take.',
  run: async (context) => {
    const connections = context.quick ? 1000 : 4000;
    const { running, failures } = await startPeers(context, {
      title: 'Idle keep-alive connections over TLS',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      tls: await makeCertificate(context.directory),
      verify: (origin) => expectBody(`${origin}/`, Buffer.from(SMALL_BODY)),
    });
    const facts: Fact[] = [];
    try {
      for (const peer of running) facts.push(await measure(peer, connections, TLS_HOST));
    } finally {
      await Promise.all(running.map((peer) => peer.process.stop()));
    }
    return { comparisons: [], facts, failures };
  },
};

/** The first, smaller crowd pays for what grows once only: heap, code, tables sized by the number of connections. */
async function measure(
  peer: RunningPeer,
  connections: number,
  serverName: string | null = null,
): Promise<Fact> {
  await withIdleConnections(peer, connections / 10, serverName, async () => {});
  const before = await smallestResident(peer.process.pid);
  const after = await withIdleConnections(peer, connections, serverName, () =>
    smallestResident(peer.process.pid),
  );
  return {
    name: `${peer.name}, per idle connection (${connections.toLocaleString('en')} open)`,
    value: (after - before) / connections / 1024,
    unit: 'KiB',
    atMost: peer.name === 'Tidegate' && serverName === null ? 6 : null,
  };
}

/** Runs `use` while the connections are open; rejects when one of them fails. */
async function withIdleConnections<T>(
  peer: RunningPeer,
  count: number,
  serverName: string | null,
  use: () => Promise<T>,
): Promise<T> {
  const args = [CLIENT, new URL(peer.origin).port, String(count)];
  if (serverName !== null) args.push(serverName);
  const client: ChildProcessByStdio<Writable, Readable, null> = spawn(
    'taskset',
    ['-c', LOAD_CORE, process.execPath, ...args],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const ended = once(client, 'exit');
  try {
    const [line] = (await Promise.race([once(client.stdout, 'data'), ended])) as [unknown];
    if (String(line) !== 'open\n')
      throw new Error(`${peer.name}: ${count} idle connections could not be opened`);
    return await use();
  } finally {
    client.stdin.end();
    const [code] = (await ended) as [number | null];
    if (code !== 0) console.error(`${peer.name}: some of the idle connections were closed by the proxy`);
  }
}

/** A garbage collector gives memory back some time after it is free: the smallest value of three seconds. */
async function smallestResident(pid: number): Promise<number> {
  let smallest = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 6; look++) {
    await delay(500);
    smallest = Math.min(smallest, residentBytesOfTree(pid));
  }
  return smallest;
}
