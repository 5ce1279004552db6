import assert from 'node:assert/strict';
import { test } from 'node:test';
import { host, route as routeOf, table, upstream } from '../../../test/kit/routing.ts';
import type { ClientAuth, TlsHost } from '../../model/certificate.ts';
import type { Hostname, UpstreamKey } from '../../model/keys.ts';
import type { Route, RouteAction, RoutePolicy } from '../../model/routing-table.ts';
import { SecretBytes } from '../../model/snapshot.ts';
import type { ListenerConfig } from '../config.ts';
import { explain, explainedRequest } from './explain.ts';
import type { Explanation } from './explanation.ts';

const LISTENERS: ListenerConfig[] = [{ name: 'http', scheme: 'http', address: '127.0.0.1', port: 8080 }];
const WEB: RouteAction = { kind: 'forward', upstream: 'shop/web:80' as UpstreamKey };

const ORIGIN = { kind: 'Ingress', namespace: 'shop', name: 'web', field: 'spec.rules[0]' } as const;

function route(host: string, path: string, action: RouteAction = WEB): Route {
  return routeOf(host, path, { origin: ORIGIN, action });
}

const TABLE = table(
  [
    host('a.test', {
      '^': route('a.test', '/'),
      '^/api': route('a.test', '/api'),
      '=/api': route('a.test', '/api'),
      '^/gone': route('a.test', '/gone', { kind: 'unavailable', service: 'shop/gone:80' }),
      '^/idle': route('a.test', '/idle', { kind: 'forward', upstream: 'shop/idle:80' as UpstreamKey }),
    }),
    host('*.test', { '^/only': route('*.test', '/only') }),
    host('', {}, route('', '')),
  ],
  [upstream('shop/web:80', '10.0.0.1'), upstream('shop/idle:80')],
);

function explained(url: string, hostHeader: string | null = null): Explanation {
  return explain(TABLE, [], LISTENERS, explainedRequest(url, hostHeader)!);
}

test('a forwarded request is explained by its listener, host, path and upstream', () => {
  const { listener, hosts, paths, outcome } = explained('http://A.test:8080/api/users?q=1');
  assert.equal(listener.chosen?.name, 'http');
  assert.deepEqual(
    hosts.map(({ name, chosen }) => [name, chosen]),
    [
      ['a.test', true],
      ['*.test', false],
      ['', false],
    ],
  );
  assert.match(hosts[1]!.why, /"a.test" is more specific/);
  assert.deepEqual(
    paths.filter(({ kind }) => kind !== 'fallback').map(({ name, kind, chosen }) => [name, kind, chosen]),
    [
      ['/api', 'prefix', true],
      ['/', 'prefix', false],
      ['/api', 'exact', false],
      ['/gone', 'prefix', false],
      ['/idle', 'prefix', false],
    ],
  );
  assert.equal(outcome.kind, 'forwarded');
});

test('why a path does not match is said', () => {
  const why = (url: string, kind: string, name: string): string | undefined =>
    explained(url).paths.find((path) => path.kind === kind && path.name === name)?.why;
  assert.equal(why('http://a.test/api/', 'exact', '/api'), 'differs by the final slash');
  assert.equal(why('http://a.test/apix', 'prefix', '/api'), 'ends inside a path segment');
  assert.equal(why('http://a.test/API', 'prefix', '/api'), 'differs in upper and lower case');
});

test('what is answered without a backend is said with its status', () => {
  const table: [url: string, status: number, why: RegExp][] = [
    ['http://a.test/%00', 400, /malformed/],
    ['http://a.test/../x', 400, /climbs/],
    ['http://a.test/gone', 503, /shop\/gone:80 cannot be used/],
    ['http://a.test/idle', 503, /shop\/idle:80 has no endpoint/],
  ];
  for (const [url, status, why] of table) {
    const { outcome } = explained(url);
    assert.equal(outcome.kind === 'answered' && outcome.status, status, url);
    assert.match(outcome.kind === 'answered' ? outcome.why : '', why);
  }
  const nothing = explain(
    { ...TABLE, hosts: new Map() },
    [],
    LISTENERS,
    explainedRequest('http://a.test/', null)!,
  );
  assert.equal(nothing.outcome.kind === 'answered' && nothing.outcome.status, 404);
});

test('the default backend of any host serves where the owning host has none', () => {
  const { outcome, paths } = explained('http://b.test/other');
  assert.equal(outcome.kind === 'forwarded' && outcome.route.host, '');
  assert.match(paths.at(-1)!.why, /default backend of any host: no path matched/);
});

test('a Host header takes the place of the host in the URL', () => {
  assert.equal(explained('http://127.0.0.1:8080/api', 'a.test').host, 'a.test');
  assert.equal(explained('http://127.0.0.1:8080/api').host, '127.0.0.1');
  assert.equal(explainedRequest('a.test/x', null), null);
});

