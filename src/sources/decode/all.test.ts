import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { AnyObject, Kind, KindMaps } from '../../model/snapshot.ts';
import { decodeObject } from './all.ts';

type Json = Record<string, unknown>;

const API_VERSIONS: Record<string, string> = {
  Ingress: 'networking.k8s.io/v1',
  IngressClass: 'networking.k8s.io/v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  IPAddressPool: 'metallb.io/v1beta1',
  L2Advertisement: 'metallb.io/v1beta1',
  BGPAdvertisement: 'metallb.io/v1beta1',
  BGPPeer: 'metallb.io/v1beta2',
  Community: 'metallb.io/v1beta1',
  BFDProfile: 'metallb.io/v1beta1',
};

function object(kind: string, body: Json): Json {
  return {
    apiVersion: API_VERSIONS[kind] ?? 'v1',
    kind,
    metadata: { name: 'web', namespace: 'shop' },
    ...body,
  };
}

function decode(kind: string, body: Json): readonly AnyObject[] {
  const decoded = decodeObject(object(kind, body), null);
  assert.equal(decoded.kind, 'decoded', JSON.stringify(decoded));
  return decoded.kind === 'decoded' ? decoded.records : [];
}

function decodeOne<K extends Kind>(kind: K, body: Json): KindMaps[K] {
  const [record] = decode(kind, body);
  assert.equal(record?.kind, kind);
  return record as KindMaps[K];
}

function issues(value: unknown): string[] {
  const decoded = decodeObject(value, null);
  return decoded.kind === 'invalid' ? decoded.issues.map(({ field, message }) => `${field} ${message}`) : [];
}

const backend = { service: { name: 'web', port: { number: 80 } } };
const ingressPath = (path: Json) =>
  object('Ingress', {
    spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...path }] } }] },
  });
const ingressHost = (host: unknown) => object('Ingress', { spec: { rules: [{ host }] } });
const service = (spec: Json) => object('Service', { spec });
const port = { port: 80 };
const slice = (body: Json) => object('EndpointSlice', { addressType: 'IPv4', ...body });

