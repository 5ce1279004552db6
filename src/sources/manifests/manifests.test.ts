import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { formatProblem } from '../../model/problem.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { Source } from '../source.ts';
import { manifestsSource, readManifests } from './manifests.ts';

const base = mkdtempSync(join(tmpdir(), 'tidegate-manifests-'));
after(() => rmSync(base, { recursive: true }));

let folder = '';
let source: Source;
let snapshots: Snapshot[] = [];
let wake = (): void => {};
let rounds = 0;

beforeEach(() => {
  folder = join(base, `${rounds++}`);
  mkdirSync(folder);
  snapshots = [];
  source = manifestsSource({ directory: folder, dnsServers: ['127.0.0.1:9'] });
});
afterEach(() => source.close());

const service = (name: string, port = 80) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n`;

const at = (...path: string[]) => join(folder, ...path);
const put = (path: string, text: string) => writeFileSync(at(path), text);
const start = () =>
  source.start((snapshot) => {
    snapshots.push(snapshot);
    wake();
  });
const now = (): Snapshot => snapshots.at(-1) ?? assert.fail('no snapshot yet');
/** `a=80 b=81`: Services and their ports. */
const served = (snapshot = now()) =>
  [...snapshot.services.values()]
    .map(({ meta, ports }) => `${meta.name}=${ports[0]?.port}`)
    .sort()
    .join(' ');
const problems = () => now().problems.map(formatProblem);
const find = (name: string, snapshot = now()) =>
  [...snapshot.services.values()].find(({ meta }) => meta.name === name);

/** Resolves with the first snapshot, present or future, for which `holds` is true. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}
const untilServed = (expected: string) => until(() => served() === expected);

describe('the first snapshot', { timeout: 20_000 }, () => {
  test('has everything below the folder, but no hidden and no backup files', async () => {
    mkdirSync(at('deep/er'), { recursive: true });
    mkdirSync(at('.git'));
    put('a.yaml', service('a'));
    put('b.yml', service('b'));
    put('deep/er/c.json', JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'c' } }));
    for (const name of ['.x.yaml', '.git/y.yaml', 'a.yaml~', '.a.yaml.swp', 'notes.txt', '#a.yaml#'])
      put(name, service('no'));
    await start();
    assert.equal(served(), 'a=80 b=80');
    assert.equal(now().namespaces.size, 1);
    assert.equal(now().version, 1);
    assert.equal(find('a')?.meta.position?.file, at('a.yaml'));
  });

  test('comes from an empty folder too', async () => {
    await start();
    assert.equal(snapshots.length, 1);
  });

  test('does not come from a folder that is not there, or is none', async () => {
    rmSync(folder, { recursive: true });
    await assert.rejects(start(), {
      message: `the manifests folder ${folder} cannot be read: ENOENT: no such file or directory`,
    });
    writeFileSync(folder, '');
    await assert.rejects(start(), { message: `the manifests folder ${folder} is not a folder` });
  });

  test('follows links, but not in circles', async () => {
    mkdirSync(at('a'));
    mkdirSync(at('.hidden'));
    put('.hidden/x.yaml', service('x'));
    put('a/b.yaml', service('b'));
    symlinkSync(at('.hidden/x.yaml'), at('x.yaml'));
    symlinkSync('..', at('a/up'));
    symlinkSync('.', at('a/self'));
    symlinkSync('nowhere', at('dangling.yaml'));
    symlinkSync('ring.yaml', at('ring.yaml'));
    await start();
    assert.equal(served(), 'b=80 x=80');
    assert.deepEqual(problems(), []);
  });

  test('names a file that is too large or no text', async () => {
    put('large.yaml', '#'.repeat(16 * 1024 * 1024 + 1));
    writeFileSync(at('bytes.yaml'), Buffer.from([0xff, 0xfe]));
    put('good.yaml', service('good'));
    await start();
    assert.equal(served(), 'good=80');
    assert.match(problems()[0] ?? '', /bytes\.yaml:1 .*is not UTF-8 text; it is ignored/);
    assert.match(
      problems()[1] ?? '',
      /large\.yaml:1 .*has 16777217 bytes, more than the 16777216 that are allowed/,
    );
  });
});

describe('a change', { timeout: 20_000 }, () => {
  test('by a write in place', async () => {
    put('a.yaml', service('a', 1));
    await start();
    put('a.yaml', service('a', 2));
    await untilServed('a=2');
  });

  for (const spelling of ['/', '//', '/./', '/../']) {
    test(`in a folder that is named with ${spelling} in its path`, async () => {
      put('a.yaml', service('a', 1));
      await source.close();
      const name = spelling === '/../' ? `${folder}/../${folder.split('/').at(-1)}` : `${folder}${spelling}`;
      source = manifestsSource({ directory: name, dnsServers: ['127.0.0.1:9'] });
      await start();
      put('.a.yaml.tmp', service('a', 2));
      renameSync(at('.a.yaml.tmp'), at('a.yaml'));
      await untilServed('a=2');
    });
  }

  test('by an atomic rename, with hidden and visible temporary names', async () => {
    put('a.yaml', service('a', 1));
    await start();
    put('.a.yaml.tmp', service('a', 2));
    renameSync(at('.a.yaml.tmp'), at('a.yaml'));
    await untilServed('a=2');
    put('a.yaml.tmp', service('a', 3));
    renameSync(at('a.yaml.tmp'), at('a.yaml'));
    await untilServed('a=3');
    assert.equal(snapshots.length, 3);
  });

  test('in many files at once makes one snapshot', async () => {
    await start();
    for (let i = 0; i < 50; i++) put(`${i}.yaml`, service(`s${i}`));
    await until(() => now().services.size > 0);
    assert.equal(now().services.size, 50);
    assert.equal(snapshots.length, 2);
  });

  test('leaves the objects it does not touch identical, and says nothing when none is touched', async () => {
    put('a.yaml', `${service('a', 1)}---\n${service('b', 1)}`);
    put('c.yaml', service('c', 1));
    await start();
    put('c.yaml', `# a comment\n${service('c', 1)}`);
    put('a.yaml', `${service('a', 2)}---\n${service('b', 1)}`);
    await untilServed('a=2 b=1 c=1');
    const [first, second] = snapshots;
    assert.equal(find('b', second), find('b', first));
    assert.equal(find('c', second), find('c', first));
    assert.equal(second?.secrets, first?.secrets);
    put('c.yaml', service('c', 1));
    put('a.yaml', service('a', 3));
    await untilServed('a=3 c=1');
    assert.equal(snapshots.length, 3);
  });

  test('by removing and by renaming a file', async () => {
    put('a.yaml', service('a'));
    put('b.yaml', service('b'));
    await start();
    unlinkSync(at('a.yaml'));
    await untilServed('b=80');
    renameSync(at('b.yaml'), at('c.yaml'));
    await until(() => find('b')?.meta.position?.file === at('c.yaml'));
    assert.equal(served(), 'b=80');
  });

  test('in a folder that is new, filled, moved and removed', async () => {
    await start();
    mkdirSync(at('x/y'), { recursive: true });
    put('x/y/a.yaml', service('a', 1));
    await untilServed('a=1');
    put('x/y/a.yaml', service('a', 2));
    await untilServed('a=2');
    renameSync(at('x'), at('z'));
    await until(() => find('a')?.meta.position?.file === at('z/y/a.yaml'));
    put('z/y/a.yaml', service('a', 3));
    await untilServed('a=3');
    rmSync(at('z'), { recursive: true });
    await untilServed('');
  });

  test('in a folder that was removed and made anew', async () => {
    mkdirSync(at('x'));
    put('x/a.yaml', service('a', 1));
    await start();
    rmSync(at('x'), { recursive: true });
    mkdirSync(at('x'));
    put('x/a.yaml', service('a', 2));
    await untilServed('a=2');
    put('x/a.yaml', service('a', 3));
    await untilServed('a=3');
  });

  test('of a mounted ConfigMap, whose data is swapped behind a link', async () => {
    // As the kubelet's AtomicWriter does it.
    const publish = (dated: string, port: number, names: readonly string[]) => {
      mkdirSync(at(dated));
      for (const name of names) put(`${dated}/${name}.yaml`, service(name, port));
      symlinkSync(dated, at('..data_tmp'));
      renameSync(at('..data_tmp'), at('..data'));
      for (const name of names) {
        if (!existsSync(at(`${name}.yaml`))) symlinkSync(`..data/${name}.yaml`, at(`${name}.yaml`));
      }
    };
    publish('..2026_1', 1, ['a', 'b']);
    await start();
    assert.equal(served(), 'a=1 b=1');
    publish('..2026_2', 2, ['a', 'b', 'c']);
    rmSync(at('..2026_1'), { recursive: true });
    await untilServed('a=2 b=2 c=2');
    publish('..2026_3', 3, ['a', 'b', 'c']);
    await untilServed('a=3 b=3 c=3');
  });

  test('of the target of a linked folder', async () => {
    for (const version of [1, 2]) {
      mkdirSync(at(`.v${version}`));
      put(`.v${version}/a.yaml`, service('a', version));
    }
    symlinkSync('.v1', at('current'));
    await start();
    assert.equal(served(), 'a=1');
    symlinkSync('.v2', at('.next'));
    renameSync(at('.next'), at('current'));
    await untilServed('a=2');
    put('.v2/a.yaml', service('a', 3));
    await untilServed('a=3');
  });
});

