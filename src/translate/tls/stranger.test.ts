/** What another namespace may do to a host, and what not: see docs/reference/ingress.md. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { issue, tlsSecret } from '../../../test/kit/certificates.ts';
import { backend, ingress, meta, service, snapshotOf } from '../../../test/kit/objects.ts';
import { OPTIONS } from '../../../test/kit/translate-options.ts';
import { hostMatches, owningHost } from '../../dataplane/route/linear.ts';
import type { TlsHost } from '../../model/certificate.ts';
import type { Hostname } from '../../model/keys.ts';
import type { HostTable, Route, RoutingTable } from '../../model/routing-table.ts';
import { type Ingress, type Secret, SecretBytes, type Service } from '../../model/snapshot.ts';
import { decodeObject } from '../../sources/decode/all.ts';
import type { TranslateOptions } from '../options.ts';
import { createTranslator } from '../translate.ts';
import type { Translation } from '../translation.ts';

const NGINX = 'nginx.ingress.kubernetes.io';
const PASSING = { 'ssl-passthrough': 'true' };
const SHARINGS = ['any-namespace', 'same-namespace'] as const;

/** Of namespace aa, in 2020, or of bb, in 2021 unless told otherwise. */
interface Site {
  readonly name?: string;
  readonly year?: number;
  readonly rules?: Readonly<Record<string, readonly string[]>>;
  readonly fallback?: boolean;
  readonly tls?: readonly string[];
  readonly secretName?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

function site(namespace: 'aa' | 'bb', more: Site): Ingress {
  const { name = 'web', rules = {}, tls = [], secretName = null, annotations = {}, fallback = false } = more;
  const year = more.year ?? (namespace === 'aa' ? 2020 : 2021);
  const notes = new Map(Object.entries(annotations).map(([key, value]) => [`${NGINX}/${key}`, value]));
  return ingress(name, {
    meta: meta(name, { namespace, creationTimestamp: Date.UTC(year), annotations: notes }),
    defaultBackend: fallback ? backend('web:80') : null,
    rules: Object.entries(rules).map(([host, paths]) => ({
      host,
      paths: paths.map((path) => ({ path, pathType: 'Prefix' as const, backend: backend('web:80') })),
    })),
    tls: tls.length === 0 ? [] : [{ hosts: tls, secretName }],
  });
}

const NAMES = ['*.test', '*.x.test', 'a.test', 'b.test'];

/** The Secrets `server` and `ca` of a namespace. */
function secretsOf(namespace: string): Secret[] {
  const object = { ...tlsSecret('server', issue({ names: NAMES })), metadata: { name: 'server', namespace } };
  const result = decodeObject(object, null);
  assert.equal(result.kind, 'decoded');
  const server = (result as unknown as { records: readonly Secret[] }).records[0]!;
  const { certificate } = issue({ names: [`Root of ${namespace}`], usage: 'authority' });
  const data = new Map([['ca.crt', new SecretBytes(Buffer.from(certificate))]]);
  return [server, { kind: 'Secret', meta: meta('ca', { namespace }), type: 'Opaque', data }];
}

const SECRETS = { aa: secretsOf('aa'), bb: secretsOf('bb') };
const SERVICES = {
  aa: service('web', { meta: meta('web', { namespace: 'aa' }) }),
  bb: service('web', { meta: meta('web', { namespace: 'bb' }) }),
};

function translated(
  objects: readonly (Ingress | Secret | Service)[],
  hostSharing: TranslateOptions['hostSharing'] = 'any-namespace',
): Translation {
  return createTranslator({ ...OPTIONS, hostSharing }).translate(snapshotOf(objects));
}

function world(...sites: readonly Ingress[]): (Ingress | Secret | Service)[] {
  return [...sites, ...SECRETS.aa, ...SECRETS.bb, SERVICES.aa, SERVICES.bb];
}

/** What a handshake or request for a name finds: as LiveTls does. */
function tlsOf({ tls: { tlsHosts } }: RoutingTable, name: string): TlsHost | undefined {
  return tlsHosts.get(name as Hostname) ?? tlsHosts.get(name.replace(/^[^.]+/, '*') as Hostname);
}

/** All of that in one text, for comparison. An entry that is there for shielding only is as good as none. */
function termsOf(table: RoutingTable, name: string): string {
  const entry = tlsOf(table, name);
  if (entry === undefined || entry.bare) return 'in clear, or with the default certificate';
  const { certificates, clientAuth, passthrough } = entry;
  return `${certificates.join()} asks ${clientAuth?.id ?? 'nothing'}, goes to ${JSON.stringify(passthrough?.origin ?? null)}`;
}

function routesOf(host: HostTable | undefined): Route[] {
  return [...(host?.paths.values() ?? []), ...(host?.fallback ? [host.fallback] : [])];
}

const refusals = ({ problems }: Translation): string[] =>
  problems.flatMap(({ reason, severity, object, field }) =>
    reason === 'HostNotOwned' ? [`${severity} ${object?.namespace}/${object?.name} ${field}`] : [],
  );

describe('client certificates', () => {
  const SECRET_FIELD = `metadata.annotations[${NGINX}/auth-tls-secret]`;
  const plain = site('aa', { rules: { 'a.test': ['/'] } });
  const closing = { 'auth-tls-secret': 'bb/none' };

  test('a stranger that lists the host in spec.tls closes nothing', () => {
    const thief = site('bb', { rules: { 'b.test': ['/'] }, tls: ['a.test'], annotations: closing });
    const found = translated(world(plain, thief));
    assert.equal(termsOf(found.table, 'a.test'), termsOf(translated(world(plain)).table, 'a.test'));
    assert.deepEqual(refusals(found), [`error bb/web ${SECRET_FIELD}`]);
  });

  test('a stranger with a path there closes that path alone', () => {
    const thief = site('bb', { rules: { 'a.test': ['/b'] }, annotations: closing });
    const found = translated(world(plain, thief));
    assert.equal(termsOf(found.table, 'a.test'), termsOf(translated(world(plain)).table, 'a.test'));
    const kinds = routesOf(found.table.hosts.get('a.test' as Hostname)).map(
      ({ origin, action }) => `${origin.namespace} ${action.kind}`,
    );
    assert.deepEqual(kinds.sort(), ['aa forward', 'bb unavailable']);
    assert.deepEqual(refusals(found), [`error bb/web ${SECRET_FIELD}`]);
    const told = found.problems.find(({ reason }) => reason === 'HostNotOwned')!;
    assert.match(told.message, /host "a\.test" belongs to namespace aa through Ingress aa\/web.*503/);
  });

  test('the demand of a stranger is not dropped where the owner serves TLS', () => {
    const owner = site('aa', { rules: { 'a.test': ['/'] }, tls: ['a.test'], secretName: 'server' });
    const annotations = { 'auth-tls-secret': 'bb/ca' };
    const found = translated(world(owner, site('bb', { rules: { 'a.test': ['/b'] }, annotations })));
    assert.equal(tlsOf(found.table, 'a.test')!.clientAuth, null);
    const path = [...found.table.hosts.get('a.test' as Hostname)!.paths].find(([key]) => key.includes('b'))!;
    assert.equal(path[1].action.kind, 'unavailable');
    assert.deepEqual(refusals(found), [`error bb/web ${SECRET_FIELD}`]);
  });

  test('a stranger that asks for just what the owner asks for is served', () => {
    const authority = SECRETS.aa[1]!;
    const copy = { ...authority, meta: meta('copy', { namespace: 'bb' }) };
    const owner = site('aa', { rules: { 'a.test': ['/'] }, annotations: { 'auth-tls-secret': 'aa/ca' } });
    const guest = site('bb', { rules: { 'a.test': ['/b'] }, annotations: { 'auth-tls-secret': 'bb/copy' } });
    const found = translated([...world(owner, guest), copy]);
    const kinds = routesOf(found.table.hosts.get('a.test' as Hostname)).map(({ action }) => action.kind);
    assert.deepEqual(kinds, ['forward', 'forward']);
    assert.deepEqual(refusals(found), []);
  });

  test('TLS for a name below a wildcard, without a rule, is no way around what the wildcard asks for', () => {
    for (const year of [2019, 2021]) {
      const owner = site('aa', { rules: { '*.x.test': ['/'] }, annotations: { 'auth-tls-secret': 'aa/ca' } });
      const thief = site('bb', { year, tls: ['a.x.test'], secretName: 'server' });
      const { table } = translated(world(owner, thief));
      assert.equal(tlsOf(table, 'a.x.test')!.clientAuth?.id, tlsOf(table, 'b.x.test')!.clientAuth!.id);
    }
  });

  test('without a host nobody can be asked, so such rules are closed', () => {
    const annotations = { 'auth-tls-secret': 'aa/ca' };
    const found = translated(world(site('aa', { rules: { '': ['/'], 'a.test': ['/'] }, annotations })));
    const kind = (host: string) => routesOf(found.table.hosts.get(host as Hostname))[0]!.action.kind;
    assert.deepEqual([kind(''), kind('a.test')], ['unavailable', 'forward']);
    assert.deepEqual(
      found.problems.filter(({ severity }) => severity === 'error').map(({ field }) => field),
      [SECRET_FIELD],
    );
  });
});

describe('wildcards', () => {
  const plain = site('aa', { rules: { 'a.test': ['/'] } });
  for (const sharing of SHARINGS) {
    for (const year of [2019, 2021]) {
      test(`${sharing}: one of ${year} in another namespace neither takes connections nor asks for certificates`, () => {
        for (const annotations of [PASSING, { 'auth-tls-secret': 'bb/ca' }]) {
          const wild = site('bb', { year, rules: { '*.test': ['/'] }, annotations });
          const { table } = translated(world(plain, wild), sharing);
          // Where namespaces share nothing, an older wildcard has the host all to itself.
          if (sharing === 'same-namespace' && year === 2019) {
            assert.equal(table.hosts.has('a.test' as Hostname), false);
            continue;
          }
          assert.equal(tlsOf(table, 'a.test')?.passthrough, null);
          assert.equal(tlsOf(table, 'a.test')?.clientAuth, null);
          assert.notEqual(termsOf(table, 'free.test'), termsOf(table, 'a.test'));
        }
      });
    }
  }

  test('an older one lends its certificate to the hosts of other namespaces, a younger one does not', () => {
    const wild = (year: number) =>
      site('bb', { year, rules: { '*.test': ['/'] }, tls: ['*.test'], secretName: 'server' });
    const certificates = (year: number) =>
      tlsOf(translated(world(plain, wild(year))).table, 'a.test')!.certificates.length;
    assert.deepEqual([certificates(2019), certificates(2021)], [1, 0]);
  });

  test('within its namespace one covers every host', () => {
    const wild = site('aa', { name: 'wild', rules: { '*.test': ['/'] }, annotations: PASSING });
    assert.ok(tlsOf(translated(world(plain, wild)).table, 'a.test')!.passthrough);
  });
});

const HOSTS: readonly string[] = ['', 'a.test', 'b.test', '*.test', 'a.x.test', '*.x.test'];
const PROBES = ['a.test', 'b.test', 'c.test', 'a.x.test', 'b.x.test'];
const anySite = (namespace: 'aa' | 'bb', years: readonly number[]): fc.Arbitrary<Ingress> =>
  fc
    .record({
      name: fc.constantFrom('one', 'two', 'three'),
      year: fc.constantFrom(...years),
      hosts: fc.uniqueArray(fc.constantFrom(...HOSTS), { maxLength: 3 }),
      path: fc.constantFrom('/', '/', `/${namespace}`),
      fallback: fc.boolean(),
      tls: fc.uniqueArray(fc.constantFrom(...HOSTS.slice(1)), { maxLength: 2 }),
      secretName: fc.constantFrom('server', 'server', 'none'),
      annotations: fc.constantFrom<Record<string, string>>(
        {},
        {},
        PASSING,
        { 'auth-tls-secret': `${namespace}/ca` },
        { 'auth-tls-secret': `${namespace}/none` },
        { 'auth-tls-secret': `${namespace}/ca`, ...PASSING },
      ),
    })
    .map(({ hosts, path, ...rest }) =>
      site(namespace, { ...rest, rules: Object.fromEntries(hosts.map((host) => [host, [path]])) }),
    );
const sites = (namespace: 'aa' | 'bb', years: readonly number[]) =>
  fc.uniqueArray(anySite(namespace, years), {
    minLength: 1,
    maxLength: 3,
    selector: ({ meta: { name } }) => name,
  });

const claimsByRule = (ingresses: readonly Ingress[], host: string): boolean =>
  ingresses.some(({ rules }) => rules.some((rule) => rule.host === host));

test('whatever a younger namespace adds or takes away, older hosts of another do what they did', () => {
  let compared = 0;
  const property = fc.property(
    sites('aa', [2018, 2019]),
    sites('bb', [2020, 2021]),
    fc.constantFrom(...SHARINGS),
    (older, younger, sharing) => {
      const alone = translated(world(...older), sharing).table;
      const both = translated(world(...older, ...younger), sharing).table;
      for (const [host, { paths, fallback }] of alone.hosts) {
        const now = both.hosts.get(host);
        for (const [key, route] of paths) assert.deepEqual(now?.paths.get(key), route, `${host}${key}`);
        if (fallback !== null) assert.deepEqual(now?.fallback, fallback, host);
      }
      for (const probe of PROBES) {
        const host = owningHost(both, probe)?.host ?? '';
        if (host === '' || host !== owningHost(alone, probe)?.host) continue;
        assert.equal(termsOf(both, probe), termsOf(alone, probe), probe);
        compared++;
      }
      for (const host of alone.tls.tlsHosts.keys()) {
        // A name without a rule does as the wildcard that serves it: that may be a younger one of the other's.
        const served =
          claimsByRule(older, host) ||
          !HOSTS.some(
            (each) => each !== '' && hostMatches(each as Hostname, host) && claimsByRule(younger, each),
          );
        if (host !== '' && served) assert.equal(termsOf(both, host), termsOf(alone, host), host);
      }
    },
  );
  fc.assert(property, { numRuns: 1000 });
  assert.ok(compared > 300, `only ${compared} comparisons`);
});

test('no route of an Ingress that asks for client certificates is served to who shows none', () => {
  let closed = 0;
  const years = [2018, 2019, 2020];
  const property = fc.property(
    sites('aa', years),
    sites('bb', years),
    fc.constantFrom(...SHARINGS),
    (some, others, sharing) => {
      const ingresses = [...some, ...others];
      const { table } = translated(world(...ingresses), sharing);
      const asking = new Set(
        ingresses
          .filter(({ meta: { annotations } }) => annotations.has(`${NGINX}/auth-tls-secret`))
          // Where connections are passed through the backend asks; ingress-nginx ignores all other annotations.
          .filter(({ meta: { annotations } }) => !annotations.has(`${NGINX}/ssl-passthrough`))
          .map(({ meta: { key } }) => key as string),
      );
      for (const probe of PROBES) {
        const owning = owningHost(table, probe);
        for (const { origin, action } of routesOf(owning ?? undefined)) {
          if (!asking.has(`${origin.namespace}/${origin.name}`)) continue;
          if (action.kind === 'unavailable') closed++;
          else if (tlsOf(table, probe)?.clientAuth == null)
            // Else its own namespace said that what comes to this host is to be passed through.
            assert.equal(
              table.tls.tlsHosts.get(owning!.host)?.passthrough?.origin.namespace,
              origin.namespace,
              `${probe} ${origin.namespace}/${origin.name}`,
            );
        }
      }
    },
  );
  fc.assert(property, { numRuns: 1000 });
  assert.ok(closed > 100, `only ${closed} closed routes`);
});

test('after any edits of two namespaces the translation is what a fresh translator gives', () => {
  const years = [2018, 2019, 2020];
  const anyEdit = fc.record({
    put: fc.oneof(anySite('aa', years), anySite('bb', years)),
    isRemoved: fc.boolean(),
    isWithSecrets: fc.boolean(),
  });
  const property = fc.property(
    fc.array(anyEdit, { minLength: 2, maxLength: 12 }),
    fc.constantFrom(...SHARINGS),
    (edits, hostSharing) => {
      const options = { ...OPTIONS, hostSharing };
      const translator = createTranslator(options);
      const ingresses = new Map<string, Ingress>();
      for (const { put, isRemoved, isWithSecrets } of edits) {
        if (isRemoved) ingresses.delete(put.meta.key);
        else ingresses.set(put.meta.key, put);
        // What certificates were is remembered; authorities are not.
        const secrets = isWithSecrets ? [...SECRETS.aa, ...SECRETS.bb] : [SECRETS.aa[0]!, SECRETS.bb[0]!];
        const snapshot = snapshotOf([...ingresses.values(), ...secrets, SERVICES.aa, SERVICES.bb]);
        const { table, problems } = translator.translate(snapshot);
        const fresh = createTranslator(options).translate(snapshot);
        assert.deepEqual(table.hosts, fresh.table.hosts);
        assert.deepEqual(table.tls.tlsHosts, fresh.table.tls.tlsHosts);
        assert.deepEqual(
          [...table.tls.certificates.keys()].sort(),
          [...fresh.table.tls.certificates.keys()].sort(),
        );
        assert.deepEqual(problems, fresh.problems);
      }
    },
  );
  fc.assert(property, { numRuns: 500 });
});
