/** Which Secrets are read from the API server, and that no host is ever served without the one it names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilAnswered } from '../cluster/kit/ask.ts';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { startEchoBackend } from '../kit/echo-backend.ts';
import type { FakeRequest } from '../kit/fake-api-server.ts';
import { type FakeCluster, startFakeCluster, startInCluster } from '../kit/fake-cluster.ts';
import { ingress, service } from '../kit/manifests.ts';
import { shown } from '../kit/tls.ts';
import { eventually } from '../kit/waiting.ts';

const rule = [{ path: '/', service: 'web' }];

const tlsIngress = (name: string, host: string, secretName: string) =>
  withTls(ingress(name, host, rule), [{ hosts: [host], secretName }]);

/** Names of the Secrets whose content was asked for. */
const read = ({ api }: FakeCluster) =>
  api.requests
    .filter(({ verb, resource }) => verb === 'get' && resource.plural === 'secrets')
    .map(({ name }) => name);

test('only Secrets that are referenced are read, each once per version', async (t) => {
  const backend = await startEchoBackend(t, 'web');
  const certificate = issue({ names: ['a.test'] });
  const cluster = await startFakeCluster(t, [
    ...service('web', [backend.port]),
    tlsIngress('a', 'a.test', 'used'),
    tlsSecret('used', certificate),
    tlsSecret('preset', issue({ names: ['preset.test'] })),
    tlsSecret('other', issue({ names: ['other.test'] })),
  ]);
  const proxy = await startInCluster(t, cluster, [
    '--default-certificate',
    'default/preset',
    '--ssl-redirect',
    'off',
  ]);
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), certificate.fingerprint);
  assert.deepEqual(read(cluster).sort(), ['preset', 'used']);

  // Changes of others are none of our business, nor is a listing anew.
  cluster.put(tlsSecret('other', issue({ names: ['other.test'] })));
  cluster.api.store.compact();
  cluster.api.cutAll();
  const next = issue({ names: ['a.test'] });
  cluster.put(tlsSecret('used', next));
  await eventually(async () =>
    assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), next.fingerprint),
  );
  assert.deepEqual(read(cluster).sort(), ['preset', 'used', 'used']);

  // What nobody refers to any more is forgotten, and read again when somebody does.
  cluster.put(ingress('a', 'a.test', rule));
  await eventually(async () =>
    assert.match(await proxy.get('/metrics').then(({ text }) => text), /kind="Secret"} 1/),
  );
  cluster.put(tlsIngress('a', 'a.test', 'used'));
  await eventually(() => assert.equal(read(cluster).length, 4));
});

test('a new host appears with its certificate, however long the Secret takes, and nothing else is held up for long', async (t) => {
  const backend = await startEchoBackend(t, 'web');
  const cluster = await startFakeCluster(t, service('web', [backend.port]));
  const proxy = await startInCluster(t, cluster, ['--ssl-redirect', 'off']);
  const certificate = issue({ names: ['a.test'] });
  let refuse = true;
  // As if a proxy in front of the API server were slow with this one request.
  cluster.api.fault = ({ verb, resource }: FakeRequest) =>
    verb === 'get' && resource.plural === 'secrets' && refuse ? { kind: 'hang' } : null;
  cluster.put(tlsSecret('used', certificate), tlsIngress('a', 'a.test', 'used'));
  await eventually(() => assert.deepEqual(read(cluster), ['used']));
  await untilAnswered(proxy.http, 'a.test', 404, '/', 1);
  refuse = false;
  // The hanging request ends with its connection, and is made again.
  cluster.api.cutAll();
  await untilAnswered(proxy.http, 'a.test', 'web');
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), certificate.fingerprint);
  assert.ok(!proxy.log.some(({ reason }) => reason === 'SecretNotFound'));
});

test('a Secret that cannot be read delays the rest by seconds, not for ever', async (t) => {
  const backend = await startEchoBackend(t, 'web');
  const cluster = await startFakeCluster(t, service('web', [backend.port]));
  const proxy = await startInCluster(t, cluster, ['--ssl-redirect', 'off']);
  cluster.api.fault = ({ verb, resource }: FakeRequest) =>
    verb === 'get' && resource.plural === 'secrets' ? { kind: 'hang' } : null;
  cluster.put(tlsSecret('used', issue({ names: ['a.test'] })), tlsIngress('a', 'a.test', 'used'));
  cluster.put(ingress('b', 'b.test', rule));
  await untilAnswered(proxy.http, 'b.test', 'web');
});

test('Secrets are read by name when they may not be listed', async (t) => {
  const backend = await startEchoBackend(t, 'web');
  const certificate = issue({ names: ['a.test'] });
  const cluster = await startFakeCluster(t, [
    ...service('web', [backend.port]),
    tlsIngress('a', 'a.test', 'used'),
    tlsSecret('used', certificate),
  ]);
  cluster.api.denied.add('list secrets').add('watch secrets');
  const proxy = await startInCluster(t, cluster);
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), certificate.fingerprint);
});

test('no content of a Secret is asked for in a list or a watch', async (t) => {
  const cluster = await startFakeCluster(t, [tlsSecret('one', issue({ names: ['a.test'] }))]);
  await startInCluster(t, cluster);
  const asked = cluster.api.requests.filter(({ resource }) => resource.plural === 'secrets');
  assert.deepEqual(new Set(asked.map(({ verb }) => verb)), new Set(['list', 'watch']));
  for (const { accept } of asked) assert.match(accept, /as=PartialObjectMetadata/);
});
