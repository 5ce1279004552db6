/** The cluster that the other tests here talk to is a real one, and can be broken in the ways they need. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { KubeObject } from '../kit/manifests.ts';
import { ingress, service } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';
import { forbidden } from './kit/audit.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';

const prepared = prepareCluster();

describe('the control plane', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  before(async () => {
    if ('binaries' in prepared) cluster = await startControlPlane(scope, prepared.binaries);
  });

  test('is of the version that kubectl has', async () => {
    const { clientVersion, serverVersion } = JSON.parse(
      await cluster.kubectl.run(['version', '-o', 'json']),
    ) as Record<string, { gitVersion: string }>;
    assert.match(serverVersion!.gitVersion, /^v1\.\d+\.\d+$/);
    assert.equal(clientVersion!.gitVersion, serverVersion!.gitVersion);
  });

  test('validates: an endpoint on a loopback address is refused, one of ours is not', async () => {
    const { kubectl } = cluster;
    await assert.rejects(kubectl.apply(...service('local', [80])), /may not be in the loopback range/);
    await kubectl.apply(...service('other', [80], '10.77.0.2'));
    await assert.rejects(
      kubectl.apply(ingress('wrong', 'UPPER', [{ path: '/', service: 'other' }])),
      /Invalid value: "UPPER"/,
    );
  });

  test('runs controllers: a Deployment gets its Pods, a deleted namespace goes away', async (t) => {
    const { kubectl, hasControllers } = cluster;
    if (!hasControllers) return t.skip('kube-controller-manager is missing');
    await kubectl.run(['create', 'namespace', 'short']);
    await kubectl.run(['create', 'deployment', 'web', '--image=none', '--replicas=2', '-n', 'short']);
    await eventually(async () => {
      const { items } = (await kubectl.get('pods', '-n', 'short')) as { items: unknown[] };
      assert.equal(items.length, 2);
    }, 60_000);
    await kubectl.run(['delete', 'namespace', 'short', '--timeout=100s']);
  });

  test('a ServiceAccount may do what its role says, and the audit tells of the rest', async () => {
    const { kubectl } = cluster;
    await kubectl.run(['create', 'serviceaccount', 'reader']);
    const { kubeconfig } = await cluster.serviceAccount('default', 'reader');
    const reader = kubectl.as(kubeconfig);
    assert.match((await reader.try(['get', 'services'])).stderr, /forbidden/i);
    await kubectl.run(['create', 'role', 'reader', '--verb=list', '--resource=services']);
    await kubectl.run([
      'create',
      'rolebinding',
      'reader',
      '--role=reader',
      '--serviceaccount=default:reader',
    ]);
    await eventually(() => reader.run(['get', 'services']));
    assert.ok(
      forbidden(await cluster.audit()).some((line) => /:reader: list \/api\/v1\/.*services/.test(line)),
    );
  });

  test('a watch from before a compaction gets 410', async () => {
    const list = await cluster.request('GET', '/api/v1/configmaps?limit=1');
    const { resourceVersion } = (list.body as { metadata: { resourceVersion: string } }).metadata;
    await cluster.kubectl.run(['create', 'configmap', 'later']);
    await cluster.compact();
    // The watch cache remembers what etcd forgot, until it is made anew.
    await cluster.apiServer.stop('SIGKILL');
    await cluster.restartApiServer();
    const { status, body } = await cluster.request(
      'GET',
      `/api/v1/configmaps?watch=1&timeoutSeconds=5&resourceVersion=${resourceVersion}`,
    );
    const event = body as { type?: string; object?: KubeObject };
    assert.equal(status === 200 ? event.object?.['code'] : status, 410, JSON.stringify(body));
  });

  test('a new key for ServiceAccounts ends the tokens of the old one', async () => {
    const login = await cluster.serviceAccount('default', 'reader');
    const reader = cluster.kubectl.as(login.kubeconfig);
    await cluster.restartWithNewServiceAccountKey();
    assert.match((await reader.try(['get', 'services'])).stderr, /Unauthorized|must be logged in/);
    await login.renew();
    await reader.run(['get', 'services']);
  });
});
