import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backend, ingress, meta, service, snapshotOf } from '../../../test/kit/objects.ts';
import { OPTIONS } from '../../../test/kit/translate-options.ts';
import { objectKey } from '../../model/keys.ts';
import type { Ingress, Snapshot } from '../../model/snapshot.ts';
import { createTranslator } from '../translate.ts';
import { byPrecedence } from './precedence.ts';

const STRICT = { ...OPTIONS, hostSharing: 'same-namespace' as const };
const NAMESPACES = ['n1', 'n2', 'n3'];
const HOSTS = ['', 'a.x.test', 'b.x.test', '*.x.test', 'x.test', '*.test'];

/** Ingresses that claim few hosts from few namespaces, by rules, by TLS or by both, so that they meet. */
const anyIngress = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.constantFrom('a', 'b', 'c'),
    creationTimestamp: fc.constantFrom(0, 1000, 2000, 3000),
    hosts: fc.uniqueArray(fc.constantFrom(...HOSTS), { maxLength: 3 }),
    tls: fc.uniqueArray(fc.constantFrom(...HOSTS.slice(1)), { maxLength: 2 }),
  })
  .map(({ namespace, name, creationTimestamp, hosts, tls }) =>
    ingress(name, {
      meta: meta(name, { namespace, creationTimestamp }),
      rules: hosts.map((host) => ({
        host,
        paths: [{ path: `/${namespace}`, pathType: 'Prefix', backend: backend('web:80') }],
      })),
      tls: tls.length === 0 ? [] : [{ hosts: tls, secretName: null }],
    }),
  );

type Edit = { readonly put: Ingress } | { readonly remove: Ingress };
const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 3, arbitrary: anyIngress.map((put) => ({ put })) },
  { weight: 1, arbitrary: anyIngress.map((remove) => ({ remove })) },
);

function edited(snapshot: Snapshot, edits: readonly Edit[]): Snapshot {
  const ingresses = new Map(snapshot.ingresses);
  for (const edit of edits) {
    if ('put' in edit) ingresses.set(edit.put.meta.key, edit.put);
    else ingresses.delete(edit.remove.meta.key);
  }
  return { ...snapshot, ingresses, version: snapshot.version + 1 };
}

/** The rule in its plainest form: whose a host is. */
function ownerOf(host: string, ingresses: readonly Ingress[]): string | undefined {
  const claim = (each: Ingress, name: string) =>
    each.rules.some((rule) => rule.host === name) ||
    each.tls.some((entry) => entry.hosts.includes(name)) ||
    (name === '' && each.rules.length === 0);
  const oldest = (name: string) =>
    ingresses.filter((each) => claim(each, name)).sort((a, b) => byPrecedence(a.meta, b.meta))[0];
  const own = oldest(host);
  const above =
    host.startsWith('*.') || !host.includes('.') ? undefined : oldest(host.replace(/^[^.]+/, '*'));
  if (own === undefined || above === undefined) return own?.meta.namespace;
  return (byPrecedence(above.meta, own.meta) < 0 ? above : own).meta.namespace;
}

const services = NAMESPACES.map((namespace) => service('web', { meta: meta('web', { namespace }) }));

test('after any edits every host serves its owner alone, as a fresh translator has it', () => {
  const rounds = fc.array(fc.array(anyEdit, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 10 });
  let refusals = 0;
  fc.assert(
    fc.property(rounds, (edits) => {
      const translator = createTranslator(STRICT);
      let snapshot = snapshotOf(services);
      for (const round of edits) {
        snapshot = edited(snapshot, round);
        const { table, problems } = translator.translate(snapshot);
        const fresh = createTranslator(STRICT).translate(snapshot);
        assert.deepEqual(table.hosts, fresh.table.hosts);
        assert.deepEqual(table.tls.tlsHosts, fresh.table.tls.tlsHosts);
        assert.deepEqual(problems, fresh.problems);
        for (const [host, { paths, fallback }] of table.hosts) {
          const owner = ownerOf(host, [...snapshot.ingresses.values()]);
          for (const route of fallback === null ? paths.values() : [...paths.values(), fallback]) {
            assert.equal(
              route.origin.namespace,
              owner,
              `${host} in ${JSON.stringify([...snapshot.ingresses])}`,
            );
          }
        }
        refusals += problems.filter(({ reason }) => reason === 'HostNotOwned').length;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(refusals > 100, `only ${refusals} refusals`);
});

test('a TLS section of another namespace makes a host neither served with TLS nor its certificate another', () => {
  const rule = {
    host: 'a.test',
    paths: [{ path: '/', pathType: 'Prefix' as const, backend: backend('web:80') }],
  };
  const owner = ingress('web', {
    meta: meta('web', { namespace: 'n1', creationTimestamp: 1000 }),
    rules: [rule],
  });
  const thief = ingress('web', {
    meta: meta('web', { namespace: 'n2', creationTimestamp: 2000 }),
    rules: [{ ...rule, host: 'other.test' }],
    tls: [{ hosts: ['a.test', 'other.test'], secretName: null }],
  });
  const hosts = (options: typeof OPTIONS) =>
    [
      ...createTranslator(options)
        .translate(snapshotOf([owner, thief, ...services]))
        .table.tls.tlsHosts.keys(),
    ]
      .filter((host) => host !== '')
      .sort();
  for (const [options, expected] of [
    [OPTIONS, 'warning'],
    [STRICT, 'error'],
  ] as const) {
    assert.deepEqual(hosts(options), ['other.test']);
    const { problems } = createTranslator(options).translate(snapshotOf([owner, thief, ...services]));
    const refused = problems.filter(({ reason }) => reason === 'HostNotOwned');
    assert.deepEqual(
      refused.map(({ object, field, severity }) => [object?.namespace, field, severity]),
      [['n2', 'spec.tls[0].hosts[0]', expected]],
    );
  }
});

test('when the owner goes, the host goes to the next in age', () => {
  const claim = (namespace: string, creationTimestamp: number) =>
    ingress('web', {
      meta: meta('web', { namespace, creationTimestamp }),
      rules: [{ host: 'a.test', paths: [{ path: '/', pathType: 'Prefix', backend: backend('web:80') }] }],
    });
  const translator = createTranslator(STRICT);
  const both = snapshotOf([claim('n2', 2000), claim('n1', 1000), ...services]);
  const ownerIn = (snapshot: Snapshot) => {
    const { table, problems } = translator.translate(snapshot);
    const refused = problems.some(({ reason }) => reason === 'HostNotOwned');
    return [[...table.hosts.get('a.test' as never)!.paths.values()][0]?.origin.namespace, refused];
  };
  assert.deepEqual(ownerIn(both), ['n1', true]);
  const left = new Map(both.ingresses);
  left.delete(objectKey('n1', 'web'));
  assert.deepEqual(ownerIn({ ...both, ingresses: left }), ['n2', false]);
});
