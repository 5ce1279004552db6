/** Who may import whom: the picture of the design, kept true over the import lines of `src/`. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';

const SRC = join(import.meta.dirname, '../src');

interface SourceFile {
  /** Relative to `src/`, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** As written. */
  readonly imports: readonly string[];
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    return { path, text, imports: importsOf(text) };
  });
const program = files.filter(({ path }) => !path.endsWith('.test.ts'));

function importsOf(text: string): string[] {
  const statements =
    /^(?:import|export)\s[^'";]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...text.matchAll(statements)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
}

/** The first folder of a path below `src/`; '' for files of `src/` itself. */
const folderOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');

/** The files of `src/` that a file imports, relative to `src/`. */
const localImports = (file: SourceFile) =>
  file.imports
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(file.path), name)));

/** Scripts that a file starts as threads, relative to `src/`. */
const threadsOf = (file: SourceFile) =>
  [...file.text.matchAll(/new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g)].map(([, name]) =>
    normalize(join(dirname(file.path), name!)),
  );

/**
 * What each folder may import besides itself. A name with a slash allows that file only.
 *
 * - `translate` and `admin` may use the data plane's matcher: a path must mean the same when it is compiled, when it
 *   is explained and when it is requested, and this holds only when there is one function for it.
 * - `settings` takes names and defaults of the data plane's bounds, and the log's levels, from where they are
 *   defined.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  model: [],
  /** Requests to the API server, for all who read from it or write to it. */
  kubernetes: ['model'],
  sources: ['model', 'kubernetes'],
  translate: ['model', 'dataplane/route'],
  ipam: ['model'],
  dataplane: ['model', 'linux'],
  linux: [],
  kernel: ['model', 'linux'],
  announce: ['model', 'linux'],
  certificates: ['model'],
  status: ['model', 'kubernetes'],
  /** It translates one object more than there is: it needs what a source and `run` need for that, and no data plane. */
  webhook: ['model', 'kubernetes', 'certificates', 'sources/decode', 'translate'],
  observe: ['model', 'dataplane/messages.ts', 'dataplane/stats.ts'],
  settings: ['model', 'dataplane/config.ts', 'observe/log.ts'],
  admin: ['model', 'observe', 'settings', 'dataplane/route', 'dataplane/messages.ts', 'dataplane/config.ts'],
};
/** They put the parts together and may import all of them. */
const WIRING = new Set(['', 'commands']);

const isAllowed = (from: string, target: string) =>
  folderOf(target) === from ||
  ALLOWED[from]?.some((name) => target === name || target.startsWith(`${name}/`)) === true;

describe('imports go down the way of the data', () => {
  for (const folder of new Set(program.map(({ path }) => folderOf(path)))) {
    if (WIRING.has(folder)) continue;
    test(`${folder} imports only ${ALLOWED[folder]?.join(', ') || 'itself'}`, () => {
      assert.ok(ALLOWED[folder], `src/${folder} is new: say in this test what it may import`);
      const wrong = program
        .filter(({ path }) => folderOf(path) === folder)
        .flatMap((file) => localImports(file).map((target) => ({ from: file.path, to: target })))
        .filter(({ to }) => !isAllowed(folder, to));
      assert.deepEqual(wrong, []);
    });
  }

  test('nobody imports the wiring', () => {
    const wrong = program
      .filter(({ path }) => !WIRING.has(folderOf(path)))
      .flatMap((file) => localImports(file).filter((target) => WIRING.has(folderOf(target))));
    assert.deepEqual(wrong, []);
  });

  test('every file of commands/ itself is a command that main.ts starts', () => {
    const started = new Set(program.filter(({ path }) => path === 'main.ts').flatMap(localImports));
    const wrong = files.filter(({ path }) => dirname(path) === 'commands' && !started.has(path));
    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });

  test('every file is part of the program: main.ts or a thread of ours reaches it', () => {
    const byPath = new Map(program.map((file) => [file.path, file]));
    const reached = new Set<string>();
    const visit = (path: string): void => {
      const file = byPath.get(path);
      if (file === undefined || reached.has(path)) return;
      reached.add(path);
      for (const next of [...localImports(file), ...threadsOf(file)]) visit(next);
    };
    visit('main.ts');
    const others = program.filter(({ path }) => !reached.has(path)).map(({ path }) => path);
    assert.deepEqual(others, []);
  });

  test('no folder imports another in a circle', () => {
    const edges = new Map<string, Set<string>>();
    for (const file of program) {
      const from = folderOf(file.path);
      for (const to of localImports(file).map(folderOf)) {
        if (to !== from) edges.set(from, (edges.get(from) ?? new Set()).add(to));
      }
    }
    const visit = (folder: string, trail: readonly string[]): void => {
      assert.ok(!trail.includes(folder), [...trail, folder].join(' → '));
      for (const next of edges.get(folder) ?? []) visit(next, [...trail, folder]);
    };
    for (const folder of edges.keys()) visit(folder, []);
  });

  test('no file imports another in a circle', () => {
    const byPath = new Map(program.map((file) => [file.path, file]));
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      assert.ok(!trail.includes(path), [...trail.slice(trail.indexOf(path)), path].join(' → '));
      const file = byPath.get(path);
      if (done.has(path) || file === undefined) return;
      for (const next of runTimeImports(file)) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const { path } of program) visit(path, []);
  });
});

