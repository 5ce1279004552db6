import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from './options.ts';
import { PEERS } from './peers/all.ts';
import { SCENARIOS } from './scenarios/all.ts';

test('without arguments everything is measured', () => {
  const options = parseOptions([]);
  assert.deepEqual(options.scenarios, SCENARIOS);
  assert.deepEqual(options.peers, PEERS);
  assert.deepEqual(options.effort, { rounds: 7, seconds: 2 });
});

test('--quick means few and short rounds, unless they are given', () => {
  assert.deepEqual(parseOptions(['--quick']).effort, { rounds: 2, seconds: 1 });
  assert.deepEqual(parseOptions(['--quick', '--rounds', '5']).effort, { rounds: 5, seconds: 1 });
});

test('chosen scenarios and peers keep the order of the report; case does not matter', () => {
  const { scenarios, peers } = parseOptions(['--scenario', 'upload,small-get', '--peers', 'caddy, tidegate']);
  assert.deepEqual(
    scenarios.map(({ name }) => name),
    ['small-get', 'upload'],
  );
  assert.deepEqual(
    peers.map(({ name }) => name),
    ['Tidegate', 'Caddy'],
  );
});

test('what cannot be meant is refused with the choices', () => {
  assert.throws(
    () => parseOptions(['--peers', 'nginx,traefik']),
    /--peers: unknown traefik; expected some of Tidegate, nginx/,
  );
  assert.throws(() => parseOptions(['--rounds', '0']), /--rounds: 0 is not a whole number above 0/);
  assert.throws(() => parseOptions(['--frequency', '1']));
});
