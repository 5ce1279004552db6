/** How many requests may be tried again at once, and which. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryPeer } from '../kit/memory-transport.ts';
import { World } from './world.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

/** Gives the world's clients, each of which sent a request that reached a backend. */
function inFlight(world: World, count: number): MemoryPeer[] {
  const clients = Array.from({ length: count }, () => world.client());
  for (const client of clients) client.send(GET);
  world.transport.settle();
  assert.equal(world.backends.length, count);
  return clients;
}

const statuses = (clients: readonly MemoryPeer[]) =>
  clients.map((client) => client.text().slice('HTTP/1.1 '.length, 12)).sort();

test('a fifth of what an upstream has in flight is tried again at once, but at least three; the rest is answered', () => {
  for (const [count, retried] of [
    [1, 1],
    [3, 3],
    [10, 3],
    [40, 8],
  ] as const) {
    const world = new World({ endpoints: 3 });
    const clients = inFlight(world, count);
    // All fail before the first of them is tried again.
    for (const backend of [...world.backends]) backend.reset();
    for (const step of world.transport.steps()) if (step.what === 'reset') step.run();
    for (;;) {
      const close = world.transport.steps().find(({ what }) => what === 'close');
      if (close === undefined) break;
      close.run();
    }
    world.transport.settle();
    assert.equal(world.backends.length - count, retried, `of ${count}`);
    for (const backend of world.backends.slice(count)) backend.send(OK);
    world.transport.settle();
    const answered = statuses(clients).filter((status) => status === '200').length;
    assert.equal(answered, retried);
    world.assertSane(100_000);
    assert.equal(world.dataplane.stats.counters['limit_hits_total:retries'], count - retried);
  }
});

test('a retry that is being answered, however long, leaves its place to others', () => {
  const world = new World({ endpoints: 3 });
  const clients = inFlight(world, 12);
  for (const first of world.backends.slice(0, 12)) {
    const before = world.backends.length;
    first.reset();
    world.transport.settle();
    assert.equal(world.backends.length, before + 1, 'it is tried again');
    world.backends.at(-1)!.send('HTTP/1.1 200 OK\r\n\r\nand so on');
    world.transport.settle();
  }
  assert.deepEqual(statuses(clients), Array(12).fill('200'));
});

test('connections that idled in the pool and were closed are no retries', () => {
  const world = new World({ endpoints: 3 });
  const clients = inFlight(world, 12);
  for (const backend of world.backends.slice(0, 12)) backend.send(OK);
  world.transport.settle();
  for (const client of clients) client.send(GET);
  world.transport.settle();
  for (const backend of world.backends.slice(0, 12)) backend.reset();
  world.transport.settle();
  for (const backend of world.backends.slice(12)) backend.send(OK);
  world.transport.settle();
  assert.equal(world.backends.length, 24);
  assert.equal(world.dataplane.stats.counters['limit_hits_total:retries'], 0);
});

test('a client that leaves before it is tried again is forgotten', () => {
  const world = new World({ endpoints: 3 });
  const [client] = inFlight(world, 1);
  world.backends[0]!.reset();
  const step = (what: string) => world.transport.steps().find((one) => one.what === what)!;
  step('reset').run();
  step('close').run();
  client!.reset();
  step('reset').run();
  step('close').run();
  world.transport.settle();
  assert.equal(world.backends.length, 1);
  world.settle(200_000);
  world.assertNothingLeft();
});
