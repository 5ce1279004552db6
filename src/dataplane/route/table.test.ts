import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { host, route, table as tableOf, upstream } from '../../../test/kit/routing.ts';
import type { UpstreamKey } from '../../model/keys.ts';
import { EMPTY_TABLE, type Route, type RoutingTable, type Upstream } from '../../model/routing-table.ts';
import { diffTables, type PatchChunk, type UpstreamPatch } from '../../model/table-patch.ts';
import { matchLinear } from './linear.ts';
import { LiveTable } from './table.ts';

interface Compiled {
  readonly route: Route;
}

/** A live table that records what it tells its owner. */
function applyAll(live: LiveTable<Compiled>, chunks: readonly PatchChunk[], generation: number): void {
  for (const chunk of chunks) live.stage(chunk);
  live.commit(generation);
}

function liveTable(): {
  live: LiveTable<Compiled>;
  compiled: string[];
  upstreams: Map<UpstreamKey, UpstreamPatch>;
  log: string[];
} {
  const compiled: string[] = [];
  const upstreams = new Map<UpstreamKey, UpstreamPatch>();
  const log: string[] = [];
  const live = new LiveTable<Compiled>({
    hasUpstream: (key) => upstreams.has(key),
    compile: (route) => {
      compiled.push(`${route.host}${route.path}`);
      return { route };
    },
    setUpstream: (upstream) => {
      log.push(`set ${upstream.key}`);
      upstreams.set(upstream.key, upstream);
    },
    removeUpstream: (key) => {
      log.push(`remove ${key}`);
      upstreams.delete(key);
    },
  });
  return { live, compiled, upstreams, log };
}

/** A table from hosts whose keys are path keys, `fallback` for the fallback. */
function table(hosts: Record<string, readonly string[]>, upstreams: readonly Upstream[] = []): RoutingTable {
  const built = Object.entries(hosts).map(([name, keys]) => {
    const paths = keys.filter((key) => key !== 'fallback').map((key) => [key, route(name, key)] as const);
    const fallback = keys.includes('fallback') ? route(name, 'fallback') : null;
    return host(name, Object.fromEntries(paths), fallback);
  });
  return tableOf(built, upstreams);
}

function loaded(target: RoutingTable): ReturnType<typeof liveTable> {
  const made = liveTable();
  applyAll(made.live, diffTables(EMPTY_TABLE, target, 100), target.generation);
  return made;
}

test('paths match as the Ingress documentation says', () => {
  const cases: [rules: string[], path: string, expected: string | null][] = [
    [['^'], '/any/thing', '^'],
    [['=/foo'], '/foo', '=/foo'],
    [['=/foo'], '/bar', null],
    [['=/foo'], '/foo/', null],
    [['=/foo/'], '/foo', null],
    [['^/foo'], '/foo', '^/foo'],
    [['^/foo'], '/foo/', '^/foo'],
    [['^/foo'], '/FOO', null],
    [['^/aaa/bb'], '/aaa/bbb', null],
    [['^/aaa/bbb'], '/aaa/bbb', '^/aaa/bbb'],
    [['^/aaa/bbb'], '/aaa/bbb/', '^/aaa/bbb'],
    [['^/aaa/bbb'], '/aaa/bbb/ccc', '^/aaa/bbb'],
    [['^/aaa/bbb'], '/aaa/bbbxyz', null],
    [['^', '^/aaa'], '/aaa/ccc', '^/aaa'],
    [['^', '^/aaa', '^/aaa/bbb'], '/aaa/bbb', '^/aaa/bbb'],
    [['^', '^/aaa', '^/aaa/bbb'], '/ccc', '^'],
    [['^/aaa'], '/ccc', null],
    [['^/foo', '=/foo'], '/foo', '=/foo'],
    [['^/foo', '=/foo'], '/foo/', '^/foo'],
    [['^/foo', 'fallback'], '/bar', 'fallback'],
  ];
  for (const [rules, path, expected] of cases) {
    const target = table({ 'a.test': rules });
    assert.equal(loaded(target).live.match('a.test', path)?.route.path ?? null, expected, `${rules} ${path}`);
    assert.equal(matchLinear(target, 'a.test', path)?.path ?? null, expected, `linear: ${rules} ${path}`);
  }
});

