import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Finding, Folder } from './folder.ts';

const base = mkdtempSync(join(tmpdir(), 'tidegate-folder-'));
after(() => rmSync(base, { recursive: true }));

const TURNS = 7;
const told = (finding: Finding) => (finding.kind === 'text' ? finding.text : finding.kind);

test('what changed without a hint is found within two rounds of turns, and nothing else is read', async () => {
  const at = (path: string) => join(base, path);
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(at(name));
    for (let n = 0; n < 20; n++) writeFileSync(at(`${name}/${n}.yaml`), 'old');
  }
  const folder = new Folder([base], null);
  assert.equal([...(await folder.lookAtAll()).values()].filter(({ kind }) => kind === 'text').length, 60);

  writeFileSync(at('a/3.yaml'), 'written over');
  rmSync(at('a/4.yaml'));
  writeFileSync(at('a/new.yaml'), 'new');
  rmSync(at('b'), { recursive: true });
  mkdirSync(at('d/e'), { recursive: true });
  writeFileSync(at('d/e/deep.yaml'), 'deep');
  rmSync(at('c/0.yaml'));
  mkdirSync(at('c/0.yaml'));
  writeFileSync(at('c/0.yaml/inner.yaml'), 'inner');
  renameSync(at('c/1.yaml'), at('c/moved.yaml'));

  const found = new Map<string, string>();
  for (let turn = 0; turn < 2 * TURNS + 2; turn++) {
    for (const [path, finding] of await folder.lookAgain(TURNS)) found.set(path, told(finding));
  }
  const texts = [...found].filter(([, text]) => text !== 'gone').map(([path, text]) => [path, text]);
  assert.deepEqual(
    new Map(texts as [string, string][]),
    new Map([
      [at('a/3.yaml'), 'written over'],
      [at('a/new.yaml'), 'new'],
      [at('d/e/deep.yaml'), 'deep'],
      [at('c/0.yaml/inner.yaml'), 'inner'],
      [at('c/moved.yaml'), 'old'],
    ]),
  );
  const gone = ['a/4.yaml', 'c/0.yaml', 'c/1.yaml', ...Array.from({ length: 20 }, (_, n) => `b/${n}.yaml`)];
  for (const path of gone) assert.equal(found.get(at(path)), 'gone', path);
});

/** Root may read everything, whatever the permissions say. */
async function asPlainUser<T>(act: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return await act();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

test('what is in a folder that may not be searched is told, but not what was only asked for, until it may be again', async () => {
  const root = mkdtempSync(join(tmpdir(), 'tidegate-folder-'));
  after(() => rmSync(root, { recursive: true }));
  chmodSync(root, 0o755);
  const sub = join(root, 'sub');
  mkdirSync(join(sub, 'inner'), { recursive: true });
  writeFileSync(join(sub, 'a.yaml'), 'a');
  const folder = new Folder([root], null);
  await folder.lookAtAll();

  chmodSync(sub, 0o644);
  // What inotify says of the folder itself names it as if it were in itself.
  const asked = new Set([sub, join(sub, 'sub'), join(sub, 'inner')]);
  const found = await asPlainUser(() => folder.lookAt(asked));
  assert.deepEqual(
    new Map([...found].map(([path, { kind }]) => [path, kind])),
    new Map([
      [sub, 'gone'],
      [join(sub, 'inner'), 'unreadable-folder'],
      [join(sub, 'a.yaml'), 'unreadable'],
    ]),
  );

  chmodSync(sub, 0o755);
  const again = await asPlainUser(() => folder.lookAt(new Set([sub])));
  assert.equal(again.get(join(sub, 'inner'))?.kind, 'gone', 'nothing is said about it any more');
  assert.deepEqual(again.get(join(sub, 'a.yaml')), { kind: 'text', text: 'a' });
});

test('a folder that is too deep is told, as long as it is there', async () => {
  const root = mkdtempSync(join(tmpdir(), 'tidegate-folder-'));
  after(() => rmSync(root, { recursive: true }));
  const [deep, tooDeep] = [32, 33].map((depth) => join(root, ...Array<string>(depth).fill('d')));
  mkdirSync(tooDeep!, { recursive: true });
  for (const path of [deep!, tooDeep!]) writeFileSync(join(path, 'a.yaml'), 'a');
  const folder = new Folder([root], null);
  const found = await folder.lookAtAll();
  assert.equal(found.get(join(deep!, 'a.yaml'))?.kind, 'text');
  assert.deepEqual(found.get(tooDeep!), {
    kind: 'unreadable',
    message: 'cannot be read: it is more than 32 folders deep',
  });
  rmSync(tooDeep!, { recursive: true });
  assert.equal((await folder.lookAtAll()).get(tooDeep!)?.kind, 'gone');
});
