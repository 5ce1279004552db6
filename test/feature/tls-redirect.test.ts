/** Who is sent from http to https, and what browsers are told about it. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { fieldValue, fieldValues, statusOf } from '../kit/http-message.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import { answer, startRawBackend } from '../kit/raw-backend.ts';
import { connect, type RawClient } from '../kit/raw-client.ts';
import { connectTls, type HttpsTidegate, startHttps } from '../kit/tls.ts';

const scope = { after };
const get = (host: string, target: string, fields = '') =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;

/** An Ingress for one host, with an entry in spec.tls or not, and with annotations of ingress-nginx. */
function site(
  name: string,
  host: string,
  tls: boolean,
  annotations: Readonly<Record<string, string>> = {},
): KubeObject {
  const paths = ['/', '/.well-known/acme-challenge'].map((path) => ({ path, service: 'web' }));
  const object = ingress(name, host, paths);
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    `nginx.ingress.kubernetes.io/${key}`,
    value,
  ]);
  const metadata = { ...(object['metadata'] as object), annotations: Object.fromEntries(prefixed) };
  const annotated = { ...object, metadata };
  return tls ? withTls(annotated, [{ hosts: [host], secretName: 's' }]) : annotated;
}

const SITES: readonly KubeObject[] = [
  site('tls', 'tls.test', true),
  site('plain', 'plain.test', false),
  site('off', 'off.test', true, { 'ssl-redirect': 'false' }),
  site('forced', 'forced.test', false, { 'force-ssl-redirect': 'true' }),
  site('both', 'both.test', true, { 'ssl-redirect': 'false', 'force-ssl-redirect': 'true' }),
  site('slash', 'slash.test', true, { 'preserve-trailing-slash': 'true' }),
  site('bad', 'bad.test', true, { 'ssl-redirect': 'perhaps' }),
  site('wild', '*.wild.test', true),
  site('under', 'under.wild.test', false),
  withTls(site('empty', 'empty.test', false), [{}]),
  site('any', '', false),
];

async function start(args: readonly string[] = []): Promise<HttpsTidegate> {
  const backend = await startRawBackend(scope);
  backend.behaviour = answer(
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nStrict-Transport-Security: max-age=1\r\n\r\nok',
  );
  const names = ['tls.test', 'off.test', '*.wild.test'];
  const manifests = [...SITES, ...service('web', [backend.port]), tlsSecret('s', issue({ names }))];
  return startHttps(scope, { manifests, args });
}

async function location(client: RawClient, request: string): Promise<string | null> {
  client.send(request);
  const response = await client.response();
  if (statusOf(response) === 200) return null;
  assert.equal(statusOf(response), 308);
  assert.ok(response.body.length > 0 && response.body.length < 500, 'a small page for those who look');
  return fieldValue(response, 'location');
}

describe('by default', async () => {
  const proxy = await start();
  const table: readonly [what: string, host: string, target: string, location: string | null][] = [
    ['a host with TLS', 'tls.test', '/a?b=c', 'https://tls.test/a?b=c'],
    ['its port is dropped', 'tls.test:8080', '/a', 'https://tls.test/a'],
    ['its name in lower case', 'TLS.test', '/A', 'https://tls.test/A'],
    ['a slash at the end is dropped', 'tls.test', '/a/', 'https://tls.test/a'],
    ['the slash that is everything, too', 'tls.test', '/', 'https://tls.test'],
    ['a slash at the end that is wanted', 'slash.test', '/a/', 'https://slash.test/a/'],
    ['a challenge of a certificate authority', 'tls.test', '/.well-known/acme-challenge/x', null],
    ['a host without TLS', 'plain.test', '/', null],
    ['an Ingress that does not want it', 'off.test', '/', null],
    ['an Ingress that wants it without TLS', 'forced.test', '/a', 'https://forced.test/a'],
    ['force-ssl-redirect over ssl-redirect', 'both.test', '/a', 'https://both.test/a'],
    ['a value that is none leaves the default', 'bad.test', '/a', 'https://bad.test/a'],
    ['a host below a wildcard with TLS', 'x.wild.test', '/a', 'https://x.wild.test/a'],
    ['a host without TLS below one with it', 'under.wild.test', '/a', 'https://under.wild.test/a'],
    ['a host whose Ingress has an empty entry', 'empty.test', '/a', 'https://empty.test/a'],
    ['an unknown host', 'nobody.test', '/', null],
  ];
  for (const [what, host, target, expected] of table) {
    test(`${expected === null ? 'served as it is' : 'redirected'}: ${what}`, async () => {
      const client = await connect(scope, proxy.http);
      assert.equal(await location(client, get(host, target)), expected);
      assert.equal(await location(client, get(host, target)), expected, 'on the same connection again');
    });
  }

  test('requests over TLS are served', async () => {
    const client = await connectTls(scope, proxy.https);
    for (const host of ['tls.test', 'forced.test', 'plain.test']) {
      assert.equal(await location(client, get(host, '/')), null, host);
    }
  });

  test('what a stranger says about the scheme counts for nothing', async () => {
    const client = await connect(scope, proxy.http);
    const request = get('tls.test', '/a', 'X-Forwarded-Proto: https\r\n');
    assert.equal(await location(client, request), 'https://tls.test/a');
  });

  test('a POST is redirected before its body is wanted', async () => {
    const client = await connect(scope, proxy.http);
    client.send('POST /a HTTP/1.1\r\nHost: tls.test\r\nContent-Length: 3\r\n\r\nabc');
    assert.equal(statusOf(await client.response()), 308);
    assert.equal(await location(client, get('plain.test', '/')), null, 'the connection goes on');
  });

  const DEFAULT = 'max-age=31536000; includeSubDomains';
  test('responses over TLS have Strict-Transport-Security, ours in the place of the one of the backend', async () => {
    const client = await connectTls(scope, proxy.https);
    client.send(get('plain.test', '/'));
    assert.deepEqual(fieldValues(await client.response(), 'strict-transport-security'), [DEFAULT]);
    client.send('TRACE / HTTP/1.1\r\nHost: plain.test\r\n\r\n');
    const own = await client.response();
    assert.equal(statusOf(own), 405);
    assert.deepEqual(fieldValues(own, 'strict-transport-security'), [DEFAULT], 'answers of ours, too');
  });

  test('plain responses have none but that of the backend, and redirects none', async () => {
    const client = await connect(scope, proxy.http);
    client.send(get('plain.test', '/'));
    assert.deepEqual(fieldValues(await client.response(), 'strict-transport-security'), ['max-age=1']);
    client.send(get('tls.test', '/'));
    assert.deepEqual(fieldValues(await client.response(), 'strict-transport-security'), []);
  });
});

