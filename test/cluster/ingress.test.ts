/** What a user does with kubectl is what traffic does a moment later. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import type { EchoBackend } from '../kit/echo-backend.ts';
import { ingress, ingressClass, type KubeObject, routeAll, service } from '../kit/manifests.ts';
import type { Tidegate } from '../kit/tidegate.ts';
import { eventually } from '../kit/waiting.ts';
import { untilAnswered } from './kit/ask.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { BACKEND_ADDRESS, startBackend, startReplica } from './kit/tidegate.ts';

const prepared = prepareCluster();

/** The Ingress without `ingressClassName`, perhaps with annotations instead. */
function classless(object: KubeObject, annotations: Readonly<Record<string, string>> = {}): KubeObject {
  const { ingressClassName: _, ...spec } = object['spec'] as Record<string, unknown>;
  return { ...object, metadata: { ...(object['metadata'] as object), annotations }, spec };
}

describe('Ingress by kubectl', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  let tidegate: Tidegate;
  let blue: EchoBackend;
  let green: EchoBackend;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    blue = await startBackend(scope, 'blue');
    green = await startBackend(scope, 'green');
    await cluster.kubectl.apply(
      ingressClass,
      ...service('blue', [blue.port], BACKEND_ADDRESS),
      ...service('green', [green.port], BACKEND_ADDRESS),
    );
    tidegate = await startReplica(scope, cluster, { args: ['--https', '127.0.0.1:0'] });
  });
  const apply = (...objects: readonly KubeObject[]) => cluster.kubectl.apply(...objects);
  const route = (name: string, host: string, backend: string) =>
    ingress(name, host, [{ path: '/', service: backend }]);

  test('an Ingress is created, edited and deleted', async () => {
    await apply(route('life', 'life.test', 'blue'));
    await untilAnswered(tidegate.http, 'life.test', 'blue');
    const patch = [
      { op: 'replace', path: '/spec/rules/0/http/paths/0/backend/service/name', value: 'green' },
    ];
    await cluster.kubectl.run(['patch', 'ingress', 'life', '--type=json', '-p', JSON.stringify(patch)]);
    await untilAnswered(tidegate.http, 'life.test', 'green');
    await cluster.kubectl.run([
      'annotate',
      'ingress',
      'life',
      'nginx.ingress.kubernetes.io/rewrite-target=/x',
    ]);
    await cluster.kubectl.run(['delete', 'ingress', 'life']);
    await untilAnswered(tidegate.http, 'life.test', 404);
  });

  test('endpoints come, move and go', async () => {
    const moving = (ports: readonly number[]) => service('moving', ports, BACKEND_ADDRESS);
    const [port, slice] = moving([blue.port]);
    await apply(port!, route('moving', 'moving.test', 'moving'));
    await untilAnswered(tidegate.http, 'moving.test', 503);
    await apply(slice!);
    await untilAnswered(tidegate.http, 'moving.test', 'blue');
    await apply(...moving([green.port]));
    await untilAnswered(tidegate.http, 'moving.test', 'green');
    await cluster.kubectl.run(['delete', 'endpointslice', 'moving-0']);
    await untilAnswered(tidegate.http, 'moving.test', 503);
  });

  test('an Ingress may come before its Service', async () => {
    await apply(route('early', 'early.test', 'late'));
    await untilAnswered(tidegate.http, 'early.test', 503);
    await apply(...service('late', [green.port], BACKEND_ADDRESS));
    await untilAnswered(tidegate.http, 'early.test', 'green');
  });

  test('a certificate is served as its Secret says: created, replaced; the last stays when it is deleted', async () => {
    const [first, second] = [issue({ names: ['tls.test'] }), issue({ names: ['tls.test'] })];
    const spec = [{ hosts: ['tls.test'], secretName: 'pair' }];
    await apply(withTls(route('tls', 'tls.test', 'blue'), spec));
    await apply(tlsSecret('pair', first));
    await untilServed(tidegate, 'tls.test', (shown) => shown === first.fingerprint);
    await apply(tlsSecret('pair', second));
    await untilServed(tidegate, 'tls.test', (shown) => shown === second.fingerprint);
    await cluster.kubectl.run(['delete', 'secret', 'pair']);
    await tidegate.logged('the problem', ({ msg }) =>
      /no Secret default\/pair; the last good certificate is still used/.test(String(msg)),
    );
    await untilServed(tidegate, 'tls.test', (shown) => shown === second.fingerprint);
    await cluster.kubectl.run(['delete', 'ingress', 'tls']);
    await untilServed(tidegate, 'tls.test', (shown) => shown !== second.fingerprint);
  });

  test('only Ingresses of our class are served, also when an old annotation names it', async () => {
    const other = { ...ingressClass, metadata: { name: 'other' }, spec: { controller: 'example.com/other' } };
    const foreign = route('foreign', 'foreign.test', 'blue');
    await apply(
      other,
      { ...foreign, spec: { ...(foreign['spec'] as object), ingressClassName: 'other' } },
      classless(route('nobodys', 'nobodys.test', 'blue')),
      classless(route('old', 'old.test', 'blue'), { 'kubernetes.io/ingress.class': 'tidegate' }),
    );
    await untilAnswered(tidegate.http, 'old.test', 'blue');
    await untilAnswered(tidegate.http, 'foreign.test', 404);
    await untilAnswered(tidegate.http, 'nobodys.test', 404);
  });

  test('an Ingress without a class gets the default class from the API server', async () => {
    const mark = 'ingressclass.kubernetes.io/is-default-class';
    await cluster.kubectl.run(['annotate', 'ingressclass', 'tidegate', `${mark}=true`]);
    await eventually(async () => {
      // The API server's own view of classes lags a little behind.
      await cluster.kubectl.run(['delete', 'ingress', 'usual', '--ignore-not-found']);
      await apply(classless(route('usual', 'usual.test', 'blue')));
      const made = (await cluster.kubectl.get('ingress', 'usual')) as { spec: { ingressClassName?: string } };
      assert.equal(made.spec.ingressClassName, 'tidegate');
    });
    await untilAnswered(tidegate.http, 'usual.test', 'blue');
    await cluster.kubectl.run(['annotate', 'ingressclass', 'tidegate', `${mark}-`]);
  });

  test('a class of ours goes away and comes back, and its Ingresses with it', async () => {
    const extra = { ...ingressClass, metadata: { name: 'extra' } };
    const classy = route('classy', 'classy.test', 'green');
    await apply(extra, { ...classy, spec: { ...(classy['spec'] as object), ingressClassName: 'extra' } });
    await untilAnswered(tidegate.http, 'classy.test', 'green');
    await cluster.kubectl.run(['delete', 'ingressclass', 'extra']);
    await untilAnswered(tidegate.http, 'classy.test', 404);
    await apply(extra);
    await untilAnswered(tidegate.http, 'classy.test', 'green');
  });

  test('a deleted namespace takes its routes with it', async (t) => {
    if (!cluster.hasControllers) return t.skip('kube-controller-manager is missing');
    await cluster.kubectl.run(['create', 'namespace', 'passing']);
    const objects = routeAll('passing.test', blue.port).map((object) => inNamespace('passing', object));
    await apply(...objects.map(withAddress));
    await untilAnswered(tidegate.http, 'passing.test', 'blue');
    await cluster.kubectl.run(['delete', 'namespace', 'passing', '--timeout=100s']);
    await untilAnswered(tidegate.http, 'passing.test', 404);
  });

  test('a mistake is told with the name of its object, and what works is left alone', async () => {
    await apply(route('sound', 'sound.test', 'blue'));
    const wrong = route('unsound', 'unsound.test', 'blue');
    const annotations = { 'nginx.ingress.kubernetes.io/proxy-read-timeout': 'soon' };
    await apply({ ...wrong, metadata: { ...(wrong['metadata'] as object), annotations } });
    await tidegate.logged(
      'the problem',
      ({ event, msg }) => event === 'problem' && /unsound/.test(JSON.stringify(msg)),
    );
    await untilAnswered(tidegate.http, 'sound.test', 'blue');
  });
});

const inNamespace = (namespace: string, object: KubeObject): KubeObject => ({
  ...object,
  metadata: { ...(object['metadata'] as object), namespace },
});

/** An EndpointSlice's endpoints where the API server allows them; any other object as it is. */
function withAddress(object: KubeObject): KubeObject {
  if (object['kind'] !== 'EndpointSlice') return object;
  return { ...object, endpoints: [{ addresses: [BACKEND_ADDRESS], conditions: { ready: true } }] };
}

/** Shakes hands until the fingerprint of the certificate that is shown is right. */
async function untilServed(
  tidegate: Tidegate,
  host: string,
  isRight: (fingerprint: string) => boolean,
): Promise<void> {
  const ready = tidegate.log.find(({ event }) => event === 'ready')!;
  const { https = [] } = ready.addresses as unknown as { https?: readonly string[] };
  const port = Number(https[0]!.split(':').at(-1));
  await eventually(async () => {
    const socket = connect({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
    try {
      await once(socket, 'secureConnect');
      const shown = new X509Certificate(socket.getPeerCertificate().raw).fingerprint256;
      assert.ok(isRight(shown), `shown is ${shown}`);
    } finally {
      socket.destroy();
    }
  });
}
