/** Time passes and nothing else changes: certificates become valid and expire, and the translation says when to look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issue, tlsSecret } from '../../../test/kit/certificates.ts';
import { ingress, meta, snapshotOf } from '../../../test/kit/objects.ts';
import { OPTIONS } from '../../../test/kit/translate-options.ts';
import type { Ingress, Secret } from '../../model/snapshot.ts';
import { decodeObject } from '../../sources/decode/all.ts';
import { createTranslator } from '../translate.ts';

const DAY_MS = 24 * 3600 * 1000;

function decoded(
  name: string,
  fromDays: number,
  toDays: number,
): { secret: Secret; from: number; to: number } {
  const made = issue({ names: ['a.test'], fromDays, toDays });
  const result = decodeObject(tlsSecret(name, made), null);
  assert.equal(result.kind, 'decoded');
  const secret = (result as unknown as { records: readonly Secret[] }).records[0]!;
  const now = Math.floor(Date.now() / 1000) * 1000;
  return { secret, from: now + fromDays * DAY_MS, to: now + toDays * DAY_MS };
}

const late = decoded('late', 1, 3);
const early = decoded('early', -1, 2);

function withSecret(name: string): Ingress {
  return ingress(name, {
    meta: meta(name, { namespace: 'default' }),
    rules: [{ host: `${name}.test`, paths: null }],
    tls: [{ hosts: ['a.test'], secretName: name }],
  });
}

test('each date of a certificate in use is a time to look again, and changes what is said', () => {
  let now = Date.now();
  const translator = createTranslator({ ...OPTIONS, now: () => now });
  const snapshot = snapshotOf([withSecret('late'), withSecret('early'), late.secret, early.secret]);
  const reasons = (): string[] =>
    translator
      .translate(snapshot)
      .problems.map(({ reason, object }) => `${object?.name} ${reason}`)
      .filter((text) => text.includes('Certificate'))
      .sort();
  const closeTo = (expected: number): void => {
    const { nextLook } = translator.translate(snapshot);
    assert.ok(Math.abs(nextLook - expected) < 60_000, `${nextLook - expected} ms off`);
    now = nextLook;
  };
  assert.deepEqual(reasons(), ['late CertificateNotYetValid']);
  const before = translator.translate(snapshot).table;
  closeTo(late.from);
  assert.deepEqual(reasons(), []);
  closeTo(early.to);
  assert.deepEqual(reasons(), ['early CertificateExpired']);
  closeTo(late.to);
  assert.deepEqual(reasons(), ['early CertificateExpired', 'late CertificateExpired']);
  assert.equal(translator.translate(snapshot).nextLook, Infinity);
  assert.equal(translator.translate(snapshot).table, before, 'the table is the same all the time');
});
