/** The admission webhook with exactly the manifests that we ship: the real API server asks it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { ingress, ingressClass, type KubeObject, service } from '../kit/manifests.ts';
import { eventually } from '../kit/waiting.ts';
import { startWebhook } from '../kit/webhook.ts';
import { forbidden } from './kit/audit.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { asList } from './kit/kubectl.ts';
import { suiteScope } from './kit/suite-scope.ts';

const prepared = prepareCluster();
const NAMESPACE = 'tidegate-system';
const MANIFESTS = join(import.meta.dirname, '../../deploy/webhook.yaml');

const claim = (name: string, host: string, to = 'backend') =>
  ingress(name, host, [{ path: '/', service: to }]);
const inNamespace = (object: KubeObject, namespace: string): KubeObject => ({
  ...object,
  metadata: { ...(object['metadata'] as object), namespace },
});
const withTlsSecret = (object: KubeObject, value: string): KubeObject => ({
  ...object,
  metadata: {
    ...(object['metadata'] as object),
    annotations: { 'nginx.ingress.kubernetes.io/auth-tls-secret': value },
  },
});

describe('the webhook', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    await cluster.kubectl.run(['create', 'namespace', NAMESPACE]);
    await cluster.kubectl.run(['create', 'namespace', 'elsewhere']);
    await cluster.kubectl.apply(ingressClass, ...service('backend', []));
    await cluster.kubectl.run(['apply', '-f', MANIFESTS]);
    const { kubeconfig } = await cluster.serviceAccount(NAMESPACE, 'tidegate-webhook');
    // Nobody gives Services their addresses here: the webhook itself has the one of its Service.
    const found = await cluster.kubectl.get('service', 'tidegate-webhook', '-n', NAMESPACE);
    const { clusterIP } = (found as { spec: { clusterIP: string } }).spec;
    assert.equal(spawnSync('ip', ['address', 'add', `${clusterIP}/32`, 'dev', 'lo']).status, 0);
    const args = ['--source', 'kubernetes', '--kubeconfig', kubeconfig];
    await startWebhook(scope, args, NAMESPACE, `${clusterIP}:443`);
    // The API server learns of the authority by a watch of its own.
    await eventually(async () => {
      const { code } = await tryDryRun(withTlsSecret(claim('probe', 'probe.test'), 'no/such/name'));
      assert.notEqual(code, 0);
    }, 60_000);
  });
  const tryApply = (object: KubeObject, ...more: readonly string[]) =>
    cluster.kubectl.try(['apply', ...more, '-f', '-'], asList([object]));
  const tryDryRun = (object: KubeObject) => tryApply(object, '--dry-run=server');

  test('lets an Ingress in that is fine, and says by kubectl what is only to be warned of', async () => {
    const fine = await tryApply(claim('fine', 'fine.test'));
    assert.deepEqual([fine.code, fine.stderr], [0, '']);
    const early = await tryApply(claim('early', 'early.test', 'later'));
    assert.equal(early.code, 0, early.stderr);
    assert.match(early.stderr, /Warning: .*there is no Service default\/later/);
  });

  test('refuses a mistake, and says why; a dry run is no other', async () => {
    const mistaken = withTlsSecret(claim('mistaken', 'mistaken.test'), 'no/such/name');
    for (const attempt of [await tryApply(mistaken), await tryDryRun(mistaken)]) {
      assert.equal(attempt.code, 1);
      assert.match(attempt.stderr, /admission webhook "ingresses\.tidegate\.io" denied the request/);
      assert.match(attempt.stderr, /expected NAMESPACE\/NAME of a Secret/);
    }
  });

  test('refuses a host and path that another namespace has, as soon as that has it', async () => {
    assert.equal((await tryApply(inNamespace(claim('owner', 'taken.test'), 'elsewhere'))).code, 0);
    await eventually(async () => {
      const { code, stderr } = await tryDryRun(claim('thief', 'taken.test'));
      assert.equal(code, 1);
      assert.match(stderr, /belongs to Ingress elsewhere\/owner/);
    });
  });

  test('is not asked for namespaces that are labelled so', async () => {
    await cluster.kubectl.run(['label', 'namespace', 'elsewhere', 'tidegate.io/webhook=off']);
    const mistaken = inNamespace(withTlsSecret(claim('mistaken', 'm.test'), 'no/such/name'), 'elsewhere');
    await eventually(async () => assert.equal((await tryDryRun(mistaken)).code, 0));
  });

  test('an Ingress that was broken before can still be changed and deleted', async () => {
    const broken = inNamespace(withTlsSecret(claim('broken', 'broken.test'), 'no/such/name'), 'elsewhere');
    assert.equal((await tryApply(broken)).code, 0);
    await cluster.kubectl.run(['label', 'namespace', 'elsewhere', 'tidegate.io/webhook-']);
    const edit = ['label', 'ingress', 'broken', '-n', 'elsewhere', '--overwrite'];
    const changed = await eventually(async () => {
      const result = await cluster.kubectl.try([...edit, `try=${performance.now().toFixed(0)}`]);
      assert.match(result.stderr, /Warning: /);
      return result;
    });
    assert.equal(changed.code, 0, changed.stderr);
    await cluster.kubectl.run(['delete', 'ingress', 'broken', '-n', 'elsewhere']);
  });

  test('nothing of all that was forbidden to it', async () => {
    const events = await cluster.audit();
    assert.ok(events.some(({ user }) => user.username.endsWith(':tidegate-webhook')));
    assert.deepEqual(forbidden(events), []);
  });
});