describe('what is accepted', () => {
  test('an Ingress, with lower-cased hosts and defaults for what is left out', () => {
    const ingress = decodeOne('Ingress', {
      metadata: {
        name: 'web',
        creationTimestamp: '2026-07-16T12:00:00Z',
        generation: 3,
        uid: 'u',
        labels: { a: 'b' },
        annotations: { empty: '' },
      },
      spec: {
        ingressClassName: 'tidegate',
        defaultBackend: { resource: { apiGroup: 'k8s.example.com', kind: 'Bucket', name: 'icons' } },
        rules: [
          { host: 'Shop.Example.com' },
          { http: { paths: [{ pathType: 'ImplementationSpecific', backend }] } },
          {
            host: '*.example.com',
            http: {
              paths: [
                {
                  path: '/a',
                  pathType: 'Exact',
                  backend: { service: { name: 'web', port: { name: 'http' } } },
                },
              ],
            },
          },
        ],
        tls: [{ hosts: ['A.example.com'], secretName: 'cert' }, {}],
      },
    });
    assert.deepEqual(ingress, {
      kind: 'Ingress',
      meta: {
        namespace: 'default',
        name: 'web',
        key: 'default/web',
        labels: new Map([['a', 'b']]),
        annotations: new Map([['empty', '']]),
        creationTimestamp: Date.UTC(2026, 6, 16, 12),
        generation: 3,
        uid: 'u',
        position: null,
      },
      className: 'tidegate',
      defaultBackend: { kind: 'resource', apiGroup: 'k8s.example.com', resource: 'Bucket', name: 'icons' },
      rules: [
        { host: 'shop.example.com', paths: null },
        {
          host: '',
          paths: [
            {
              path: '',
              pathType: 'ImplementationSpecific',
              backend: { kind: 'service', name: 'web', port: { kind: 'number', number: 80 } },
            },
          ],
        },
        {
          host: '*.example.com',
          paths: [
            {
              path: '/a',
              pathType: 'Exact',
              backend: { kind: 'service', name: 'web', port: { kind: 'name', name: 'http' } },
            },
          ],
        },
      ],
      tls: [
        { hosts: ['a.example.com'], secretName: 'cert' },
        { hosts: [], secretName: null },
      ],
      loadBalancer: [],
      statusManagers: [],
    });
  });

  test('the managed fields say which Tidegate wrote the status of an Ingress', () => {
    const [own, other] = ['tidegate', 'tidegate:example.com/inner'];
    const table: [managers: object[], expected: string[]][] = [
      [[{ manager: own, operation: 'Apply', subresource: 'status' }], [own]],
      [[{ manager: other, operation: 'Apply', subresource: 'status' }], [other]],
      [[{ manager: own, operation: 'Apply' }], []],
      [[{ manager: 'nginx-ingress-controller', operation: 'Update', subresource: 'status' }], []],
    ];
    for (const [managedFields, expected] of table) {
      const ingress = decodeOne('Ingress', {
        metadata: { name: 'web', managedFields },
        spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
      });
      assert.deepEqual(ingress.statusManagers, expected);
    }
  });

  test('the parameters of an IngressClass are known by kind and name', () => {
    const spec = { controller: 'tidegate.io/ingress-controller' };
    const table: [parameters: object | null, expected: string | null][] = [
      [null, null],
      [{ kind: 'ConfigMap', name: 'x', scope: 'Namespace', namespace: 'ns' }, 'ConfigMap ns/x'],
      [{ apiGroup: 'k8s.example.com', kind: 'Settings', name: 'x' }, 'Settings x'],
    ];
    for (const [parameters, expected] of table) {
      const decoded = decodeOne('IngressClass', { metadata: { name: 'c' }, spec: { ...spec, parameters } });
      assert.equal(decoded.parameters, expected);
    }
  });

  test('an IngressClass is cluster-scoped, whatever namespace it names', () => {
    const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
    const ingressClass = decodeOne('IngressClass', {
      metadata: { name: 'tidegate', namespace: 'x', annotations },
      spec: { controller: 'tidegate.io/ingress-controller' },
    });
    assert.equal(ingressClass.meta.key, 'tidegate');
    assert.equal(ingressClass.controller, 'tidegate.io/ingress-controller');
    assert.equal(ingressClass.isDefault, true);
  });

  test('a Service, with named and unnamed ports', () => {
    const decoded = decodeOne('Service', {
      spec: {
        clusterIP: 'None',
        selector: { app: 'web' },
        ipFamilies: ['IPv6', 'IPv4'],
        sessionAffinity: 'ClientIP',
        ports: [
          { name: 'http', port: 80, targetPort: 'web', appProtocol: 'kubernetes.io/ws' },
          { name: 'dns', port: 53, protocol: 'UDP', targetPort: 5353 },
        ],
      },
    });
    const { meta: _, ...rest } = decoded;
    assert.deepEqual(rest, {
      kind: 'Service',
      type: 'ClusterIP',
      headless: true,
      externalName: null,
      ports: [
        {
          name: 'http',
          port: 80,
          protocol: 'TCP',
          targetPort: 'web',
          nodePort: 0,
          appProtocol: 'kubernetes.io/ws',
        },
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 5353, nodePort: 0, appProtocol: null },
      ],
      selector: 'app=web',
      ipFamilies: ['IPv6', 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
      clusterIps: [],
      externalIps: [],
      sessionAffinity: 'ClientIP',
      affinitySeconds: 10_800,
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      healthCheckNodePort: 0,
      allocateNodePorts: true,
      loadBalancerClass: null,
      loadBalancerIp: null,
      loadBalancerSourceRanges: [],
      loadBalancer: [],
      conditions: [],
      statusManagers: [],
    });
  });

  test('an external name has one spelling', () => {
    const { externalName } = decodeOne('Service', {
      spec: { type: 'ExternalName', externalName: 'API.Example.com.' },
    });
    assert.equal(externalName, 'api.example.com');
  });

  test('an EndpointSlice, with canonical addresses and the defaults of conditions', () => {
    const decoded = decodeOne('EndpointSlice', {
      metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv6',
      ports: [
        { name: null, port: 8080 },
        { name: 'any', port: null, protocol: 'UDP' },
      ],
      endpoints: [
        { addresses: ['FD00:0:0:0::1'] },
        {
          addresses: ['::1'],
          conditions: { ready: false },
          nodeName: 'n',
          zone: 'z',
          targetRef: { uid: 'pod' },
        },
        { addresses: ['fd00::2'], conditions: { ready: false, serving: true, terminating: true } },
      ],
    });
    assert.equal(decoded.service, 'shop/web');
    assert.deepEqual(decoded.ports, [
      { name: '', port: 8080, protocol: 'TCP', appProtocol: null },
      { name: 'any', port: null, protocol: 'UDP', appProtocol: null },
    ]);
    const none = { nodeName: null, zone: null, targetUid: null };
    assert.deepEqual(decoded.endpoints, [
      { addresses: ['fd00::1'], ready: true, serving: true, terminating: false, ...none },
      {
        addresses: ['::1'],
        ready: false,
        serving: false,
        terminating: false,
        nodeName: 'n',
        zone: 'z',
        targetUid: 'pod',
      },
      { addresses: ['fd00::2'], ready: false, serving: true, terminating: true, ...none },
    ]);
  });

  test('Endpoints become one slice per subset and family, under keys no slice can have', () => {
    const slices = decode('Endpoints', {
      subsets: [
        {
          addresses: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
          notReadyAddresses: [{ ip: '10.0.0.2' }],
          ports: [port],
        },
        { addresses: [{ ip: '127.0.0.1', nodeName: 'n', targetRef: { uid: 'pod' } }] },
        {},
      ],
    });
    const seen = slices.map((each) => {
      assert.equal(each.kind, 'EndpointSlice');
      assert.ok(each.kind === 'EndpointSlice');
      assert.equal(each.service, 'shop/web');
      assert.equal(each.fromEndpoints, true);
      const members = each.endpoints.map(({ addresses, ready }) => `${addresses} ${ready}`);
      return [each.meta.key, each.addressType, members, each.ports.length];
    });
    assert.deepEqual(seen, [
      ['shop/endpoints:web:0:IPv4', 'IPv4', ['10.0.0.1 true', '10.0.0.2 false'], 1],
      ['shop/endpoints:web:0:IPv6', 'IPv6', ['fd00::1 true'], 1],
      ['shop/endpoints:web:1:IPv4', 'IPv4', ['127.0.0.1 true'], 0],
    ]);
  });

  test('a Secret gives bytes; stringData wins over data', () => {
    const secret = decodeOne('Secret', {
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': 'AAEC\n', 'tls.key': 'eA==' },
      stringData: { 'tls.key': 'ö' },
    });
    assert.equal(secret.type, 'kubernetes.io/tls');
    assert.deepEqual([...(secret.data.get('tls.crt')?.reveal() ?? [])], [0, 1, 2]);
    assert.equal(Buffer.from(secret.data.get('tls.key')?.reveal() ?? []).toString(), 'ö');
  });

  test('a ConfigMap and a Namespace', () => {
    assert.deepEqual(
      decodeOne('ConfigMap', { data: { a: '', b: 'x\ny' } }).data,
      new Map([
        ['a', ''],
        ['b', 'x\ny'],
      ]),
    );
    assert.equal(decodeOne('Namespace', { metadata: { name: 'shop', labels: { a: 'b' } } }).meta.key, 'shop');
  });

  for (const host of ['a', 'a.b-c.example', '*.example.com', '']) {
    test(`host ${JSON.stringify(host)}`, () => assert.deepEqual(issues(ingressHost(host)), []));
  }
  for (const [path, pathType] of [
    ['/', 'Exact'],
    ['/a.b/..c/.well-known', 'Prefix'],
    ['/a/(.*)//x', 'ImplementationSpecific'],
    ['', 'ImplementationSpecific'],
  ] as const) {
    test(`${pathType} path ${JSON.stringify(path)}`, () =>
      assert.deepEqual(issues(ingressPath({ path, pathType })), []));
  }
});

