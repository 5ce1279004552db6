import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { isServingGood, makeServing, readSecretData, secretData } from './serving-certificate.ts';

const DAY_MS = 24 * 3600 * 1000;
const NOW = Date.UTC(2026, 0, 1);
const NAMES = ['tidegate-webhook.tidegate.svc', 'tidegate-webhook.tidegate.svc.cluster.local'];

test('a new certificate is for the names, and issued by an authority of its own', () => {
  const serving = makeServing(NAMES, NOW, null);
  const leaf = new X509Certificate(serving.certificate);
  const authority = new X509Certificate(serving.authority);
  assert.ok(NAMES.every((name) => leaf.checkHost(name)));
  assert.ok(leaf.verify(authority.publicKey) && authority.ca);
  assert.ok(isServingGood(serving, NAMES, NOW));
  assert.ok(!isServingGood(serving, ['other.svc'], NOW));
});

test('it is renewed by the same authority when a third of its life is left', () => {
  const serving = makeServing(NAMES, NOW, null);
  assert.ok(isServingGood(serving, NAMES, NOW + 59 * DAY_MS));
  const later = NOW + 61 * DAY_MS;
  assert.ok(!isServingGood(serving, NAMES, later));
  const renewed = makeServing(NAMES, later, serving);
  assert.equal(renewed.authority, serving.authority);
  assert.notEqual(renewed.key, serving.key);
  assert.ok(isServingGood(renewed, NAMES, later));
});

test('a new authority is trusted beside the one before, so that nobody is refused meanwhile', () => {
  const serving = makeServing(NAMES, NOW, null);
  const later = NOW + 9 * 365 * DAY_MS;
  const renewed = makeServing(NAMES, later, serving);
  const trusted = renewed.authority.match(/-----BEGIN/g) ?? [];
  assert.equal(trusted.length, 2);
  assert.ok(renewed.authority.trimEnd().endsWith(serving.authority.trimEnd()));
  assert.ok(isServingGood(renewed, NAMES, later));
  // The one before that is gone.
  const again = makeServing(NAMES, later + 9 * 365 * DAY_MS, renewed);
  assert.equal((again.authority.match(/-----BEGIN/g) ?? []).length, 2);
});

test('what is kept in a Secret comes back as it was; what is incomplete or broken is none', () => {
  const serving = makeServing(NAMES, NOW, null);
  const data = secretData(serving);
  assert.deepEqual(readSecretData(data), serving);
  const { 'ca.key': _, ...incomplete } = data;
  for (const bad of [null, 'x', {}, incomplete, { ...data, 'tls.key': 7 }])
    assert.equal(readSecretData(bad), null);
  const other = makeServing(NAMES, NOW, null);
  assert.ok(!isServingGood({ ...serving, key: other.key }, NAMES, NOW));
  assert.ok(!isServingGood({ ...serving, authority: other.authority }, NAMES, NOW));
  assert.ok(!isServingGood({ ...serving, certificate: 'x' }, NAMES, NOW));
  assert.ok(
    isServingGood(makeServing(NAMES, NOW, { ...serving, authorityKey: other.authorityKey }), NAMES, NOW),
  );
});
