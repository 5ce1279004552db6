import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatProblem } from '../../model/problem.ts';
import type { ConfigMap } from '../../model/snapshot.ts';
import { type ManifestFile, readManifest, unreadableManifest } from './manifest-file.ts';

const service = (name: string, port: number | string = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n`;

const read = (text: string, previous?: ManifestFile, path = 'web.yaml') => readManifest(path, text, previous);
const ids = (file: ManifestFile) => [...file.objects.keys()];
const problems = (file: ManifestFile) => file.problems.map(formatProblem);
const lines = (file: ManifestFile) => [...file.objects.values()].map(({ position }) => position.line);

describe('a manifest file', () => {
  test('may have several documents, each known by number and line', () => {
    const file = read(`# header\n---\n${service('a')}---\n# comment\n\n${service('b')}---\n`);
    assert.deepEqual(problems(file), []);
    assert.deepEqual(
      [...file.objects.values()].map(({ position }) => position),
      [
        { file: 'web.yaml', document: 1, line: 3 },
        { file: 'web.yaml', document: 2, line: 10 },
      ],
    );
  });

  test('may begin with many blank lines and comments', () => {
    const file = read(`${'\n \t\n# header\r\n'.repeat(1000)}${'\n'.repeat(1000)}${service('a')}`);
    assert.deepEqual(ids(file), ['Service default/a']);
    assert.deepEqual(lines(file), [4001]);
    const before = read(`${'\n'.repeat(1000)}# header\n ---- \n${'\n'.repeat(1000)}---\n${service('a')}`);
    assert.equal(before.problems.length, 1, 'what is no comment is a document');
  });

  test('may need the full YAML parser in one document without losing the others or the lines', () => {
    const anchored = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: &n c}\ndata:\n  who: *n\n';
    const file = read(`${service('a')}---\n\n${anchored}---\n${service('b')}`);
    assert.deepEqual(ids(file), ['Service default/a', 'ConfigMap default/c', 'Service default/b']);
    assert.deepEqual(lines(file), [1, 7, 13]);
  });

  test('may hold Lists, typed or not, whose items know their line', () => {
    const items = (kind: string) => `
- ${kind}metadata: {name: a}
  spec: {ports: [{port: 80}]}
- ${kind}metadata: {name: b}
  spec: {ports: [{port: 80}]}
`;
    const untyped = read(`apiVersion: v1\nkind: List\nitems:${items('apiVersion: v1\n  kind: Service\n  ')}`);
    assert.deepEqual(ids(untyped), ['Service default/a', 'Service default/b']);
    assert.deepEqual(lines(untyped), [4, 8]);
    const typed = read(`apiVersion: v1\nkind: ServiceList\nitems:${items('')}`);
    assert.deepEqual(ids(typed), ['Service default/a', 'Service default/b']);
    const full = read(`apiVersion: v1\nkind: ServiceList\nx: "\\n"\nitems:${items('')}`);
    assert.deepEqual(lines(full), [5, 7]);
  });

  test('may hold Lists with nothing in them, but no other thing in the place of items', () => {
    for (const items of ['', ' []', ' null']) {
      assert.deepEqual(problems(read(`apiVersion: v1\nkind: List\nitems:${items}\n`)), []);
    }
    assert.deepEqual(problems(read('apiVersion: v1\nkind: List\n')), []);
    const [problem] = problems(read('apiVersion: v1\nkind: List\nitems: {a: 1}\n'));
    assert.match(problem ?? '', /is a List whose items are not a list; it is ignored \[Unreadable\]$/);
    const other = read('apiVersion: example.com/v1\nkind: AllowList\nitems: {a: 1}\n');
    assert.deepEqual(problems(other), [], 'a kind of somebody else');
  });

  test('may hold Lists in Lists, up to a depth', () => {
    const nested = (depth: number): object =>
      depth === 0
        ? { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }
        : { apiVersion: 'v1', kind: 'List', items: [nested(depth - 1)] };
    const text = (depth: number) => JSON.stringify(nested(depth));
    assert.deepEqual(ids(read(text(4), undefined, 'x.json')), ['Namespace shop']);
    const [problem] = problems(read(text(5), undefined, 'x.json'));
    assert.match(problem ?? '', /is a List inside 4 others, the most that are read; it is ignored/);
  });

  test('may be JSON', () => {
    const json = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
    assert.deepEqual(ids(read(JSON.stringify(json, null, 2), undefined, 'x.json')), ['Namespace shop']);
  });

  test('may begin with a byte order mark, and end its lines as Windows does', () => {
    const windows = (name: string) => `\uFEFF---\n${service(name)}`.replaceAll('\n', '\r\n');
    assert.deepEqual(ids(read(windows('a'))), ['Service default/a']);
    // Files that were put together, each with its own mark: YAML 1.2.2 section 5.2.
    const both = read(`${windows('a')}${windows('b')}---\n\uFEFF${service('c')}`);
    assert.deepEqual(problems(both), []);
    assert.deepEqual(ids(both), ['Service default/a', 'Service default/b', 'Service default/c']);
    assert.deepEqual(lines(both), [2, 7, 12]);
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['a comment', '# nothing\n'],
    ['empty documents', '---\n---\n# x\n---\n'],
    ['other kinds', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n'],
  ] as const) {
    test(`may hold ${what}`, () => {
      const file = read(text);
      assert.deepEqual([ids(file), problems(file)], [[], []]);
    });
  }
});