describe('trouble', { timeout: 20_000 }, () => {
  test('with a file keeps its last good objects, is reported, and is over when the file is mended', async () => {
    put('a.yaml', service('a', 1));
    put('b.yaml', service('b', 1));
    await start();
    put('a.yaml', 'kind: [');
    put('b.yaml', service('b', 2));
    await untilServed('a=1 b=2');
    assert.equal(problems().length, 1);
    assert.match(problems()[0] ?? '', /a\.yaml:1 \(document 1\): error: is not valid YAML/);
    assert.equal(find('a'), find('a', snapshots[0]));
    put('a.yaml', service('a', 3));
    await untilServed('a=3 b=2');
    assert.deepEqual(problems(), []);
  });

  test('with what a link leads to keeps the objects, and is over when the link leads there again', async () => {
    mkdirSync(at('.kept'));
    put('.kept/a.yaml', service('a', 1));
    mkdirSync(at('.kept/sub'));
    put('.kept/sub/b.yaml', service('b', 1));
    const link = (target: string, name: string) => {
      symlinkSync(target, at('.next'));
      renameSync(at('.next'), at(name));
    };
    link('.kept/a.yaml', 'a.yaml');
    link('.kept/sub', 'sub');
    await start();
    assert.equal(served(), 'a=1 b=1');
    // ENAMETOOLONG stands for a missing permission here, which root would not notice.
    link('x'.repeat(300), 'a.yaml');
    link('x'.repeat(300), 'sub');
    await until(() => problems().length === 2);
    assert.equal(served(), 'a=1 b=1');
    assert.match(
      problems()[0] ?? '',
      /a\.yaml:1 .*cannot be read: ENAMETOOLONG.*; the objects of this file stay as they were/,
    );
    assert.match(problems()[1] ?? '', /sub:1 .*; the objects that were read from it stay in use/);
    link('.kept/a.yaml', 'a.yaml');
    link('.kept/sub', 'sub');
    await until(() => problems().length === 0);
    assert.equal(served(), 'a=1 b=1');
  });

  test('with a link is over when the link is removed', async () => {
    symlinkSync('x'.repeat(300), at('a.yaml'));
    await start();
    assert.match(problems()[0] ?? '', /a\.yaml:1 .*cannot be read: ENAMETOOLONG.*; it is ignored/);
    unlinkSync(at('a.yaml'));
    await until(() => problems().length === 0);
  });

  test('with a file between truncate and write does not disturb', async () => {
    put('a.yaml', service('a', 1));
    await start();
    const file = openSync(at('a.yaml'), 'w');
    put('b.yaml', service('b'));
    await until(() => find('b') !== undefined);
    assert.equal(served(), 'a=1 b=80');
    writeSync(file, service('a', 2));
    closeSync(file);
    await untilServed('a=2 b=80');
    assert.ok(snapshots.every((snapshot) => find('a', snapshot) !== undefined));
  });

  test('with a file between rename and write does not disturb', async () => {
    // As vim saves: the old file moves to a backup name, and a new one takes its place.
    put('a.yaml', service('a', 1));
    await start();
    renameSync(at('a.yaml'), at('a.yaml~'));
    put('b.yaml', service('b'));
    await until(() => find('b') !== undefined);
    assert.equal(served(), 'a=1 b=80');
    put('a.yaml', service('a', 2));
    await untilServed('a=2 b=80');
    assert.ok(snapshots.every((snapshot) => find('a', snapshot) !== undefined));
    assert.deepEqual(
      snapshots.flatMap((snapshot) => snapshot.problems),
      [],
    );
  });

  test('a file that is renamed makes no problem in between', async () => {
    put('b.yaml', service('b'));
    put('m.yaml', service('m'));
    await start();
    for (const name of ['a.yaml', 'z.yaml']) {
      renameSync(at(snapshots.length === 1 ? 'm.yaml' : 'a.yaml'), at(name));
      await until(() => find('m')?.meta.position?.file === at(name));
      assert.equal(served(), 'b=80 m=80');
    }
    assert.deepEqual(
      snapshots.flatMap((snapshot) => snapshot.problems),
      [],
    );
    assert.equal(snapshots.length, 3);
  });

  test('a file that stays empty loses its objects', async () => {
    put('a.yaml', service('a', 1));
    await start();
    put('a.yaml', '');
    await untilServed('');
  });

  test('an object in two files comes from the first by path, and from the other when that is gone', async () => {
    put('b.yaml', service('a', 2));
    put('c.yaml', service('a', 3));
    await start();
    assert.equal(served(), 'a=2');
    assert.match(
      problems()[0] ?? '',
      /^\S+c\.yaml:1 .*Service default\/a: is already defined in \S+b\.yaml:1/,
    );
    put('a.yaml', service('a', 1));
    await untilServed('a=1');
    assert.deepEqual(
      now().problems.map(({ reason, position }) => [reason, position?.file]),
      [
        ['DuplicateObject', at('b.yaml')],
        ['DuplicateObject', at('c.yaml')],
      ],
    );
    unlinkSync(at('a.yaml'));
    unlinkSync(at('b.yaml'));
    await untilServed('a=3');
    assert.deepEqual(problems(), []);
  });

  test('when the folder goes away everything stays, and changes count again when it is back', async () => {
    mkdirSync(at('sub'));
    put('a.yaml', service('a', 1));
    put('sub/b.yaml', service('b', 1));
    await start();
    renameSync(folder, `${folder}-away`);
    await until(() => now().problems.length > 0);
    assert.equal(served(), 'a=1 b=1');
    assert.match(problems()[0] ?? '', /is not there any more: ENOENT.*stay in use/);
    writeFileSync(join(`${folder}-away`, 'a.yaml'), service('a', 2));
    renameSync(`${folder}-away`, folder);
    await untilServed('a=2 b=1');
    assert.deepEqual(problems(), []);
    put('sub/b.yaml', service('b', 3));
    await untilServed('a=2 b=3');
    rmSync(at('sub'), { recursive: true });
    await untilServed('a=2');
  });
});