describe('a trusted proxy in front', async () => {
  const proxy = await start(['--trusted-proxies', '127.0.0.0/8']);
  const table: readonly [fields: string, location: string | null][] = [
    ['X-Forwarded-Proto: https', null],
    ['X-Forwarded-Proto: HTTPS', null],
    ['X-Forwarded-Proto: http', 'https://tls.test/a'],
    ['X-Forwarded-Proto: gopher', 'https://tls.test/a'],
    ['X-Forwarded-Proto: http\r\nX-Forwarded-Host: x.wild.test', 'https://x.wild.test/a'],
    ['X-Forwarded-Proto: http\r\nX-Forwarded-Host: bad host', 'https://tls.test/a'],
  ];
  for (const [fields, expected] of table) {
    test(`tells the scheme: ${JSON.stringify(fields)}`, async () => {
      const client = await connect(scope, proxy.http);
      assert.equal(await location(client, get('tls.test', '/a', `${fields}\r\n`)), expected);
    });
  }
});

test('both can be switched off', async () => {
  const proxy = await start(['--ssl-redirect', 'off', '--hsts', 'off']);
  const plain = await connect(scope, proxy.http);
  assert.equal(await location(plain, get('tls.test', '/a')), null);
  assert.equal(await location(plain, get('forced.test', '/a')), 'https://forced.test/a');
  const client = await connectTls(scope, proxy.https);
  client.send(get('tls.test', '/'));
  assert.deepEqual(fieldValues(await client.response(), 'strict-transport-security'), ['max-age=1']);
});

test('what browsers are told can be set', async () => {
  const args = ['--hsts-max-age', '60', '--hsts-include-subdomains', 'off', '--hsts-preload', 'on'];
  const proxy = await start(args);
  const client = await connectTls(scope, proxy.https);
  client.send(get('tls.test', '/'));
  const response = await client.response();
  assert.equal(fieldValue(response, 'strict-transport-security'), 'max-age=60; preload');
});

test('a target in absolute-form, which says https here, goes out in origin-form', async (t) => {
  const backend = await startRawBackend(t);
  const proxy = await startHttps(t, {
    manifests: [site('plain', 'plain.test', false), ...service('web', [backend.port])],
  });
  backend.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const client = await connectTls(t, proxy.https);
  client.send(get('other.test', 'https://plain.test/a?b=c'));
  assert.equal(statusOf(await client.response()), 200);
  assert.equal(backend.requests[0]!.startLine, 'GET /a?b=c HTTP/1.1');
  assert.deepEqual(fieldValues(backend.requests[0]!, 'host'), ['plain.test']);
});

test('the backend is told that the client came over TLS', async (t) => {
  const backend = await startRawBackend(t);
  const manifests = [site('plain', 'plain.test', false), ...service('web', [backend.port])];
  const proxy = await startHttps(t, { manifests, args: ['--send-forwarded'] });
  backend.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const client = await connectTls(t, proxy.https);
  client.send(get('plain.test', '/', 'X-Forwarded-Proto: http\r\nX-Forwarded-Port: 1\r\n'));
  assert.equal(statusOf(await client.response()), 200);
  const [request] = backend.requests;
  assert.equal(fieldValue(request!, 'x-forwarded-proto'), 'https');
  assert.equal(fieldValue(request!, 'x-forwarded-port'), '443');
  assert.match(fieldValue(request!, 'forwarded') ?? '', /proto=https/);
});
