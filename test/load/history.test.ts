import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addBackend, type Cell, firstCell, removeBackend, routeOf } from './cell.ts';
import { History } from './history.ts';

const ROUTE = routeOf(0, 0, 0);

/** Version 1 (a) is written at 0, 2 (a, b) at 10, 3 (b) at 20. */
function threeVersions(): History {
  const history = new History();
  const first: Cell = firstCell(0, [['a'], ['x'], ['y']]);
  const second = addBackend(0, 'b')(first);
  const third = removeBackend('a')(second);
  for (const [index, cell] of [first, second, third].entries()) history.wrote(cell, index * 10);
  return history;
}

const right = (history: History, start: number, end: number) =>
  [...history.rightFor(ROUTE, start, end)].sort();

test('a version is right from the moment its file begins to be replaced', () => {
  assert.deepEqual(right(threeVersions(), 0, 9), ['a']);
  assert.deepEqual(right(threeVersions(), 0, 10), ['a', 'b']);
});

test('a version stays right until a later one is live everywhere', () => {
  const history = threeVersions();
  assert.deepEqual(right(history, 100, 101), ['a', 'b']);
  history.live([3], 30);
  assert.deepEqual(right(history, 29, 101), ['a', 'b']);
  assert.deepEqual(right(history, 31, 101), ['b']);
});

test('the first word that a version is live counts', () => {
  const history = threeVersions();
  history.live([2], 30);
  history.live([3], 40);
  history.live([3], 50);
  assert.deepEqual(right(history, 45, 46), ['b']);
});

test('who waits for a version is told when it or a later one is live', async () => {
  const history = threeVersions();
  const waiting = history.whenLive(0, 2);
  history.live([3], 30);
  await waiting;
  await history.whenLive(0, 3);
});

test('a path that is served by another Service has other backends', () => {
  assert.deepEqual([...threeVersions().rightFor(routeOf(0, 0, 1), 0, 100)], ['x']);
});
