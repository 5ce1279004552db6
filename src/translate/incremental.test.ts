import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  backend,
  endpoint,
  ingress,
  ingressClass,
  meta,
  service,
  servicePort,
  slice,
  snapshotOf,
  tlsSecret,
} from '../../test/kit/objects.ts';
import { OPTIONS } from '../../test/kit/translate-options.ts';
import { objectKey } from '../model/keys.ts';
import type { AnyObject, ResolvedName, Service, Snapshot } from '../model/snapshot.ts';
import { diffTables } from '../model/table-patch.ts';
import { createTranslator } from './translate.ts';

/** A world of few names, so that random edits meet: what they refer to comes, goes and changes. */
const names = fc.constantFrom('a', 'b', 'c');
const namespaces = fc.constantFrom('ns', 'ns', 'ns', 'other');
const hosts = fc.constantFrom('', 'x.test', '*.test');
const annotations = fc.constantFrom(
  [],
  [['nginx.ingress.kubernetes.io/load-balance', 'ewma'] as const],
  [['nginx.ingress.kubernetes.io/backend-protocol', 'AUTO_HTTP'] as const],
  [['nginx.ingress.kubernetes.io/proxy-ssl-secret', 'ns/b'] as const],
  [['nginx.ingress.kubernetes.io/proxy-read-timeout', 'soon'] as const],
  [['nginx.ingress.kubernetes.io/proxy-read-timeout', '7'] as const],
  [['kubernetes.io/ingress.class', 'other'] as const],
  [['nginx.ingress.kubernetes.io/ssl-passthrough', 'true'] as const],
);
const anyBackend = fc.constantFrom('a:80', 'a:http', 'b:80', 'c:80', 'c:443').map(backend);
const anyPath = fc.record({
  path: fc.constantFrom('/', '/p', '/p/', '/p/q', '', '/%'),
  pathType: fc.constantFrom('Exact' as const, 'Prefix' as const, 'ImplementationSpecific' as const),
  backend: anyBackend,
});
const anyIngress = fc
  .record({
    name: names,
    namespace: namespaces,
    annotations,
    creationTimestamp: fc.constantFrom(0, 1000, 2000),
    className: fc.constantFrom('tidegate', 'other', null),
    defaultBackend: fc.option(anyBackend),
    rules: fc.array(fc.record({ host: hosts, paths: fc.option(fc.array(anyPath, { maxLength: 3 })) }), {
      maxLength: 3,
    }),
    tls: fc.constantFrom([], [{ hosts: ['x.test'], secretName: 'a' }]),
  })
  .map(({ name, namespace, annotations: notes, creationTimestamp, ...spec }) =>
    ingress(name, {
      ...spec,
      meta: meta(name, { namespace, annotations: new Map(notes), creationTimestamp }),
    }),
  );
const anyClass = fc
  .record({
    name: fc.constantFrom('tidegate', 'other'),
    isDefault: fc.boolean(),
    ours: fc.boolean(),
    parameters: fc.constantFrom(null, 'ConfigMap ns/a'),
  })
  .map(({ name, isDefault, ours, parameters }) =>
    ingressClass(name, { isDefault, parameters, ...(ours ? {} : { controller: 'x/y' }) }),
  );
const anyService = fc
  .record({
    name: names,
    namespace: namespaces,
    headless: fc.boolean(),
    ipFamilies: fc.constantFrom<Service['ipFamilies']>([], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']),
    ports: fc.constantFrom(
      [servicePort(80)],
      [servicePort(80, { name: 'http' })],
      [servicePort(80, { appProtocol: 'https' })],
      [servicePort(80, { protocol: 'UDP' })],
      [],
    ),
    externalName: fc.option(fc.constantFrom('n.example', 'localhost', '192.0.2.9'), { freq: 4 }),
  })
  .map(({ name, namespace, externalName, ...spec }) =>
    service(name, {
      ...spec,
      meta: meta(name, { namespace }),
      externalName,
      type: externalName === null ? 'ClusterIP' : 'ExternalName',
    }),
  );
const anyEndpoint = fc
  .record({
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    host: fc.constantFrom(1, 2),
    zone: fc.constantFrom(null, 'z'),
    targetUid: fc.constantFrom(null, 'pod'),
  })
  .map(({ host, ...more }) => ({ host, more }));
const anySlice = fc
  .record({
    name: names,
    namespace: namespaces,
    of: fc.option(names, { freq: 8 }),
    generation: fc.constantFrom(1, 2),
    addressType: fc.constantFrom('IPv4' as const, 'IPv4' as const, 'IPv6' as const, 'FQDN' as const),
    ports: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('', 'http'),
        port: fc.constantFrom(80, 8080, null),
        protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
        appProtocol: fc.constantFrom(null, 'https', 'unknown'),
      }),
      { maxLength: 2, selector: ({ name, protocol }) => `${name}/${protocol}` },
    ),
    fromEndpoints: fc.boolean(),
    endpoints: fc.array(anyEndpoint, { maxLength: 2 }),
  })
  .map(({ name, namespace, of, generation, endpoints, ...spec }) => {
    const prefix = { IPv4: '10.0.0.', IPv6: '2001:db8::', FQDN: 'host-' }[spec.addressType];
    return slice(
      name,
      name,
      endpoints.map(({ host, more }) => endpoint(`${prefix}${host}`, more)),
      {
        ...spec,
        meta: meta(name, { namespace, generation }),
        service: of === null ? null : objectKey(namespace, of),
      },
    );
  });