describe('what is refused', () => {
  const P = 'spec.rules[0].http.paths[0]';
  const table: readonly (readonly [what: string, value: Json, expected: RegExp])[] = [
    [
      'an Ingress without rules',
      object('Ingress', { spec: {} }),
      /^spec\.rules is required when there is no defaultBackend$/,
    ],
    ['an Ingress without spec', object('Ingress', {}), /^spec\.rules is required/],
    [
      'an IP as host',
      ingressHost('10.0.0.1'),
      /^spec\.rules\[0\]\.host must be a DNS name.*not "10\.0\.0\.1"$/,
    ],
    ['a host with a port', ingressHost('a.example:80'), /^spec\.rules\[0\]\.host must be a DNS name/],
    ['a bare star as host', ingressHost('*'), /host must be/],
    ['a star in the middle', ingressHost('a.*.example'), /host must be/],
    ['a host with an empty label', ingressHost('a..b'), /host must be/],
    ['a host with a final dot', ingressHost('a.example.'), /host must be/],
    ['a host that is too long', ingressHost('a'.repeat(300)), /host has 300 characters, more than the 253/],
    ['a number as host', ingressHost(8), /host must be a string \(put it in quotes\), not the number 8$/],
    [
      'a path type that is not known',
      ingressPath({ pathType: 'Regex' }),
      /pathType must be one of Exact, .*"Regex"$/,
    ],
    ['no path type', ingressPath({ pathType: null }), /pathType is required, one of Exact/],
    ['a relative path', ingressPath({ path: 'a' }), /paths\[0\]\.path must be an absolute path.*not "a"$/],
    [
      'a relative pattern',
      ingressPath({ path: 'a', pathType: 'ImplementationSpecific' }),
      /path must be an absolute/,
    ],
    ['no path', ingressPath({ path: '' }), /path is required/],
    ...['/a//b', '/a/./b', '/a/../b', '/a/..', '/.', '/a%2fb', '/a%2Fb', '/a\u0000'].map(
      (path) =>
        [`path ${JSON.stringify(path)}`, ingressPath({ path }), /path must be an absolute path/] as const,
    ),
    [
      'no backend',
      ingressPath({ backend: null }),
      /^\S+\.backend is required, with a service or a resource$/,
    ],
    [
      'both kinds of backend',
      ingressPath({ backend: { ...backend, resource: { kind: 'A', name: 'a' } } }),
      /backend must not have both/,
    ],
    [
      'no port',
      ingressPath({ backend: { service: { name: 'web' } } }),
      /service\.port is required, with a number/,
    ],
    [
      'a port by number and name',
      ingressPath({ backend: { service: { name: 'web', port: { number: 80, name: 'http' } } } }),
      /service\.port must not have both a number and a name/,
    ],
    [
      'a port out of range',
      ingressPath({ backend: { service: { name: 'web', port: { number: 70_000 } } } }),
      /service\.port\.number must be a whole number from 1 to 65535, not the number 70000$/,
    ],
    [
      'an empty list of paths',
      object('Ingress', { spec: { rules: [{ http: { paths: [] } }] } }),
      /paths is required/,
    ],
    [
      'rules that are a map',
      object('Ingress', { spec: { rules: {} } }),
      /^spec\.rules must be a list, not an object$/,
    ],
    ['a class without controller', object('IngressClass', {}), /^spec\.controller is required/],
    ['no name', { ...service({ ports: [port] }), metadata: {} }, /^metadata\.name is required/],
    [
      'a name with a slash',
      { ...service({ ports: [port] }), metadata: { name: 'a/b' } },
      /^metadata\.name must be/,
    ],
    [
      'a namespace that is none',
      { ...service({ ports: [port] }), metadata: { name: 'a', namespace: 'A' } },
      /^metadata\.namespace must be/,
    ],
    [
      'an annotation that is a number',
      { ...service({ ports: [port] }), metadata: { name: 'a', annotations: { 'x.io/y': 8 } } },
      /^metadata\.annotations\[x\.io\/y\] must be a string \(put it in quotes\), not the number 8$/,
    ],
    [
      'a time that is none',
      { ...service({ ports: [port] }), metadata: { name: 'a', creationTimestamp: 'yesterday' } },
      /^metadata\.creationTimestamp must be a time like/,
    ],
    ['a Service without ports', service({}), /^spec\.ports is required/],
    ['a Service of an unknown type', service({ type: 'Foo', ports: [port] }), /^spec\.type must be one of/],
    [
      'an unnamed port of two',
      service({ ports: [port, { port: 81, name: 'b' }] }),
      /^spec\.ports\[0\]\.name is req/,
    ],
    [
      'two ports of a name',
      service({
        ports: [
          { port: 1, name: 'a' },
          { port: 2, name: 'a' },
        ],
      }),
      /ports\[1\]\.name "a"/,
    ],
    [
      'a port twice',
      service({
        ports: [
          { port: 1, name: 'a' },
          { port: 1, name: 'b' },
        ],
      }),
      /ports\[1\]\.port 1\/TCP is/,
    ],
    [
      'port 0',
      service({ ports: [{ port: 0 }] }),
      /^spec\.ports\[0\]\.port must be a whole number from 1 to 65535/,
    ],
    ['half a port', service({ ports: [{ port: 80.5 }] }), /port must be a whole number/],
    [
      'an external name that is missing',
      service({ type: 'ExternalName' }),
      /^spec\.externalName is required/,
    ],
    [
      'an external URL',
      service({ type: 'ExternalName', externalName: 'http://x/' }),
      /^spec\.externalName must be/,
    ],
    [
      'a slice without type',
      object('EndpointSlice', {}),
      /^addressType is required, one of IPv4, IPv6, FQDN$/,
    ],
    ['an endpoint without address', slice({ endpoints: [{}] }), /^endpoints\[0\]\.addresses is required/],
    ...[
      '1.2.3',
      '01.2.3.4',
      'fd00::1',
      'localhost',
      '10.0.0.1:80',
      '0.0.0.0',
      '169.254.169.254',
      '224.0.0.1',
    ].map(
      (address) =>
        [
          `IPv4 address ${address}`,
          slice({ endpoints: [{ addresses: [address] }] }),
          /^endpoints\[0\]\.addresses\[0\] must be an/,
        ] as const,
    ),
    [
      'more endpoints than allowed',
      slice({ endpoints: Array(1001).fill({}) }),
      /^endpoints has 1001 elements, more/,
    ],
    [
      'Endpoints with a name as IP',
      object('Endpoints', { subsets: [{ addresses: [{ ip: 'x' }] }] }),
      /\.ip must be/,
    ],
    [
      'a ConfigMap key with a space',
      object('ConfigMap', { data: { 'a b': '' } }),
      /^data\[a b\] its key must be/,
    ],
    [
      'an old version',
      { ...ingressPath({}), apiVersion: 'extensions/v1beta1' },
      /^apiVersion must be networking\.k8s\.io\/v1 for kind Ingress, not "extensions\/v1beta1"$/,
    ],
    [
      'no version',
      { ...service({ ports: [port] }), apiVersion: undefined },
      /^apiVersion must be v1 for kind Service/,
    ],
  ];
  for (const [what, value, expected] of table) {
    test(what, () => {
      const found = issues(value);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', expected);
    });
  }

  test('all mistakes of an object are told at once, each with its exact path', () => {
    const paths = [
      { path: '/', pathType: 'Prefix', backend },
      { path: 'x', pathType: 'Prefix', backend: { service: { name: 'W', port: { number: 0 } } } },
    ];
    const found = issues(
      object('Ingress', { spec: { rules: [{ host: 'a' }, { host: '!', http: { paths } }] } }),
    );
    assert.deepEqual(
      found.map((text) => text.split(' ')[0]),
      [
        'spec.rules[1].host',
        P.replace('rules[0]', 'rules[1]').replace('paths[0]', 'paths[1].path'),
        P.replace('rules[0]', 'rules[1]').replace('paths[0]', 'paths[1].backend.service.name'),
        P.replace('rules[0]', 'rules[1]').replace('paths[0]', 'paths[1].backend.service.port.number'),
      ],
    );
  });

  test('no message quotes what is in a Secret', () => {
    const found = issues(
      object('Secret', { data: { a: 'hunter2!', b: 123_456 }, stringData: { c: 987_654 } }),
    );
    assert.deepEqual(found, [
      'data[a] must be base64 (plain text belongs in stringData)',
      'data[b] must be a string (put it in quotes), not a number',
      'stringData[c] must be a string (put it in quotes), not a number',
    ]);
  });
});

