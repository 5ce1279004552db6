import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesApi } from '../kubernetes/api.ts';
import { failure } from '../kubernetes/result.ts';
import { Writer } from './writer.ts';

const LIMITS = { parallel: 1, perSecond: 100, burst: 10, waiting: 10 };

test('nothing is sent any more when the leadership is over, though nobody has said so yet', async () => {
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const request: KubernetesApi['request'] = async (_, path) => {
    sent.push(path);
    await new Promise<void>((resolve) => answers.push(resolve));
    return { ok: true, status: 200, body: null };
  };
  let isLeading = true;
  const outcomes = Promise.withResolvers<void>();
  const writer = new Writer({
    api: { request } as KubernetesApi,
    limits: LIMITS,
    isLeading: () => isLeading,
    onOutcome: () => outcomes.resolve(),
    onTrouble: assert.fail,
  });
  writer.lead(new AbortController().signal);
  writer.put({ key: 'a', basis: 1, request: { method: 'PATCH', path: '/a' } });
  writer.put({ key: 'b', basis: 1, request: { method: 'PATCH', path: '/b' } });
  assert.deepEqual(sent, ['/a']);
  // As after a long pause of the process: the answer comes before the timer that ends the term.
  isLeading = false;
  answers[0]!();
  await outcomes.promise;
  writer.put({ key: 'c', basis: 1, request: { method: 'PATCH', path: '/c' } });
  assert.deepEqual(sent, ['/a']);
});

test('a kind of failure is told once, also when other writes succeed in between', async () => {
  const request: KubernetesApi['request'] = async (_, path) =>
    path.includes('bad')
      ? failure('http', 'Forbidden', `policy says no to ${path}`, 403)
      : { ok: true, status: 200, body: null };
  const troubles: string[] = [];
  const done = Promise.withResolvers<void>();
  let outcomes = 0;
  const writer = new Writer({
    api: { request } as KubernetesApi,
    limits: LIMITS,
    isLeading: () => true,
    onOutcome: () => (++outcomes === 6 ? done.resolve() : undefined),
    onTrouble: (message) => troubles.push(message),
  });
  const term = new AbortController();
  writer.lead(term.signal);
  for (const name of ['bad-1', 'good-1', 'bad-2', 'good-2', 'bad-3', 'good-3'])
    writer.put({ key: name, basis: 1, request: { method: 'PATCH', path: `/${name}` } });
  await done.promise;
  term.abort();
  assert.deepEqual(troubles, ['bad-1: Forbidden: policy says no to /bad-1']);
});