test('the most specific host owns a request, and only fallbacks are looked for elsewhere', () => {
  const target = table({
    'foo.bar.com': ['^/exact'],
    '*.bar.com': ['^', 'fallback'],
    '*.foo.com': ['^'],
    '': ['^/any', 'fallback'],
  });
  const cases: [host: string, path: string, expected: string][] = [
    ['foo.bar.com', '/exact', 'foo.bar.com'],
    ['foo.bar.com', '/other', ''], // neither the wildcard's paths nor its fallback
    ['x.bar.com', '/', '*.bar.com'],
    ['bar.foo.com', '/', '*.foo.com'],
    ['baz.bar.foo.com', '/any', ''],
    ['foo.com', '/any', ''],
    ['.foo.com', '/any', ''],
    ['', '/any', ''],
  ];
  for (const [host, path, expected] of cases) {
    assert.equal(loaded(target).live.match(host, path)?.route.host, expected, `${host}${path}`);
    assert.equal(matchLinear(target, host, path)?.host, expected, `linear: ${host}${path}`);
  }
});

test('a route is parsed and compiled at its first match, and again only when it changed', () => {
  const before = table({ 'a.test': ['^/one', '^/two'] });
  const { live, compiled } = loaded(before);
  assert.deepEqual(compiled, []);
  const first = live.match('a.test', '/one');
  assert.equal(live.match('a.test', '/one'), first);
  assert.deepEqual(compiled, ['a.test^/one']);

  const same = table({ 'a.test': ['^/one', '^/two'] });
  applyAll(live, diffTables(before, same, 100), 2);
  assert.equal(live.match('a.test', '/one'), first, 'equal text keeps what was compiled');
  assert.equal(live.generation, 2);
});

test('upstreams come before the routes that use them and go after them', () => {
  const a = table({ 'a.test': ['^'] }, [upstream('old', '10.0.0.1')]);
  const b = table({ 'b.test': ['^'] }, [upstream('new', '10.0.0.2')]);
  const { live, log } = loaded(a);
  applyAll(live, diffTables(a, b, 1), 2);
  assert.deepEqual(log, ['set old', 'set new', 'remove old']);
  assert.equal(live.match('a.test', '/'), null);
});

for (const [what, path] of [
  ['thousands of segments', '/x'.repeat(4000)],
  ['one segment of thousands of bytes', `/${'x'.repeat(8000)}`],
] as const) {
  test(`a path of ${what} is read no further than the longest rule`, () => {
    for (const rules of [['^/a/b'], ['^/a'], ['=/a/b'], ['^/a/b/c/d', '=/a', 'fallback']]) {
      const { live } = loaded(table({ 'a.test': rules }));
      let read = 0;
      const original = String.prototype.charCodeAt;
      String.prototype.charCodeAt = function charCodeAt(this: string, index: number): number {
        read++;
        return original.call(this, index);
      };
      try {
        live.match('a.test', path);
      } finally {
        String.prototype.charCodeAt = original;
      }
      assert.ok(read > 0 && read < 30, `${read} code units read with ${rules}`);
    }
  });
}

const segment = fc.constantFrom('a', 'b', 'aa', '%2F', '');
const pathText = fc
  .array(segment, { maxLength: 4 })
  .map((segments) => `/${segments.join('/')}`.replace(/\/+/g, '/'));
const ruleKey = fc
  .tuple(fc.boolean(), pathText)
  .map(([exact, path]) => (exact ? `=${path}` : `^${path.replace(/\/$/, '')}`));
const hostText = fc.constantFrom('', 'x.test', '*.x.test', 'a.x.test', 'b.a.x.test', '*.a.x.test', '*.test');
const anyTable = fc
  .dictionary(hostText, fc.array(fc.oneof(ruleKey, fc.constant('fallback')), { maxLength: 8 }), {
    maxKeys: 5,
  })
  .map((hosts) => table(hosts));
const requestHost = fc.constantFrom(
  '',
  'x.test',
  'a.x.test',
  'c.x.test',
  'b.a.x.test',
  'z.b.a.x.test',
  'test',
  '*.x.test',
);

test('the table and the linear reference agree on every request', () => {
  fc.assert(
    fc.property(anyTable, requestHost, pathText, (target, host, path) => {
      const fast = loaded(target).live.match(host, path)?.route ?? null;
      assert.deepEqual(fast, matchLinear(target, host, path));
    }),
    { numRuns: 3000 },
  );
});

test('a patched table answers as one that was loaded whole', () => {
  const requests = fc.array(fc.tuple(requestHost, pathText), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(anyTable, anyTable, fc.integer({ min: 1, max: 4 }), requests, (a, b, chunk, asked) => {
      const patched = loaded(a);
      applyAll(patched.live, diffTables(a, b, chunk), 2);
      for (const [host, path] of asked) {
        assert.deepEqual(patched.live.match(host, path)?.route ?? null, matchLinear(b, host, path));
      }
      applyAll(patched.live, diffTables(b, a, chunk), 3);
      for (const [host, path] of asked) {
        assert.deepEqual(patched.live.match(host, path)?.route ?? null, matchLinear(a, host, path));
      }
    }),
    { numRuns: 1000 },
  );
});