describe('what is wrong in a file', () => {
  const cases: readonly (readonly [string, string, RegExp, path?: string])[] = [
    [
      'bad indentation',
      `${service('a')}---\na:\n  - b\n c: d\n`,
      /^web\.yaml:8 \(document 2\): error: is not valid YAML/,
    ],
    [
      'a key twice',
      'a: 1\nb: 2\na: 3\n',
      /^web\.yaml:3 .*the key "a" is there twice; it is ignored \[Unreadable\]$/,
    ],
    ['text', 'hello', /^web\.yaml:1 .*is not a Kubernetes object: it must be a map/],
    ['a map without kind', 'a: 1', /is not a Kubernetes object: it has no kind/],
    [
      'too many aliases',
      `a: &a [x]\nb: [${'*a,'.repeat(200)}]\nc: &c [*a]\nd: [${'*c,'.repeat(200)}]`,
      /is not valid YAML: it has more than 100 aliases/,
    ],
    ['deep nesting', '['.repeat(100_000), /is nested too deep, by more than 500; it is ignored/],
    [
      'deep nesting behind other text',
      `a: &a 1\nb:\n  - "[["\n  - ${'- '.repeat(600)}\n`,
      /^web\.yaml:4 .*too deep/,
    ],
    [
      'a key twice in JSON',
      '{\n "a": {"b": 1, "c": "b"},\n "\\u0061": 3\n}',
      /^web\.json:3 .*has the key "a" twice in one object; it is ignored \[Unreadable\]$/,
      'web.json',
    ],
    ['broken JSON', '{\n "a": 1,\n}', /^web\.json:3 \(document 1\): error: is not valid JSON/, 'web.json'],
  ];
  for (const [what, text, expected, path] of cases) {
    test(`${what} is told with file, document and line`, () => {
      const [first] = problems(read(text, undefined, path));
      assert.match(first ?? '', expected);
    });
  }

  test('costs only the document it is in, when there was no good version before', () => {
    assert.deepEqual(ids(read(`${service('a')}---\n{\n---\n${service('b')}`)), [
      'Service default/a',
      'Service default/b',
    ]);
  });

  test('a field is told with its object and path', () => {
    assert.deepEqual(problems(read(service('a', 0))), [
      'web.yaml:1 (document 1): error: Service default/a: spec.ports[0].port: must be a whole number from 1 to 65535, not the number 0; the object is ignored [Invalid]',
    ]);
  });

  test('an object without a name is told by its kind', () => {
    const [problem] = problems(read('apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}\n'));
    assert.match(
      problem ?? '',
      /error: metadata\.name: is required, .*; this Service is ignored \[Invalid\]$/,
    );
  });

  test('a value that is nothing is an empty text, as for the API server', () => {
    const text =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {b: }}\ndata: {c: null}\n';
    const file = read(text);
    assert.deepEqual(problems(file), []);
    const [map] = [...file.objects.values()].flatMap(({ records }) => records as readonly ConfigMap[]);
    assert.equal(map?.data.get('c'), '');
    assert.equal(map?.meta.annotations.get('b'), '');
  });

  test('an object that is there twice counts once', () => {
    const file = read(`${service('a', 1)}---\n${service('a', 2)}`);
    assert.deepEqual(ids(file), ['Service default/a']);
    assert.match(
      problems(file)[0] ?? '',
      /^web\.yaml:6 .*Service default\/a: is already defined in web\.yaml:1 \(docu/,
    );
  });
});

describe('a file that got worse', () => {
  const good = read(`${service('a', 1)}---\n${service('b', 1)}`);

  test('keeps all its objects when it does not parse', () => {
    const worse = read(`${service('a', 2)}---\n{`, good);
    assert.equal(worse.objects, good.objects);
    assert.match(problems(worse)[0] ?? '', /the objects of this file stay as they were \[Unreadable\]$/);
    const mended = read(`${service('a', 2)}`, worse);
    assert.deepEqual([ids(mended), problems(mended)], [['Service default/a'], []]);
  });

  test('keeps all its objects when it cannot be read', () => {
    assert.equal(unreadableManifest('web.yaml', 'cannot be read: EACCES', good).objects, good.objects);
  });

  test('keeps the last good version of the one object that does not decode', () => {
    const worse = read(`${service('a', 0)}---\n${service('b', 2)}`, good);
    assert.equal(worse.objects.get('Service default/a'), good.objects.get('Service default/a'));
    assert.notEqual(worse.objects.get('Service default/b'), good.objects.get('Service default/b'));
    assert.match(problems(worse)[0] ?? '', /the last good version of the object stays in use \[Invalid\]$/);
    const again = read(`${service('a', -1)}---\n${service('b', 2)}`, worse);
    assert.equal(again.objects.get('Service default/a'), good.objects.get('Service default/a'));
  });
});

test('any text is read without an exception', () => {
  const pieces = [
    'kind: Service',
    '\n',
    '---\n',
    '  ',
    '- ',
    '{',
    '[',
    '"',
    '&a ',
    '*a',
    'a: ',
    ': ',
    '%YAML 1.2\n',
    '...\n',
    '|\n',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 20 }), fc.string(), (parts, tail) => {
      const file = read(parts.join('') + tail);
      assert.ok(file.problems.every((problem) => problem.position !== null && problem.position.line >= 1));
    }),
    { numRuns: 3000 },
  );
});