/** Types are gone at run time, so circles of them do no harm. */
function runTimeImports(file: SourceFile): string[] {
  const withoutTypes = file.text.replace(/^(?:import|export)\s+type\s[^;]*;/gm, '');
  return localImports({ ...file, imports: importsOf(withoutTypes) });
}

/** Whether an import of a file brings I/O; `isIPv4` and its like live in node:net, but only look at text. */
/** What of node:crypto depends on its arguments alone. */
const PURE_CRYPTO =
  /^import \{[\s,]*(?:(?:createHash|createPrivateKey|type KeyObject|X509Certificate)[\s,]*)+\} from 'node:crypto';/m;

const isImpure = (file: SourceFile) => (name: string) => {
  if (name === 'node:crypto') return !PURE_CRYPTO.test(file.text);
  if (name === 'node:net')
    return !/^import \{[\s,]*(?:isIP(?:v4|v6)?[\s,]*)+\} from 'node:net';/m.test(file.text);
  return name.startsWith('node:') && !['node:util', 'node:assert/strict', 'node:url'].includes(name);
};

describe('the rules of the house', () => {
  test('every local import names an existing .ts file', () => {
    const wrong = files.flatMap((file) =>
      localImports(file).filter((target) => !target.endsWith('.ts') || !existsSync(join(SRC, target))),
    );
    assert.deepEqual(wrong, []);
  });
  test('the program imports nothing outside src/', () => {
    const wrong = program.flatMap((file) => localImports(file).filter((target) => target.startsWith('..')));
    assert.deepEqual(wrong, []);
  });
  test('node:ffi is imported in linux/ alone', () => {
    const wrong = program.filter(
      ({ path, imports }) => imports.includes('node:ffi') && folderOf(path) !== 'linux',
    );
    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });
  for (const folder of ['model', 'translate', 'ipam']) {
    test(`${folder}/ is pure: it imports no I/O and no clock`, () => {
      const wrong = program.filter(
        (file) => folderOf(file.path) === folder && file.imports.some(isImpure(file)),
      );
      assert.deepEqual(
        wrong.map(({ path }) => path),
        [],
      );
    });
  }
  test('only the manifests source, the settings file and kubeconfigs know YAML', () => {
    const wrong = program.filter(
      ({ path, imports }) => imports.includes('yaml') && !/^(sources|settings|kubernetes)\//.test(path),
    );
    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });
  test('no file is called utils, helpers, misc or index', () => {
    const wrong = files.filter(({ path }) => /(^|\/)(utils?|helpers?|misc|common|index)\.ts$/.test(path));
    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });
  test('the longest files are printed, not judged', (t) => {
    const lines = (text: string) => text.split('\n').length - 1;
    const longest = program
      .map(({ path, text }) => ({ path, lines: lines(text) }))
      .sort((a, b) => b.lines - a.lines);
    t.diagnostic(
      `longest files: ${longest
        .slice(0, 5)
        .map(({ path, lines }) => `${path} ${lines}`)
        .join(', ')}`,
    );
    assert.ok(longest.length > 0);
  });
});
