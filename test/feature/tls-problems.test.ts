/** What is said about certificates that are broken, weak, out of date or for somebody else. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { issue, type TestCertificate, tlsSecret, withTls } from '../kit/certificates.ts';
import { ingressClass, type KubeObject, makeManifestFolder, routeAll } from '../kit/manifests.ts';
import { runTidegate } from '../kit/run-tidegate.ts';
import { startHttps } from '../kit/tls.ts';
import type { Scope } from '../kit/waiting.ts';

const HOST = 'a.test';
const good = issue({ names: [HOST] });
const other = issue({ names: ['b.test'] });

interface Reported {
  readonly severity: string;
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** The problems of an Ingress for `a.test` with these entries of spec.tls, beside these objects. */
async function problems(
  scope: Scope,
  objects: readonly KubeObject[],
  tls: readonly { readonly hosts?: readonly string[]; readonly secretName?: string }[] = [
    { hosts: [HOST], secretName: 's' },
  ],
): Promise<Reported[]> {
  const folder = await makeManifestFolder(scope);
  const [object, ...others] = routeAll(HOST, 1);
  await folder.write('all.yaml', [ingressClass, withTls(object!, tls), ...others, ...objects]);
  const { stdout, stderr } = await runTidegate(['check', folder.path, '--output', 'json']);
  assert.doesNotMatch(`${stdout}${stderr}`, /BEGIN|PRIVATE/, 'nothing of a certificate or key is printed');
  const found = JSON.parse(stdout) as { readonly problems: readonly Reported[] };
  return found.problems.map(({ severity, reason, field, message }) => ({ severity, reason, field, message }));
}

function secretWith(certificate: string, key: string, type = 'kubernetes.io/tls'): KubeObject {
  return { ...tlsSecret('s', { certificate, key }), type };
}

const secret = (certificate: TestCertificate) => tlsSecret('s', certificate);

describe('a certificate', () => {
  const weak = issue({ names: [HOST], keyType: 'rsa', bits: 1024 });
  const table: readonly [
    what: string,
    object: KubeObject,
    expected: [string, string, string, RegExp] | null,
  ][] = [
    ['that is good is nothing to speak of', secret(good), null],
    ['of RSA is, too', secret(issue({ names: [HOST], keyType: 'rsa' })), null],
    ['of Ed25519 is, too', secret(issue({ names: [HOST], keyType: 'ed25519' })), null],
    ['for the wildcard above the host is, too', secret(issue({ names: ['*.test'] })), null],
    [
      'that expired is served with a warning',
      secret(issue({ names: [HOST], fromDays: -10, toDays: -1 })),
      [
        'warning',
        'CertificateExpired',
        'spec.tls[0].secretName',
        /expired at \d{4}-\d\d-\d\dT.*served all the same/,
      ],
    ],
    [
      'that is not valid yet is served with a warning',
      secret(issue({ names: [HOST], fromDays: 1, toDays: 10 })),
      [
        'warning',
        'CertificateNotYetValid',
        'spec.tls[0].secretName',
        /not valid before \d{4}.*served all the same/,
      ],
    ],
    [
      'that is for another host is not used',
      secret(other),
      [
        'warning',
        'HostNotCovered',
        'spec.tls[0].hosts[0]',
        /is for b\.test, not for "a\.test".*default certificate/,
      ],
    ],
    [
      'whose wildcard is a label short is not used',
      secret(issue({ names: ['*.a.test'] })),
      ['warning', 'HostNotCovered', 'spec.tls[0].hosts[0]', /is for \*\.a\.test/],
    ],
    [
      'that does not fit its key is not used',
      secretWith(good.certificate, other.key),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /tls\.key that does not fit the certificate/],
    ],
    [
      'with a weak key is not used',
      secret(weak),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /RSA key of 1024 bits/],
    ],
    [
      'that is no PEM is not used',
      secretWith('no certificate', good.key),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /no PEM certificate in tls\.crt/],
    ],
    [
      'that is PEM around nothing good is not used',
      secretWith(
        good.certificate.replace(/[a-z]{20}/, 'AAAAAAAAAAAAAAAAAAAA').slice(0, 300) +
          '\n-----END CERTIFICATE-----\n',
        good.key,
      ),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /number 1\) that cannot be read/],
    ],
    [
      'without a readable key is not used',
      secretWith(good.certificate, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /no PEM private key without passphrase/],
    ],
    [
      'without key is not used',
      secretWith(good.certificate, ''),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /has no tls\.key/],
    ],
    [
      'with an endless chain is not used',
      secretWith(good.certificate.repeat(17), good.key),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /17 certificates in tls\.crt, more than 16/],
    ],
    [
      'in a Secret of another type is not used',
      secretWith(good.certificate, good.key, 'Opaque'),
      ['error', 'InvalidSecret', 'spec.tls[0].secretName', /of type "Opaque", expected kubernetes\.io\/tls/],
    ],
    [
      'in a Secret that is not there is not used',
      tlsSecret('another', good),
      [
        'error',
        'SecretNotFound',
        'spec.tls[0].secretName',
        /no Secret default\/s; the default certificate is used/,
      ],
    ],
  ];
  for (const [what, object, expected] of table) {
    test(what, async (t) => {
      const found = await problems(t, [object]);
      if (expected === null) return assert.deepEqual(found, []);
      const [severity, reason, field, message] = expected;
      assert.equal(found.length, 1, JSON.stringify(found));
      const [only] = found;
      assert.deepEqual([only!.severity, only!.reason, only!.field], [severity, reason, field]);
      assert.match(only!.message, message);
    });
  }
});

test('each problem is at its own entry, and entries that are good are not spoken of', async (t) => {
  const found = await problems(
    t,
    [tlsSecret('good', good), tlsSecret('other', other)],
    [
      { hosts: [HOST], secretName: 'good' },
      { hosts: ['b.test', 'c.test'], secretName: 'other' },
      { hosts: ['d.test'], secretName: 'gone' },
      { hosts: ['e.test'] },
    ],
  );
  assert.deepEqual(
    found.map(({ reason, field }) => [reason, field]),
    [
      ['HostNotCovered', 'spec.tls[1].hosts[1]'],
      ['SecretNotFound', 'spec.tls[2].secretName'],
    ],
  );
});

test('an entry without hosts is for the hosts that its certificate is for', async (t) => {
  const entries = [{ secretName: 'other' }, { secretName: 's' }];
  assert.deepEqual(await problems(t, [secret(good), tlsSecret('other', other)], entries), []);
});

test('a certificate that expires while the program runs becomes a problem, and its end is a metric', async (t) => {
  // A few seconds from now: on a slow machine it has expired at the start, which is a problem, too.
  const soon = issue({ names: [HOST], toDays: 4 / (24 * 3600) });
  const [object, ...others] = routeAll(HOST, 1);
  const manifests = [withTls(object!, [{ hosts: [HOST], secretName: 's' }]), ...others, secret(soon)];
  const proxy = await startHttps(t, { manifests });
  const { text } = await proxy.get('/metrics');
  const end = Date.parse(new X509Certificate(soon.certificate).validTo) / 1000;
  assert.match(
    text,
    new RegExp(`^tidegate_certificate_expiry_timestamp_seconds\\{name="a.test",id="\\w{16}"\\} ${end}$`, 'm'),
  );
  await proxy.logged('the problem', (line) => JSON.stringify(line).includes('CertificateExpired'));
});
