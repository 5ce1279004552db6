/** Hosts that two namespaces share: who came first decides about TLS, and nobody else's demand is forgotten. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { createServer } from 'node:tls';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { statusOf } from '../kit/http-message.ts';
import { ingress, type KubeObject, type PathRule, service } from '../kit/manifests.ts';
import { answer, startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { connectTls, shown, startHttps } from '../kit/tls.ts';

const scope = { after };
const authority = issue({ names: ['Root of bb'], usage: 'authority' });
const [ours, theirs] = [issue({ names: ['secure.test'] }), issue({ names: ['*.wild.test'] })];

/** In a namespace, as old as the year says. */
function within(namespace: string, object: KubeObject, year = 2020): KubeObject {
  const creationTimestamp = `${year}-01-01T00:00:00Z`;
  return { ...object, metadata: { ...(object['metadata'] as object), namespace, creationTimestamp } };
}

/** A younger one of bb. */
function guest(
  name: string,
  host: string,
  { path, service: backend = 'web' }: Partial<PathRule> & Pick<PathRule, 'path'>,
  annotation: readonly [string, string],
): KubeObject {
  const paths: readonly PathRule[] = [{ path, service: backend }];
  const object = within('bb', ingress(name, host, paths), 2021);
  const annotations = { [`nginx.ingress.kubernetes.io/${annotation[0]}`]: annotation[1] };
  return { ...object, metadata: { ...(object['metadata'] as object), annotations } };
}

const owner = (name: string, host: string): KubeObject =>
  within('aa', ingress(name, host, [{ path: '/', service: 'web' }]));

const backends = { aa: await startRawBackend(scope), bb: await startRawBackend(scope) };
for (const backend of Object.values(backends))
  backend.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

/** Serves its own TLS. */
const ownTls = createServer({ cert: theirs.certificate, key: theirs.key }, (socket) => {
  socket.on('error', () => {});
  socket.resume();
});
ownTls.listen(0, '127.0.0.1');
await once(ownTls, 'listening');
scope.after(() => void ownTls.close());

const manifests: readonly KubeObject[] = [
  owner('plain', 'plain.test'),
  withTls(owner('secure', 'secure.test'), [{ hosts: ['secure.test'], secretName: 'server' }]),
  owner('below', 'below.wild.test'),
  withTls(guest('closing', 'own.test', { path: '/' }, ['auth-tls-secret', 'bb/none']), [
    { hosts: ['plain.test'] },
  ]),
  guest('path', 'plain.test', { path: '/bb' }, ['auth-tls-secret', 'bb/none']),
  guest('asking', 'secure.test', { path: '/bb' }, ['auth-tls-secret', 'bb/ca']),
  guest('wild', '*.wild.test', { path: '/', service: 'own-tls' }, ['ssl-passthrough', 'true']),
  ...service('web', [backends.aa.port]).map((object) => within('aa', object)),
  ...service('web', [backends.bb.port]).map((object) => within('bb', object)),
  ...service('own-tls', [(ownTls.address() as AddressInfo).port]).map((object) => within('bb', object)),
  within('aa', tlsSecret('server', ours)),
  within('bb', {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { name: 'ca' },
    stringData: { 'ca.crt': authority.certificate },
  }),
];
const proxy = await startHttps(scope, { manifests });

async function ask(host: string, path: string): Promise<number> {
  const connection = await connectTls(scope, proxy.https, { servername: host });
  connection.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const status = statusOf(await connection.response());
  connection.close();
  return status;
}

describe('client certificates', () => {
  test('those of another namespace that cannot be asked for close its own host and paths alone', async () => {
    const before = backends.bb.requests.length;
    assert.equal(await ask('plain.test', '/'), 200);
    assert.equal(await ask('plain.test', '/bb'), 503);
    assert.equal(await ask('own.test', '/'), 403);
    assert.equal(backends.bb.requests.length, before);
  });

  test('those that another namespace asks for are asked for by nobody, so its paths are closed', async () => {
    const before = backends.bb.requests.length;
    assert.equal(await ask('secure.test', '/'), 200);
    assert.equal(await ask('secure.test', '/bb'), 503);
    assert.equal(backends.bb.requests.length, before);
  });
});

describe('a younger wildcard of another namespace that is passed through', () => {
  test('leaves the host its connections, the default certificate and its requests in clear', async () => {
    assert.equal(await ask('below.wild.test', '/'), 200);
    const fallback = await shown(scope, proxy.https, { servername: 'nobody.example' });
    assert.equal(await shown(scope, proxy.https, { servername: 'below.wild.test' }), fallback);
    const inClear = await connect(scope, proxy.http);
    inClear.send('GET / HTTP/1.1\r\nHost: below.wild.test\r\n\r\n');
    assert.equal(statusOf(await inClear.response()), 200);
    const requests = backends.aa.requests.map(({ raw }) => raw.toString());
    assert.equal(requests.filter((text) => /^host: below\.wild\.test\r$/im.test(text)).length, 2);
  });

  test('takes the connections for every name that nobody claimed', async () => {
    assert.equal(await shown(scope, proxy.https, { servername: 'free.wild.test' }), theirs.fingerprint);
  });
});
