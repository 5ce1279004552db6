import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../test/kit/waiting.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import type { Managed } from './managed-certificate.ts';
import type { KeyPair } from './server.ts';

const pair = (certificate: string): Managed<KeyPair> => ({ ok: true, value: { certificate, key: 'key' } });
const away: Managed<KeyPair> = { ok: false, message: 'the API server is away' };

/** A keeper whose looks are answered in this order, the last answer again and again. */
function keeper(answers: readonly Managed<KeyPair>[], more: { failUse?: boolean } = {}) {
  const renewed: string[] = [];
  const troubles: string[] = [];
  const looks = { number: 0, atOnce: 0, most: 0 };
  const keeping = new CertificateKeeper({
    look: async () => {
      looks.most = Math.max(looks.most, ++looks.atOnce);
      await new Promise(setImmediate);
      looks.atOnce--;
      return answers[Math.min(looks.number++, answers.length - 1)]!;
    },
    checkMs: 1,
    retryMs: 1,
    onRenewed: ({ certificate }) => {
      if (more.failUse) throw new Error('they do not fit');
      renewed.push(certificate);
    },
    onTrouble: (message) => troubles.push(message),
  });
  return { keeping, renewed, troubles, looks };
}

test('waits for the first certificate, and says why once however long that takes', async (t) => {
  const { keeping, troubles } = keeper([away, away, away, pair('a')]);
  t.after(() => keeping.close());
  assert.equal((await keeping.start()).certificate, 'a');
  assert.deepEqual(troubles, [away.message]);
});

test('tells of a certificate that is another one, and only then', async (t) => {
  const { keeping, renewed, looks } = keeper([pair('a'), pair('a'), pair('b')]);
  t.after(() => keeping.close());
  await keeping.start();
  await eventually(() => assert.ok(looks.number >= 6));
  assert.deepEqual(renewed, ['b']);
});

test('looks one at a time while the API server is away, and says so once', async (t) => {
  const { keeping, troubles, renewed, looks } = keeper([pair('a'), ...Array(20).fill(away), pair('b')]);
  t.after(() => keeping.close());
  await keeping.start();
  await eventually(() => assert.deepEqual(renewed, ['b']));
  assert.equal(looks.most, 1);
  assert.equal(troubles.length, 1);
});

test('a certificate that cannot be used leaves the last one in use, which is said', async (t) => {
  const { keeping, troubles, looks } = keeper([pair('a'), pair('b')], { failUse: true });
  t.after(() => keeping.close());
  await keeping.start();
  await eventually(() => assert.ok(looks.number >= 4));
  assert.deepEqual(troubles, ['the last certificate stays in use: they do not fit']);
});

test('closed while it waits for the first certificate, it looks no more and start rejects', async () => {
  const { keeping, looks } = keeper([away]);
  const started = keeping.start();
  await eventually(() => assert.ok(looks.number >= 2));
  keeping.close();
  const looked = looks.number + looks.atOnce;
  await assert.rejects(started, /closed before there was a certificate/);
  assert.ok(looks.number <= looked, `${looks.number} looks, ${looked} when it was closed`);
});
