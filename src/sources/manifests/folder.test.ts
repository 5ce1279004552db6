import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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
