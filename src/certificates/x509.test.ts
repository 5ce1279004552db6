import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { selfSignedCertificate } from './self-signed.ts';
import { makeCertificate } from './x509.ts';

const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ed25519: generateKeyPairSync('ed25519'),
};
const keyType = fc.constantFrom('rsa', 'ec', 'ed25519');
const label = fc.stringMatching(/^[a-z0-9]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const commonName = fc.stringMatching(/^[A-Za-z0-9äßλ .'-]{1,60}$/).filter((text) => text.trim() === text);
/** Whole seconds from 1970 to 2149: both encodings of a date. */
const moment = fc.integer({ min: 0, max: 5_650_000_000 }).map((seconds) => seconds * 1000);

test('OpenSSL reads back what was put into a certificate, and its signature holds', () => {
  fc.assert(
    fc.property(
      fc.record({
        subject: commonName,
        issuer: commonName,
        dnsNames: fc.array(name, { maxLength: 20 }),
        notBefore: moment,
        notAfter: moment,
        own: keyType,
        signer: keyType,
        usage: fc.constantFrom('authority', 'server', 'client'),
      }),
      ({ own, signer, ...rest }) => {
        const der = makeCertificate({
          ...rest,
          publicKey: keys[own].publicKey,
          signer: keys[signer].privateKey,
        });
        const read = new X509Certificate(der);
        assert.equal(read.subject, `CN=${rest.subject}`);
        assert.equal(read.issuer, `CN=${rest.issuer}`);
        const names = rest.dnsNames.map((each) => `DNS:${each}`).join(', ');
        assert.equal(read.subjectAltName ?? '', names);
        assert.equal(read.validFromDate.getTime(), rest.notBefore);
        assert.equal(read.validToDate.getTime(), rest.notAfter);
        assert.equal(read.ca, rest.usage === 'authority');
        assert.ok(read.checkPrivateKey(keys[own].privateKey));
        assert.ok(read.verify(keys[signer].publicKey));
      },
    ),
    { numRuns: 200 },
  );
});

test('the certificate of last resort is fresh each time and valid for a year', () => {
  const now = Date.UTC(2026, 5, 1);
  const [one, two] = [selfSignedCertificate(now), selfSignedCertificate(now)];
  assert.notEqual(one.id, two.id);
  const read = new X509Certificate(Buffer.from(one.chain.reveal()));
  assert.ok(read.validFromDate.getTime() < now && read.validToDate.getTime() === one.notAfter);
  assert.ok(read.verify(read.publicKey));
  assert.ok(!JSON.stringify(one).includes('BEGIN'));
});
