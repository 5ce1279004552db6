import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Failure, isExcused } from './verdict.ts';

const KILL = { from: 1000, until: 1010 };
const CUT: Failure = { client: 'c', kind: 'cut', openedAt: 500, at: 1020, message: '', noticedLateMs: 0 };

const cases: readonly [what: string, failure: Failure, excused: boolean][] = [
  ['a connection that was open and was cut by the kill', CUT, true],
  ['one that was opened while the worker died', { ...CUT, openedAt: 1009 }, true],
  ['one that was opened afterwards', { ...CUT, openedAt: 1011 }, false],
  ['one that was cut before', { ...CUT, at: 999 }, false],
  ['one that was cut long afterwards', { ...CUT, at: 5000 }, false],
  ['one that a slow client noticed later', { ...CUT, at: 4000, noticedLateMs: 1200 }, true],
  ['but not at any time', { ...CUT, at: 5000, noticedLateMs: 1200 }, false],
  ['a wrong answer', { ...CUT, kind: 'wrong' }, false],
  ['a refused connection, as another worker was there', { ...CUT, kind: 'refused' }, false],
  ['an answer that never came', { ...CUT, kind: 'late' }, false],
];
for (const [what, failure, excused] of cases) {
  test(`${what} is ${excused ? '' : 'not '}excused`, () => assert.equal(isExcused(failure, [KILL]), excused));
}

test('without a kill nothing is excused', () => assert.equal(isExcused(CUT, []), false));
