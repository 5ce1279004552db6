/** What Tidegate does with any API server: run with the fake one and with the real one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilAnswered } from '../cluster/kit/ask.ts';
import { issue, tlsSecret, withTls } from './certificates.ts';
import { startEchoBackend } from './echo-backend.ts';
import { startInCluster } from './fake-cluster.ts';
import { ingress, type KubeObject, service } from './manifests.ts';
import { shown } from './tls.ts';
import { eventually, type Scope } from './waiting.ts';

export interface ClusterUnderTest {
  readonly kubeconfig: string;
  /** Where backends of tests may listen: an address that the API server accepts in an EndpointSlice. */
  readonly backendAddress: string;
  /** Creates objects in namespace `default`, or puts them in the place of those with their names. */
  apply(...objects: readonly KubeObject[]): Promise<void> | void;
  /** `id` is `namespace/name`. */
  remove(kind: string, id: string): Promise<void> | void;
}

/** `open` gives a server that has the IngressClass `tidegate`. Names of objects are of the test alone. */
export function kubernetesContract(open: (scope: Scope) => Promise<ClusterUnderTest>): void {
  test('what is there at the start is served, and each later change follows', async (t) => {
    const cluster = await open(t);
    const address = cluster.backendAddress;
    const [one, two] = [await startEchoBackend(t, 'one', address), await startEchoBackend(t, 'two', address)];
    const host = 'contract-a.test';
    const rule = [{ path: '/', service: 'contract-a' }];
    await cluster.apply(ingress('contract-a', host, rule), ...service('contract-a', [one.port], address));
    const proxy = await startInCluster(t, cluster);
    await untilAnswered(proxy.http, host, 'one');

    await cluster.apply(...service('contract-a', [two.port], address));
    await untilAnswered(proxy.http, host, 'two');

    await cluster.apply(ingress('contract-b', 'contract-b.test', rule));
    await untilAnswered(proxy.http, 'contract-b.test', 'two');

    await cluster.apply(ingress('contract-b', 'contract-c.test', rule));
    await untilAnswered(proxy.http, 'contract-c.test', 'two');
    await untilAnswered(proxy.http, 'contract-b.test', 404);

    await cluster.remove('Ingress', 'default/contract-b');
    await untilAnswered(proxy.http, 'contract-c.test', 404);
    await cluster.remove('EndpointSlice', 'default/contract-a-0');
    await untilAnswered(proxy.http, host, 503);
  });

  test('a certificate is that of its Secret, also when the Secret comes later, changes and goes', async (t) => {
    const cluster = await open(t);
    const host = 'contract-tls.test';
    const [first, second] = [issue({ names: [host] }), issue({ names: [host] })];
    const object = ingress('contract-tls', host, [{ path: '/', service: 'contract-tls' }]);
    await cluster.apply(withTls(object, [{ hosts: [host], secretName: 'contract-tls' }]));
    const proxy = await startInCluster(t, cluster);
    const certificate = () => shown(t, proxy.https, { servername: host });
    await proxy.logged('the missing Secret', ({ reason }) => reason === 'SecretNotFound');
    assert.notEqual(await certificate(), first.fingerprint);

    for (const wanted of [first, second]) {
      await cluster.apply(tlsSecret('contract-tls', wanted));
      await eventually(async () => assert.equal(await certificate(), wanted.fingerprint));
    }
    await cluster.remove('Secret', 'default/contract-tls');
    await eventually(() => {
      const gone = proxy.log.filter(({ reason }) => reason === 'SecretNotFound');
      assert.equal(gone.length, 2);
    });
    assert.equal(await certificate(), second.fingerprint, 'the last good one stays in use');
  });

  test('an object that makes no sense harms only itself', async (t) => {
    const cluster = await open(t);
    const backend = await startEchoBackend(t, 'web', cluster.backendAddress);
    const rule = [{ path: '/', service: 'contract-good' }];
    await cluster.apply(
      ingress('contract-good', 'contract-good.test', rule),
      ...service('contract-good', [backend.port], cluster.backendAddress),
    );
    const proxy = await startInCluster(t, cluster);
    await cluster.apply(ingress('contract-bad', 'contract-bad.test', [{ path: '/', service: 'nowhere' }]));
    await proxy.logged('the problem', ({ msg }) => String(msg).includes('default/contract-bad'));
    await untilAnswered(proxy.http, 'contract-bad.test', 503);
    await untilAnswered(proxy.http, 'contract-good.test', 'web');
  });
}
