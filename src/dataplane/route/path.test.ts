import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPlainPath, normalizePath, normalizeRulePath } from './path.ts';

test('a path is forwarded as received but for dot segments, and matched with slashes merged and escapes decoded', () => {
  const table: [path: string, forward: string, match: string][] = [
    ['/', '/', '/'],
    ['/a/b/', '/a/b/', '/a/b/'],
    ['/a//b///c', '/a//b///c', '/a/b/c'],
    ['//', '//', '/'],
    ['/a/./b', '/a/b', '/a/b'],
    ['/a/../b', '/b', '/b'],
    ['/a/b/..', '/a/', '/a/'],
    ['/a/b/.', '/a/b/', '/a/b/'],
    ['/a/..', '/', '/'],
    ['/.', '/', '/'],
    ['/a//../b', '/a/b', '/a/b'],
    ['/a/b/c/./../../g', '/a/g', '/a/g'], // the example of RFC 3986 section 5.2.4
    ['/a/%2e%2E/b', '/b', '/b'],
    ['/a/%2E./b', '/b', '/b'],
    ['/a/.%2e/b', '/b', '/b'],
    ['/a/%2e/b', '/a/b', '/a/b'],
    ['/...', '/...', '/...'],
    ['/a/%2e.%2E/b', '/a/%2e.%2E/b', '/a/.../b'],
    ['/a/%2e%2f/b', '/a/%2e%2f/b', '/a/.%2F/b'],
    ['/.well-known/acme', '/.well-known/acme', '/.well-known/acme'],
    ['/a..b/..c', '/a..b/..c', '/a..b/..c'],
    ['/%61%62', '/%61%62', '/ab'],
    ['/%c3%A9', '/%c3%A9', '/\u00c3\u00a9'],
    ['/a%2fb', '/a%2fb', '/a%2Fb'],
    ['/a%2F..%2fb', '/a%2F..%2fb', '/a%2F..%2Fb'],
    ['/a%5cb', '/a%5cb', '/a%5Cb'],
    ['/a%252e%252e', '/a%252e%252e', '/a%252e%252e'],
    ['/a%3Fb%23', '/a%3Fb%23', '/a?b#'],
    ['/a;v=1/b', '/a;v=1/b', '/a;v=1/b'],
  ];
  for (const [path, forward, match] of table) assert.deepEqual(normalizePath(path), { forward, match }, path);
});

test('a path that is malformed, hides a NUL or climbs above the root is refused', () => {
  const table = [
    '',
    'a',
    '*',
    '/..',
    '/../a',
    '/a/../../b',
    '/%2e%2e',
    '/%2e%2e/a',
    '/%00',
    '/a%00b',
    '/%',
    '/%4',
    '/%zz',
    '/%2',
  ];
  for (const path of table) assert.equal(normalizePath(path), null, path);
});

test('the path of a rule has the same match form as a request for it', () => {
  assert.equal(normalizeRulePath('/é'), normalizePath('/%C3%A9')!.match);
  assert.equal(normalizeRulePath('/a b'), normalizePath('/a%20b')!.match);
  assert.equal(normalizeRulePath('/a%20b'), '/a b');
  assert.equal(normalizeRulePath('/100%'), null);
  assert.equal(normalizeRulePath('/100%25'), normalizePath('/100%25')!.match);
});

const piece = fc.constantFrom(
  '/',
  '.',
  '..',
  'a',
  '%2e',
  '%2E',
  '%2f',
  '%5C',
  '%41',
  '%25',
  '%00',
  '%',
  '%c3',
  ';',
  '\\',
);
const anyPath = fc.array(piece, { maxLength: 16 }).map((pieces) => `/${pieces.join('')}`);

test('normalising twice changes nothing', () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      const once = normalizePath(path);
      if (once === null) return;
      assert.deepEqual(normalizePath(once.forward), once);
    }),
    { numRuns: 2000 },
  );
});

test('no dot segment, empty segment or NUL is left in what rules see', () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      const normal = normalizePath(path);
      if (normal === null) return;
      assert.match(normal.forward, /^\//);
      assert.doesNotMatch(normal.forward, /\/(\.|%2e){1,2}(\/|$)/i);
      assert.doesNotMatch(normal.match, /\/\.{1,2}(\/|$)|\/\/|\0/);
    }),
    { numRuns: 2000 },
  );
});

test('a plain path is its own normal form', () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      if (isPlainPath(path)) assert.deepEqual(normalizePath(path), { forward: path, match: path });
    }),
    { numRuns: 2000 },
  );
});
