import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Candidate, measureRounds, type Sample, summarise } from './rounds.ts';

function sample(cpuUs: number, completed = 100): Sample {
  return { completed, seconds: 1, p50Us: 10, p99Us: 20, errors: 0, cpuUs, systemUs: cpuUs / 2 };
}

test('the ratio is the median of the ratios of single rounds, so a slow moment of the machine does not count', () => {
  const samples = new Map([
    ['nginx', [sample(10), sample(30), sample(10)]],
    ['Tidegate', [sample(12), sample(36), sample(13)]],
  ]);
  const row = summarise({ name: 'Tidegate', reference: 'nginx' }, samples);
  assert.deepEqual(row.ratio, { to: 'nginx', cpu: 1.2, perSecond: 1 });
  assert.equal(row.cpuUs, 13);
  assert.equal(row.cpuLowerQuartileUs, 12.5);
  assert.equal(row.systemShare, 0.5);
});

test('a candidate whose reference was not measured has no ratio', () => {
  const samples = new Map([['Tidegate', [sample(12)]]]);
  assert.equal(summarise({ name: 'Tidegate', reference: 'nginx' }, samples).ratio, null);
});

test('errors of all rounds add up', () => {
  const samples = new Map([
    [
      'Tidegate',
      [
        { ...sample(1), errors: 2 },
        { ...sample(1), errors: 1 },
      ],
    ],
  ]);
  assert.equal(summarise({ name: 'Tidegate', reference: null }, samples).errors, 3);
});

test('each candidate warms up once and then runs once per round, in an order that moves', async () => {
  const runs: string[] = [];
  const candidate = (name: string): Candidate => ({
    name,
    pid: process.pid,
    reference: null,
    load: async () => {
      runs.push(name);
      return sample(1);
    },
  });
  await measureRounds(['a', 'b', 'c'].map(candidate), { rounds: 2, seconds: 1 });
  assert.equal(runs.join(''), 'abc' + 'abc' + 'bca');
});