describe('what is not ours', () => {
  for (const [apiVersion, kind] of [
    ['apps/v1', 'Deployment'],
    ['serving.knative.dev/v1', 'Service'],
    ['config.openshift.io/v1', 'Ingress'],
    ['v1', 'constructor'],
  ]) {
    test(`${apiVersion} ${kind} is ignored`, () => {
      assert.deepEqual(decodeObject({ apiVersion, kind, metadata: { name: 'a' } }, null), {
        kind: 'ignored',
      });
    });
  }
  for (const value of [
    null,
    'text',
    5,
    [],
    {},
    { kind: '' },
    { kind: 5 },
    Object.create({ kind: 'Service' }),
  ]) {
    test(`${JSON.stringify(value)} is no Kubernetes object`, () => {
      assert.equal(decodeObject(value, null).kind, 'foreign');
    });
  }
});

describe('any JSON', () => {
  const kinds = [
    'Ingress',
    'IngressClass',
    'Service',
    'EndpointSlice',
    'Endpoints',
    'Secret',
    'ConfigMap',
    'Namespace',
    'Node',
    'IPAddressPool',
    'L2Advertisement',
    'BGPAdvertisement',
    'BGPPeer',
    'Community',
    'BFDProfile',
  ];
  const leaf = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>('a', '/', 80, 'Prefix', 'IPv4', '10.0.0.1', null, [], {}, undefined),
  );
  /** Objects with the field names that decoders look for, so that values reach every branch. */
  const shaped = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      leaf,
      tie('map'),
      fc.array(tie('value'), { maxLength: 2 }),
    ),
    map: fc.dictionary(
      fc.constantFrom(
        ...[
          'spec',
          'metadata',
          'rules',
          'http',
          'paths',
          'backend',
          'service',
          'port',
          'ports',
          'name',
          'subsets',
        ],
        ...[
          'addresses',
          'endpoints',
          'conditions',
          'data',
          'stringData',
          'tls',
          'hosts',
          'resource',
          '__proto__',
        ],
        ...['status', 'loadBalancer', 'ingress', 'clusterIPs', 'nodeSelectors', 'serviceSelectors'],
        ...['matchLabels', 'matchExpressions', 'communities', 'peerAddress', 'holdTime', 'password'],
      ),
      tie('value'),
      { maxKeys: 6, noNullPrototype: false },
    ),
  }));

  test('never makes a decoder throw, and gives either records or reasons', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), shaped.map, fc.boolean(), (kind, body, named) => {
        const head = named ? { metadata: { name: 'a' } } : {};
        const decoded = decodeObject(object(kind, { ...(body as Json), ...head }), null);
        if (decoded.kind === 'invalid') assert.ok(decoded.issues.length > 0 && decoded.issues.length <= 20);
        else assert.equal(decoded.kind, 'decoded');
      }),
      { numRuns: 3000 },
    );
  });
});
