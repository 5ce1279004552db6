import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FilePosition, Problem } from '../model/problem.ts';
import { type AnyObject, EMPTY_SNAPSHOT, type Snapshot } from '../model/snapshot.ts';
import { decodeObject } from './decode/all.ts';
import { nextSnapshot } from './store.ts';

function make(kind: string, name: string, body: object, position: FilePosition | null = null): AnyObject {
  const decoded = decodeObject({ apiVersion: 'v1', kind, metadata: { name }, ...body }, position);
  assert.ok(decoded.kind === 'decoded', JSON.stringify(decoded));
  return decoded.records[0]!; // one record per object of these kinds
}
const service = (name: string, port: number, position?: FilePosition) =>
  make('Service', name, { spec: { ports: [{ port }] } }, position);
const secret = (text: string) => make('Secret', 's', { stringData: { key: text } });
const keysOf = (snapshot: Snapshot) => [...snapshot.services.keys()];

describe('the next snapshot', () => {
  const first = nextSnapshot(EMPTY_SNAPSHOT, { put: [service('a', 1), service('b', 1), secret('x')] });

  test('shares what did not change with the one before', () => {
    const next = nextSnapshot(first, { put: [service('a', 2), service('b', 1)] });
    assert.equal(next.version, first.version + 1);
    assert.notEqual(next.services.get(keysOf(next)[0]!), first.services.get(keysOf(first)[0]!));
    assert.equal(next.services.get(keysOf(next)[1]!), first.services.get(keysOf(first)[1]!));
    assert.equal(next.secrets, first.secrets);
  });

  test('is the same snapshot when nothing changed', () => {
    const problem: Problem = {
      severity: 'error',
      reason: 'Invalid',
      object: null,
      field: '',
      message: '',
      position: null,
    };
    const withProblem = nextSnapshot(first, { problems: [problem] });
    assert.notEqual(withProblem, first);
    const again = { put: [service('a', 1), secret('x')], problems: [{ ...problem }], removed: [] };
    assert.equal(nextSnapshot(withProblem, again), withProblem);
  });

  test('lacks what was removed; removing what is not there changes nothing', () => {
    const { meta } = service('a', 1);
    const next = nextSnapshot(first, { removed: [{ kind: 'Service', key: meta.key }] });
    assert.deepEqual(keysOf(next), ['default/b']);
    assert.deepEqual(keysOf(first), ['default/a', 'default/b']);
    assert.equal(nextSnapshot(next, { removed: [{ kind: 'Service', key: meta.key }] }), next);
  });

  test('has a Secret whose bytes changed', () => {
    assert.notEqual(nextSnapshot(first, { put: [secret('y')] }).secrets, first.secrets);
  });

  test('keeps an object that moved inside its file, and takes one that moved to another', () => {
    const at = (file: string, line: number) => service('c', 1, { file, document: 1, line });
    const there = nextSnapshot(first, { put: [at('x.yaml', 1)] });
    assert.equal(nextSnapshot(there, { put: [at('x.yaml', 9)] }), there);
    assert.notEqual(nextSnapshot(there, { put: [at('y.yaml', 1)] }), there);
  });
});
