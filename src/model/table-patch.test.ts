import assert from 'node:assert/strict';
import { test } from 'node:test';
import { host, route, table, upstream } from '../../test/kit/routing.ts';
import { EMPTY_TABLE, type Route } from './routing-table.ts';
import { diffTables, type PatchChunk } from './table-patch.ts';

const numberedRoutes = (count: number): Record<string, Route> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`^/${i}`, route('a.test', `/${i}`)]));

const routesIn = (chunk: PatchChunk): number =>
  chunk.hosts.reduce((sum, patch) => sum + patch.set.length / 2, 0);

test('equal tables need no chunk', () => {
  const same = table([host('a.test', { '^': route('a.test', '/') })], [upstream('u')]);
  assert.deepEqual(diffTables(same, same, 10), []);
  assert.deepEqual(diffTables(EMPTY_TABLE, EMPTY_TABLE, 10), []);
});

test('only what changed is sent', () => {
  const kept = route('a.test', '/kept');
  const other = host('b.test', { '^': route('a.test', '/') });
  const before = table([host('a.test', { '^/kept': kept, '^/gone': route('a.test', '/gone') }), other]);
  const changed = route('a.test', '/new');
  const after = table([host('a.test', { '^/kept': kept, '^/new': changed }), other]);
  assert.deepEqual(diffTables(before, after, 10), [
    {
      upstreams: [],
      removedUpstreams: [],
      removedHosts: [],
      hosts: [
        { host: 'a.test', fallback: undefined, set: ['^/new', JSON.stringify(changed)], removed: ['^/gone'] },
      ],
    },
  ]);
});

test('a fallback that comes, changes or goes is told apart from one that stays', () => {
  const one = route('a.test', '');
  const two = route('a.test', '');
  const cases: [from: Route | null, to: Route | null, sent: string | null | undefined][] = [
    [null, one, JSON.stringify(one)],
    [one, two, JSON.stringify(two)],
    [one, null, null],
  ];
  for (const [from, to, sent] of cases) {
    const chunks = diffTables(table([host('a.test', {}, from)]), table([host('a.test', {}, to)]), 10);
    assert.equal(chunks[0]?.hosts[0]?.fallback, sent);
  }
  const stays = diffTables(
    table([host('a.test', {}, one)]),
    table([host('a.test', { '^': route('a.test', '/') }, one)]),
    10,
  );
  assert.equal(stays[0]?.hosts[0]?.fallback, undefined);
});

test('a host without paths is sent too, because it owns its requests', () => {
  const chunks = diffTables(EMPTY_TABLE, table([host('a.test', {})]), 10);
  assert.deepEqual(chunks[0]?.hosts, [{ host: 'a.test', fallback: undefined, set: [], removed: [] }]);
});

test('no chunk carries more routes than asked for, and none is lost', () => {
  const chunks = diffTables(EMPTY_TABLE, table([host('a.test', numberedRoutes(25))]), 10);
  assert.ok(chunks.every((chunk) => routesIn(chunk) <= 10));
  assert.equal(
    chunks.reduce((sum, chunk) => sum + routesIn(chunk), 0),
    25,
  );
});

test('removed hosts, paths and upstreams are named', () => {
  const before = table(
    [host('a.test', numberedRoutes(25)), host('b.test', {})],
    [upstream('u', '10.0.0.0', '10.0.0.1', '10.0.0.2')],
  );
  const after = table([host('a.test', {})]);
  const chunks = diffTables(before, after, 10);
  assert.equal(chunks.flatMap((chunk) => chunk.hosts.flatMap((patch) => patch.removed)).length, 25);
  assert.deepEqual(
    chunks.flatMap((chunk) => chunk.removedHosts),
    ['b.test'],
  );
  assert.deepEqual(
    chunks.flatMap((chunk) => chunk.removedUpstreams),
    ['u'],
  );
});
