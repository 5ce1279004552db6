import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backend, ingress, ingressClass, meta, service, snapshotOf } from '../../test/kit/objects.ts';
import { OPTIONS } from '../../test/kit/translate-options.ts';
import type { Ingress } from '../model/snapshot.ts';
import { needsReview, readReview, reviewAnswer } from './admission-review.ts';
import { Reviewer } from './reviewer.ts';

type Json = Record<string, unknown>;

const rules = (host: string, path = '/', name = 'web') => [
  {
    host,
    http: { paths: [{ path, pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } }] },
  },
];

/** An Ingress `ns/web` as the API server sends it. */
function sent(spec: Json, metadata: Json = {}): Json {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web', namespace: 'ns', ...metadata },
    spec: { ingressClassName: 'tidegate', ...spec },
  };
}

/** In the cluster: a class of ours and a foreign one, a Service, and an Ingress of another namespace. */
const owner: Ingress = ingress('owner', {
  meta: meta('owner', { namespace: 'other', creationTimestamp: 1000 }),
  rules: [{ host: 'taken.test', paths: [{ path: '/', pathType: 'Prefix', backend: backend('web:80') }] }],
});
const world = snapshotOf([
  ingressClass('tidegate'),
  ingressClass('foreign', { controller: 'example.com/other' }),
  service('web'),
  service('web', { meta: meta('web', { namespace: 'other' }) }),
  owner,
]);

function reviewer(options: Partial<typeof OPTIONS> = {}): Reviewer {
  const made = new Reviewer({ ...OPTIONS, ...options });
  made.update(world);
  return made;
}

describe('an Ingress', () => {
  const STRICT = { hostSharing: 'same-namespace' } as const;
  const timeout = (value: string) => ({
    annotations: { 'nginx.ingress.kubernetes.io/auth-tls-secret': value },
  });
  const table: [
    what: string,
    object: Json,
    message: RegExp | null,
    warning: RegExp | null,
    options?: Partial<typeof OPTIONS>,
  ][] = [
    ['that is fine is let in', sent({ rules: rules('a.test') }), null, null],
    [
      'whose Service is to come later is let in with a warning',
      sent({ rules: rules('a.test', '/', 'later') }),
      null,
      /there is no Service ns\/later/,
    ],
    [
      'whose Secret is to come later is let in, as the webhook knows no Secrets',
      sent({ rules: rules('a.test'), tls: [{ hosts: ['a.test'], secretName: 'later' }] }),
      null,
      null,
    ],
    [
      'with a bad field is refused',
      sent({ rules: rules('10.0.0.1') }),
      /spec\.rules\[0\]\.host: must be a DNS name/,
      null,
    ],
    [
      'with a bad annotation that something depends on is refused',
      sent({ rules: rules('a.test') }, timeout('no/such/secret')),
      /auth-tls-secret.*expected NAMESPACE\/NAME/,
      null,
    ],
    [
      'with an annotation that is not supported is let in with a warning',
      sent(
        { rules: rules('a.test') },
        { annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': 'x' } },
      ),
      null,
      /proxy-read-timeout/,
    ],
    [
      'that claims the host and path of another namespace is refused',
      sent({ rules: rules('taken.test') }),
      /belongs to Ingress other\/owner/,
      null,
    ],
    [
      'that adds a path to the host of another namespace is let in',
      sent({ rules: rules('taken.test', '/mine') }),
      null,
      null,
    ],
    [
      'that does so where hosts may not be shared is refused',
      sent({ rules: rules('taken.test', '/mine') }),
      /belongs to namespace other/,
      null,
      STRICT,
    ],
    [
      'of another class is not judged',
      sent({ ingressClassName: 'foreign', rules: rules('10.0.0.1') }),
      null,
      null,
    ],
    [
      'of a class that nobody knows is let in with a warning',
      sent({ ingressClassName: 'nobody', rules: rules('a.test') }),
      null,
      /names no IngressClass/,
    ],
  ];
  for (const [what, object, message, warning, options] of table) {
    test(what, () => {
      const verdict = reviewer(options).review(object, null);
      assert.equal(verdict.allowed, message === null, verdict.message);
      if (message !== null) assert.match(verdict.message, message);
      assert.equal(verdict.warnings.length > 0, warning !== null, verdict.warnings.join('\n'));
      if (warning !== null) assert.match(verdict.warnings.join('\n'), warning);
    });
  }

  test('that is broken already may be changed as long as nothing else breaks', () => {
    const old = sent({ rules: rules('taken.test') });
    const relabelled = sent({ rules: rules('taken.test') }, { labels: { a: 'b' } });
    const worse = sent({ rules: [...rules('taken.test'), ...rules('10.0.0.1')] });
    assert.equal(reviewer().review(relabelled, old).allowed, true);
    assert.equal(reviewer().review(worse, old).allowed, false);
  });
  test('is not judged by what breaks in others because of it', () => {
    const older = sent({ rules: rules('taken.test') }, { creationTimestamp: '1970-01-01T00:00:00.500Z' });
    assert.deepEqual(reviewer().review(older, null), { allowed: true, message: '', warnings: [] });
  });
  test('that was reviewed leaves no trace', () => {
    const judge = reviewer();
    const first = judge.review(sent({ rules: rules('b.test') }), null);
    judge.review(sent({ rules: rules('b.test') }, { name: 'thief', namespace: 'thief' }), null);
    assert.deepEqual(judge.review(sent({ rules: rules('b.test') }), null), first);
  });
});

describe('an AdmissionReview', () => {
  const review = (request: Json) => ({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  test('is read with the name and namespace of the request where the object has none', () => {
    const object = { kind: 'Ingress', metadata: { generateName: 'web-' } };
    const read = readReview(review({ uid: 'u', operation: 'CREATE', namespace: 'ns', name: '', object }));
    assert.deepEqual(read, {
      uid: 'u',
      operation: 'CREATE',
      object: { kind: 'Ingress', metadata: { generateName: 'web-', namespace: 'ns', name: 'web-x' } },
      old: null,
    });
  });
  test('of another version, or what is none, is not read', () => {
    for (const other of [
      null,
      [],
      'x',
      {},
      { ...review({ uid: 'u' }), apiVersion: 'admission.k8s.io/v1beta1' },
    ]) {
      assert.equal(readReview(other), null);
    }
    assert.equal(readReview(review({ uid: 7 })), null);
  });
  test('of a deletion, or of an object that is being deleted, needs no judgement', () => {
    const request = (operation: string, metadata: Json) =>
      readReview(review({ uid: 'u', operation, object: { metadata } }))!;
    assert.equal(needsReview(request('UPDATE', {})), true);
    assert.equal(needsReview(request('UPDATE', { deletionTimestamp: '2026-01-01T00:00:00Z' })), false);
    assert.equal(needsReview(request('DELETE', {})), false);
  });
  test('is answered as the API demands', () => {
    assert.deepEqual(reviewAnswer('u', { allowed: false, message: 'no', warnings: ['w'] }), {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: {
        uid: 'u',
        allowed: false,
        status: { code: 403, reason: 'Forbidden', message: 'no' },
        warnings: ['w'],
      },
    });
  });
});