describe('a storm of changes', { timeout: 60_000 }, () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const folderName = fc.constantFrom('.', 'x', 'y', 'x/z');
  const file = fc.tuple(folderName, name).map(([path, base]) => join(path, `${base}.yaml`));
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('write' as const),
      path: file,
      name,
      port: fc.integer({ min: 1, max: 9 }),
    }),
    fc.record({
      kind: fc.constant('rename' as const),
      path: fc.oneof(file, folderName),
      to: fc.oneof(file, folderName),
    }),
    fc.record({ kind: fc.constant('remove' as const), path: fc.oneof(file, folderName) }),
    fc.record({ kind: fc.constant('make' as const), path: folderName }),
    fc.record({
      kind: fc.constant('link' as const),
      path: fc.oneof(file, folderName),
      to: fc.oneof(file, folderName),
    }),
    fc.record({ kind: fc.constant('pause' as const), ms: fc.integer({ min: 0, max: 25 }) }),
  );

  type Action = typeof step extends fc.Arbitrary<infer T> ? T : never;

  async function apply(action: Action): Promise<void> {
    if (action.kind === 'write') put(action.path, service(action.name, action.port));
    else if (action.kind === 'rename') renameSync(at(action.path), at(action.to));
    else if (action.kind === 'make') mkdirSync(at(action.path), { recursive: true });
    else if (action.kind === 'link') symlinkSync(at(action.to), at(action.path));
    else if (action.kind === 'remove' && action.path !== '.') rmSync(at(action.path), { recursive: true });
    else if (action.kind === 'pause') await new Promise((resolve) => setTimeout(resolve, action.ms));
  }

  test('ends in what a fresh reading of the folder gives', async () => {
    await start();
    let port = 1;
    const run = async (actions: readonly Action[]): Promise<void> => {
      for (const action of actions) {
        try {
          await apply(action);
        } catch {
          // The random step was not possible; the next one may be.
        }
      }
      // The last change of all: when it is there, so must be everything before it but what is gone, which may come back.
      put('last.yaml', service('last', ++port));
      const fresh = await readManifests([folder]);
      await until(() => find('last')?.ports[0]?.port === port);
      for (const one of fresh.services.values())
        assert.ok(find(one.meta.name), `${served()}, ${served(fresh)}`);
      await untilServed(served(fresh));
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), {
      numRuns: 15,
      endOnFailure: true,
    });
  });
});

describe('names', { timeout: 20_000 }, () => {
  test('of ExternalName Services come back resolved in a later snapshot', async () => {
    await start();
    source.want({ names: new Set(['10.1.2.3']), secrets: new Set() });
    await until(() => now().resolvedNames.size === 1);
    assert.deepEqual(now().resolvedNames.get('10.1.2.3'), {
      name: '10.1.2.3',
      addresses: ['10.1.2.3'],
      error: null,
    });
    assert.equal(now().services, snapshots[0]?.services);
  });
});

describe('reading once', () => {
  test('takes folders and files, and names a path that is not there', async () => {
    mkdirSync(at('x'));
    put('x/a.yaml', service('a'));
    put('b.txt', service('b'));
    assert.equal(served(await readManifests([at('x'), at('b.txt')])), 'a=80 b=80');
    await assert.rejects(readManifests([at('nothing')]), /nothing cannot be read: ENOENT/);
  });
});
