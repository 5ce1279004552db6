import assert from 'node:assert/strict';
import { test } from 'node:test';
import { host, route, table } from '../../test/kit/routing.ts';
import { EMPTY_TABLE } from '../model/routing-table.ts';
import type { ToWorker } from './messages.ts';
import { TableDelivery, TableStages } from './table-delivery.ts';

/** Two stages' worth of routes below `path`. */
const large = (path: string) => {
  const names = Array.from({ length: 300 }, (_, i) => `${path}${i}`);
  return table([
    host('a.test', Object.fromEntries(names.map((name) => [`^${name}`, route('a.test', name)]))),
  ]);
};
const small = table([host('a.test', { '^': route('a.test', '/') })]);
const kinds = (messages: readonly ToWorker[]) => messages.map(({ kind }) => kind);

test('stages go one at a time, and the commit with the last', () => {
  const delivery = new TableDelivery(new TableStages());
  const wanted = large('/');
  assert.deepEqual(kinds(delivery.bringTo(wanted)), ['stage']);
  assert.deepEqual(kinds(delivery.next()), ['stage', 'commit']);
  assert.deepEqual(kinds(delivery.next()), []);
  assert.equal(delivery.table, null);
  assert.equal(delivery.applied(0.5), true);
  assert.equal(delivery.table, wanted);
  assert.equal(delivery.pauseMs, 0.5);
});

test('a table in which nothing differs is committed at once, and the same one not again', () => {
  const delivery = new TableDelivery(new TableStages());
  assert.deepEqual(kinds(delivery.bringTo(EMPTY_TABLE)), ['commit']);
  assert.equal(delivery.applied(0), true);
  assert.deepEqual(kinds(delivery.bringTo(EMPTY_TABLE)), []);
  assert.equal(delivery.applied(0), false, 'it was not on the way to anything');
});

test('a newer table waits until the one on its way was applied, and is then the difference to that', () => {
  const stages = new TableStages();
  const delivery = new TableDelivery(stages);
  const first = large('/');
  delivery.bringTo(first);
  assert.deepEqual(kinds(delivery.bringTo(small)), []);
  assert.deepEqual(kinds(delivery.next()), ['stage', 'commit']);
  delivery.applied(0);
  const [message] = delivery.bringTo(small);
  assert.deepEqual(message, stages.between(first, small)[0]);
});

test('what brings one worker to a table is not made again for the next', () => {
  const stages = new TableStages();
  const made = stages.between(EMPTY_TABLE, small);
  assert.equal(stages.between(EMPTY_TABLE, small), made);
  stages.forget();
  assert.notEqual(stages.between(EMPTY_TABLE, small), made);
});