test('a URL with other letters is asked for as clients ask for it', () => {
  const { host, path } = explained('http://bücher.test:8080/ü%20b?ü=1');
  assert.equal(host, 'xn--bcher-kva.test');
  assert.equal(path?.forward, '/%C3%BC%20b');
});

test('a Host that no request may have is refused as the listener refuses it', () => {
  for (const host of ['', 'a b', 'a.test/x', 'a.test:x', 'a.test:99999', 'ü.test', '[::1']) {
    const { outcome, paths } = explained('http://a.test/api', host);
    assert.equal(outcome.kind === 'answered' && outcome.status, 400, host);
    assert.match(outcome.kind === 'answered' ? outcome.why : '', /^the Host ".*" is not a host/);
    assert.deepEqual(paths, []);
  }
  assert.equal(explained('http://x/api', 'A.test.:8080').outcome.kind, 'forwarded');
});

test('a request in clear is redirected, refused or served as the TLS of its host wants it', () => {
  const tlsHost = (name: string, more: Partial<TlsHost> = {}): [Hostname, TlsHost] => {
    const plain = { certificates: [], clientAuth: null, passthrough: null, bare: false };
    return [name as Hostname, { host: name as Hostname, ...plain, ...more }];
  };
  const nothing = new SecretBytes(new Uint8Array());
  const clientAuth: ClientAuth = {
    kind: 'ask',
    id: '1',
    mode: 'required',
    depth: 1,
    passCertificate: false,
    matchSubject: '',
    errorPage: '',
    authorities: nothing,
    revoked: nothing,
  };
  const tlsHosts = new Map([
    tlsHost('*.tls.test'),
    tlsHost('bare.tls.test', { bare: true }),
    tlsHost('asks.tls.test', { clientAuth }),
    tlsHost('may.tls.test', { clientAuth: { ...clientAuth, mode: 'optional' } }),
    tlsHost('closed.tls.test', { clientAuth: { kind: 'closed', id: '2' } }),
  ]);
  const outcomeOf = (url: string, policy: Partial<RoutePolicy>): string => {
    const any = route('', '/');
    const hosts = table(
      [host('', { '^': { ...any, policy: { ...any.policy, ...policy } } })],
      [upstream('shop/web:80', '10.0.0.1')],
    );
    const asked = explainedRequest(url, null)!;
    const { outcome } = explain(
      { ...hosts, tls: { tlsHosts, certificates: new Map() } },
      [],
      LISTENERS,
      asked,
    );
    if (outcome.kind === 'redirected') return outcome.location;
    return outcome.kind === 'answered' ? `${outcome.status}` : outcome.kind;
  };
  const rows: [url: string, policy: Partial<RoutePolicy>, expected: string][] = [
    ['http://a.tls.test:8080/x/', { tlsRedirect: 'with-tls' }, 'https://a.tls.test/x'],
    ['http://a.tls.test/x/', { tlsRedirect: 'with-tls', keepTrailingSlash: true }, 'https://a.tls.test/x/'],
    ['http://A.tls.test/%41', { tlsRedirect: 'always' }, 'https://a.tls.test/%41'],
    ['http://other.test/x', { tlsRedirect: 'always' }, 'https://other.test/x'],
    ['http://other.test/x', { tlsRedirect: 'with-tls' }, 'forwarded'],
    ['http://bare.tls.test/', { tlsRedirect: 'with-tls' }, 'forwarded'],
    ['http://a.tls.test/x', { tlsRedirect: 'never' }, 'forwarded'],
    ['https://a.tls.test/x', { tlsRedirect: 'always' }, 'forwarded'],
    ['http://asks.tls.test/x', { tlsRedirect: 'never' }, '400'],
    ['http://may.tls.test/x', { tlsRedirect: 'never' }, 'forwarded'],
    ['http://closed.tls.test/x', { tlsRedirect: 'never' }, '403'],
    ['https://closed.tls.test/x', { tlsRedirect: 'never' }, '403'],
    ['https://asks.tls.test/x', { tlsRedirect: 'never' }, 'forwarded'],
  ];
  for (const [url, policy, expected] of rows)
    assert.equal(outcomeOf(url, policy), expected, `${url} ${policy.tlsRedirect}`);
});

test('only the problems of the objects involved are given', () => {
  const problem = (kind: string, name: string) => ({
    severity: 'warning' as const,
    reason: 'Invalid' as const,
    object: { kind, namespace: 'shop', name },
    field: '',
    message: '',
    position: null,
  });
  const known = [problem('Service', 'gone'), problem('Ingress', 'web'), problem('Ingress', 'other')];
  const { problems } = explain(TABLE, known, LISTENERS, explainedRequest('http://a.test/gone', null)!);
  assert.deepEqual(
    problems.map(({ object }) => object?.name),
    ['gone', 'web'],
  );
});