const anySecret = names.map(tlsSecret);
const anyName = fc.constantFrom<ResolvedName>(
  { name: 'n.example', addresses: ['192.0.2.1'], error: null },
  { name: 'n.example', addresses: ['127.0.0.1'], error: null },
  { name: 'n.example', addresses: [], error: 'ENOTFOUND' },
);

type Edit =
  | { kind: 'set'; object: AnyObject }
  | { kind: 'remove'; object: AnyObject }
  | { kind: 'name'; name: ResolvedName };
const anyObject = fc.oneof(
  { weight: 4, arbitrary: anyIngress },
  { weight: 1, arbitrary: anyClass },
  { weight: 3, arbitrary: anyService },
  { weight: 3, arbitrary: anySlice },
  { weight: 1, arbitrary: anySecret },
);
const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 5, arbitrary: anyObject.map((object) => ({ kind: 'set' as const, object })) },
  { weight: 2, arbitrary: anyObject.map((object) => ({ kind: 'remove' as const, object })) },
  { weight: 1, arbitrary: anyName.map((name) => ({ kind: 'name' as const, name })) },
);

const MAPS = {
  Ingress: 'ingresses',
  IngressClass: 'ingressClasses',
  Service: 'services',
  EndpointSlice: 'endpointSlices',
  Secret: 'secrets',
  ConfigMap: 'configMaps',
  Namespace: 'namespaces',
} as const;

/** The next snapshot: objects that are not edited stay the same objects. */
function edited(snapshot: Snapshot, edits: readonly Edit[]): Snapshot {
  const next: Record<string, unknown> = { ...snapshot, version: snapshot.version + 1 };
  for (const edit of edits) {
    const field = edit.kind === 'name' ? 'resolvedNames' : MAPS[edit.object.kind as keyof typeof MAPS];
    const map = new Map(next[field] as Map<string, unknown>);
    if (edit.kind === 'name') map.set(edit.name.name, edit.name);
    else if (edit.kind === 'set') map.set(edit.object.meta.key, edit.object);
    else map.delete(edit.object.meta.key);
    next[field] = map;
  }
  return next as unknown as Snapshot;
}

