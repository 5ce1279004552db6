/** Two replicas with exactly the roles that we ship: one leads and writes status and Events, both serve. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import type { EchoBackend } from '../kit/echo-backend.ts';
import { ingress, ingressClass, type KubeObject, service } from '../kit/manifests.ts';
import type { Tidegate } from '../kit/tidegate.ts';
import { eventually } from '../kit/waiting.ts';
import { untilAnswered } from './kit/ask.ts';
import { forbidden } from './kit/audit.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { BACKEND_ADDRESS, startBackend, startReplica } from './kit/tidegate.ts';

const prepared = prepareCluster();
const MANIFESTS = join(import.meta.dirname, '../../deploy/tidegate.yaml');
const CRDS = join(import.meta.dirname, '../../deploy/crds');
const NAMESPACE = 'tidegate-system';
const ADDRESS = '192.0.2.7';
/** A few Lease durations, as below. */
const ELECTED_MS = 60_000;

describe('replicas with the shipped roles', {
  skip: 'missing' in prepared ? prepared.missing : false,
}, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  let backend: EchoBackend;
  let kubeconfig: string;
  const replicas: Tidegate[] = [];
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    backend = await startBackend(scope, 'backend');
    await cluster.kubectl.run(['create', 'namespace', 'metallb-system']);
    await cluster.kubectl.run(['apply', '-f', CRDS]);
    await cluster.kubectl.run(['wait', '--for=condition=Established', '--timeout=60s', '-f', CRDS]);
    await cluster.kubectl.run(['apply', '-f', MANIFESTS]);
    await cluster.kubectl.apply(ingressClass, ...service('backend', [backend.port], BACKEND_ADDRESS));
    ({ kubeconfig } = await cluster.serviceAccount(NAMESPACE, 'tidegate'));
    replicas.push(await start(), await start());
  });
  const start = () =>
    startReplica(scope, cluster, {
      kubeconfig,
      args: [
        ...['--lease', `${NAMESPACE}/tidegate`, '--lease-duration', '4s'],
        ...['--publish-status-address', ADDRESS, '--watch-services-without-class'],
      ],
    });
  const site = (name: string) => ingress(name, `${name}.test`, [{ path: '/', service: 'backend' }]);
  const apply = (...objects: readonly KubeObject[]) => cluster.kubectl.apply(...objects);

  test('one of them leads; both serve; kubectl shows the address', async () => {
    await apply(site('shown'));
    for (const { http } of replicas) await untilAnswered(http, 'shown.test', 'backend');
    await untilPublished(cluster, 'shown', [ADDRESS]);
    assert.match(await cluster.kubectl.run(['get', 'ingress', 'shown']), /192\.0\.2\.7/);
    assert.equal(leaders(replicas).length, 1);
  });

  test('a status is written once, and not again while nothing changes', async () => {
    const writes = async () =>
      (await cluster.audit()).filter(({ verb, objectRef }) => verb === 'patch' && objectRef?.name === 'once');
    await apply(site('once'));
    await untilPublished(cluster, 'once', [ADDRESS]);
    await apply(site('other'));
    await untilPublished(cluster, 'other', [ADDRESS]);
    assert.equal((await writes()).length, 1);
  });

  test('a mistake is shown by kubectl describe', async () => {
    const annotations = { 'nginx.ingress.kubernetes.io/proxy-read-timeout': 'soon' };
    await apply({ ...site('mistaken'), metadata: { name: 'mistaken', namespace: 'default', annotations } });
    await eventually(async () => {
      const text = await cluster.kubectl.run(['describe', 'ingress', 'mistaken']);
      assert.match(text, /Warning\s+InvalidAnnotation.*tidegate/);
    });
  });

  test('when the class is taken away, the address is taken back', async () => {
    await apply(site('leaving'));
    await untilPublished(cluster, 'leaving', [ADDRESS]);
    const patch = JSON.stringify({ spec: { ingressClassName: 'somebody-elses' } });
    await cluster.kubectl.run(['patch', 'ingress', 'leaving', '--type=merge', '-p', patch]);
    await untilPublished(cluster, 'leaving', []);
  });

  test('certificates are read, too', async () => {
    await apply(tlsSecret('pair', issue({ names: ['secure.test'] })));
    await apply(withTls(site('secure'), [{ hosts: ['secure.test'], secretName: 'pair' }]));
    await untilPublished(cluster, 'secure', [ADDRESS]);
    assert.ok(
      (await cluster.audit()).some(({ verb, objectRef }) => verb === 'get' && objectRef?.name === 'pair'),
    );
  });

  test('a Service gets an address of a pool, and both are told so', async () => {
    const pool = {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'IPAddressPool',
      metadata: { name: 'pool', namespace: 'metallb-system' },
      spec: { addresses: ['192.0.2.16/28'] },
    };
    const balancer = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'balanced', namespace: 'default' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    };
    await apply(pool, balancer);
    await eventually(async () => {
      const table = await cluster.kubectl.run(['get', 'service', 'balanced', '--no-headers']);
      assert.match(table, /192\.0\.2\.16/);
      const { metadata } = (await cluster.kubectl.get('service', 'balanced')) as {
        metadata: { annotations?: Readonly<Record<string, string>> };
      };
      assert.equal(metadata.annotations?.['metallb.io/ip-allocated-from-pool'], 'pool');
      const { status } = (await cluster.kubectl.get('ipaddresspool', 'pool', '-n', 'metallb-system')) as {
        status?: { assignedIPv4?: number };
      };
      assert.equal(status?.assignedIPv4, 1);
    }, ELECTED_MS);
  });

  test('a leader that stops is followed at once, one that is killed after its Lease', async (t) => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const [leader] = leaders(replicas);
      const follower = replicas.find((each) => each !== leader)!;
      leader!.signal(signal);
      const killed = performance.now();
      await follower.logged('the other to lead', ({ event }) => event === 'leading', ELECTED_MS);
      t.diagnostic(`after ${signal}: ${Math.round(performance.now() - killed)} ms`);
      replicas.splice(0, 2, follower, await start());
      await apply(site(`after-${signal.toLowerCase()}`));
      await untilPublished(cluster, `after-${signal.toLowerCase()}`, [ADDRESS]);
    }
  });

  test('nothing of all that was forbidden', async () => {
    const events = await cluster.audit();
    assert.ok(events.some(({ user }) => user.username === `system:serviceaccount:${NAMESPACE}:tidegate`));
    assert.deepEqual(forbidden(events), []);
  });
});

/** Those that were elected, and have not stopped to lead since. */
function leaders(replicas: readonly Tidegate[]): Tidegate[] {
  const count = ({ log }: Tidegate, wanted: string) => log.filter(({ event }) => event === wanted).length;
  return replicas.filter((each) => count(each, 'leading') > count(each, 'not-leading'));
}

async function untilPublished(
  cluster: ControlPlane,
  name: string,
  addresses: readonly string[],
): Promise<void> {
  await eventually(async () => {
    const { status } = (await cluster.kubectl.get('ingress', name)) as {
      status: { loadBalancer?: { ingress?: { ip: string }[] } };
    };
    const { ingress = [] } = status.loadBalancer ?? {};
    assert.deepEqual(
      ingress.map(({ ip }) => ip),
      addresses,
    );
  }, ELECTED_MS);
}
