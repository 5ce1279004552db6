/** Two installations of Tidegate in one cluster, like one for the intranet and one for the internet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeObject } from '../kit/fake-api-server.ts';
import { type FakeCluster, startFakeCluster, startInCluster } from '../kit/fake-cluster.ts';
import { ingress, type KubeObject } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';

const lease = (name: string): KubeObject => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, namespace: 'default' },
  spec: {},
});
const inner: KubeObject = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'inner' },
  spec: { controller: 'example.com/inner' },
};
const rule = [{ path: '/', service: 'web' }];

function ofInner(name: string): KubeObject {
  const object = ingress(name, `${name}.test`, rule);
  return { ...object, spec: { ...(object['spec'] as object), ingressClassName: 'inner' } };
}

function addressesOf({ api }: FakeCluster, name: string): unknown {
  const status = api.store.get('Ingress', `default/${name}`)?.['status'] as FakeObject | undefined;
  return (status?.['loadBalancer'] as FakeObject | undefined)?.['ingress'];
}

const untilStatus = (cluster: FakeCluster, name: string, ip: string) =>
  eventually(() => assert.deepEqual(addressesOf(cluster, name), [{ ip }]));

test('each writes the status of its own Ingresses, and leaves those of the other alone', async (t) => {
  const cluster = await startFakeCluster(t, [lease('tidegate'), lease('inner'), inner, ofInner('theirs')]);
  await startInCluster(t, cluster, ['--publish-status-address', '192.0.2.1']);
  const flags = ['--controller', 'example.com/inner', '--ingress-class', 'inner', '--lease', 'default/inner'];
  await startInCluster(t, cluster, [...flags, '--publish-status-address', '192.0.2.2']);
  await untilStatus(cluster, 'theirs', '192.0.2.2');
  // What the first has to say of the other's status it says together with this.
  cluster.put(ingress('ours', 'ours.test', rule));
  await untilStatus(cluster, 'ours', '192.0.2.1');
  const writes = cluster.api.requests.filter(
    ({ subresource, name }) => `${subresource} ${name}` === 'status theirs',
  );
  assert.equal(writes.length, 1);
  assert.deepEqual(addressesOf(cluster, 'theirs'), [{ ip: '192.0.2.2' }]);
});