test('after any edits the translation is what a fresh translator gives', () => {
  const rounds = fc.array(fc.array(anyEdit, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(rounds, (edits) => {
      const translator = createTranslator(OPTIONS);
      let snapshot = snapshotOf([]);
      for (const round of edits) {
        snapshot = edited(snapshot, round);
        const { table, ...rest } = translator.translate(snapshot);
        const { table: freshTable, ...freshRest } = createTranslator(OPTIONS).translate(snapshot);
        assert.deepEqual({ ...table, generation: 0 }, { ...freshTable, generation: 0 });
        assert.deepEqual(rest, freshRest);
      }
    }),
    { numRuns: 500 },
  );
});

/** Ten neighbouring paths out of two hundred, so that a few dozen Ingresses fill a host and get in each other's way. */
const anyNeighbour = fc
  .record({ n: fc.nat(40), first: fc.nat(190), creationTimestamp: fc.constantFrom(0, 1000, 2000) })
  .map(({ n, first, creationTimestamp }) => {
    const paths = Array.from({ length: 10 }, (_, i) => ({
      path: `/${first + i}`,
      pathType: 'Prefix' as const,
      backend: backend('a:80'),
    }));
    const name = `neighbour-${n}`;
    return ingress(name, { rules: [{ host: 'x.test', paths }], meta: meta(name, { creationTimestamp }) });
  });

test('a host that many Ingresses share is what a fresh translator gives', () => {
  const neighbours = fc.array(anyNeighbour, { minLength: 30, maxLength: 60 });
  const edits = fc.array(
    fc.record({
      kind: fc.constantFrom('set' as const, 'set' as const, 'remove' as const),
      object: anyNeighbour,
    }),
    { minLength: 1, maxLength: 10 },
  );
  fc.assert(
    fc.property(neighbours, edits, (start, rounds) => {
      const translator = createTranslator(OPTIONS);
      let snapshot = edited(
        snapshotOf([service('a')]),
        start.map((object) => ({ kind: 'set', object })),
      );
      translator.translate(snapshot);
      for (const round of rounds) {
        snapshot = edited(snapshot, [round]);
        const { table, problems } = translator.translate(snapshot);
        const fresh = createTranslator(OPTIONS).translate(snapshot);
        const [paths, expected] = [table, fresh.table].map(
          ({ hosts }) => new Map(hosts.get('x.test' as never)?.paths),
        );
        assert.deepEqual(paths, expected);
        assert.deepEqual(problems, fresh.problems);
      }
    }),
    { numRuns: 30 },
  );
});

test('every route forwards to an upstream that is in the table', () => {
  fc.assert(
    fc.property(fc.array(anyObject, { maxLength: 20 }), (objects) => {
      const { table } = createTranslator(OPTIONS).translate(snapshotOf(objects));
      for (const { paths, fallback } of table.hosts.values()) {
        for (const { action } of fallback === null ? paths.values() : [...paths.values(), fallback]) {
          if (action.kind !== 'forward') continue;
          for (const key of [action.upstream, action.upstreamOverTls ?? action.upstream])
            assert.ok(table.upstreams.has(key), key);
        }
      }
    }),
    { numRuns: 500 },
  );
});

const web = (name: string, host: string) =>
  ingress(name, {
    rules: [{ host, paths: [{ path: '/', pathType: 'Prefix', backend: backend(`${name}:80`) }] }],
  });
const pods = (name: string, ...addresses: string[]) =>
  slice(
    name,
    name,
    addresses.map((address) => endpoint(address)),
  );
const small = snapshotOf([
  web('a', 'a.test'),
  web('b', 'b.test'),
  service('a'),
  service('b'),
  pods('a', '10.0.0.1'),
  pods('b', '10.0.0.2'),
]);

test('the same snapshot, or one in which nothing changed, gives the identical translation', () => {
  const translator = createTranslator(OPTIONS);
  const first = translator.translate(small);
  assert.equal(translator.translate(small), first);
  const copy = {
    ...small,
    version: 2,
    ingresses: new Map(small.ingresses),
    services: new Map(small.services),
  };
  assert.equal(translator.translate(copy), first);
});

test('the first table is generation 1 also when it is empty, and each different one is one more', () => {
  const translator = createTranslator(OPTIONS);
  const empty = snapshotOf([]);
  assert.equal(translator.translate(empty).table.generation, 1);
  assert.equal(
    translator.translate(edited(empty, [{ kind: 'set', object: service('unused') }])).table.generation,
    1,
  );
  assert.equal(translator.translate(small).table.generation, 2);
});

test('a changed Ingress changes its own routes only', () => {
  const translator = createTranslator(OPTIONS);
  const before = translator.translate(small).table;
  const changed = ingress('a', { rules: [...web('a', 'a.test').rules, ...web('b', 'a2.test').rules] });
  const after = translator.translate(edited(small, [{ kind: 'set', object: changed }])).table;
  assert.equal(after.upstreams.get('ns/a:80' as never), before.upstreams.get('ns/a:80' as never));
  const chunks = diffTables(before, after, 100);
  assert.deepEqual(
    chunks.flatMap((chunk) => chunk.hosts.map((patch) => [patch.host, patch.set.length / 2])),
    [['a2.test', 1]],
  );
});

test('a changed slice changes its upstream only, and one that says the same changes nothing', () => {
  const translator = createTranslator(OPTIONS);
  const before = translator.translate(small).table;
  const same = edited(small, [{ kind: 'set', object: pods('a', '10.0.0.1') }]);
  assert.equal(translator.translate(same).table, before);
  const moved = edited(same, [{ kind: 'set', object: pods('a', '10.0.0.1', '10.0.0.9') }]);
  const after = translator.translate(moved).table;
  assert.equal(after.hosts, before.hosts);
  const [chunk] = diffTables(before, after, 100);
  assert.deepEqual(
    chunk?.upstreams.map(({ key }) => key),
    ['ns/a:80'],
  );
});
