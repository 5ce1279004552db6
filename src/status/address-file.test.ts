import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { objectKey } from '../model/keys.ts';
import { AddressFile, readAddressFile } from './address-file.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-addresses-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const entry = (...addresses: string[]) => ({ addresses, claim: 'c' });
const never = (message: string) => assert.fail(message);

describe('the file that remembers addresses', () => {
  test('gives back what it was told last, and leaves nothing else behind', async (t) => {
    const path = await folder(t);
    const file = new AddressFile(join(path, 'state'), never);
    const a = objectKey('ns', 'a');
    for (let i = 0; i < 50; i++) file.keep(new Map([[a, entry(`192.0.2.${i}`)]]));
    file.keep(
      new Map([
        [a, entry('192.0.2.1', '2001:db8::1')],
        [objectKey('ns', 'without'), entry()],
      ]),
    );
    await file.settled();
    assert.deepEqual(
      await readAddressFile(join(path, 'state')),
      new Map([[a, entry('192.0.2.1', '2001:db8::1')]]),
    );
    assert.deepEqual(await readdir(path), ['state']);
  });

  test('that is not there is an empty memory', async (t) => {
    assert.deepEqual(await readAddressFile(join(await folder(t), 'state')), new Map());
  });

  for (const text of [
    '',
    '{',
    '[]',
    '{"version":2,"services":{}}',
    '{"version":1,"services":{"a":{"addresses":"x"}}}',
    '{"version":1,"services":{"a":null}}',
  ]) {
    test(`that says ${JSON.stringify(text)} is refused`, async (t) => {
      const path = join(await folder(t), 'state');
      await writeFile(path, text);
      await assert.rejects(readAddressFile(path), /is not a file that Tidegate wrote/);
    });
  }

  test('that cannot be written is told, and written as soon as it can be', async (t) => {
    const path = join(await folder(t), 'later');
    const told: string[] = [];
    const file = new AddressFile(join(path, 'state'), (message) => told.push(message));
    file.keep(new Map([[objectKey('ns', 'a'), entry('192.0.2.1')]]));
    await file.settled();
    assert.match(told[0] ?? '', /addresses cannot be remembered: ENOENT/);
    await mkdir(path);
    file.keep(new Map([[objectKey('ns', 'a'), entry('192.0.2.1')]]));
    await file.settled();
    assert.match(await readFile(join(path, 'state'), 'utf8'), /192\.0\.2\.1/);
  });
});
