/** What Tidegate may read, by RBAC: too little is told with the role that is missing, and harms nothing else. */
import assert from 'node:assert/strict';
import { before, describe, type TestContext, test } from 'node:test';
import type { EchoBackend } from '../kit/echo-backend.ts';
import { ingress, ingressClass, type KubeObject, service } from '../kit/manifests.ts';
import { startTidegate } from '../kit/tidegate.ts';
import { untilAnswered } from './kit/ask.ts';
import { forbidden } from './kit/audit.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { BACKEND_ADDRESS, startBackend, startReplica } from './kit/tidegate.ts';

const prepared = prepareCluster();
/** What was refused is tried again after at most half a minute. */
const GRANTED_MS = 60_000;

/** A ClusterRole to list and watch these, like `ingresses.networking.k8s.io`, and its binding to a ServiceAccount. */
function readerRole(name: string, resources: readonly string[]): KubeObject[] {
  const rules = resources.map((resource) => {
    const [plural = '', ...group] = resource.split('.');
    return { apiGroups: [group.join('.')], resources: [plural], verbs: ['get', 'list', 'watch'] };
  });
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name } };
  return [
    { ...rbac, kind: 'ClusterRole', rules },
    {
      ...rbac,
      kind: 'ClusterRoleBinding',
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', namespace: 'default', name }],
    },
  ];
}

const ALL = [
  'ingresses.networking.k8s.io',
  'ingressclasses.networking.k8s.io',
  'services',
  'endpointslices.discovery.k8s.io',
  'namespaces',
  'nodes',
  'secrets',
  'customresourcedefinitions.apiextensions.k8s.io',
  ...[
    'ipaddresspools',
    'l2advertisements',
    'bgpadvertisements',
    'bgppeers',
    'communities',
    'bfdprofiles',
  ].map((plural) => `${plural}.metallb.io`),
];
const without = (resource: string) => ALL.filter((each) => each !== resource);

describe('roles', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  let backend: EchoBackend;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    backend = await startBackend(scope, 'backend');
    await cluster.kubectl.apply(
      ingressClass,
      ...service('backend', [backend.port], BACKEND_ADDRESS),
      ingress('site', 'site.test', [{ path: '/', service: 'backend' }]),
    );
  });
  const loginWith = async (name: string, resources: readonly string[]) => {
    await cluster.kubectl.run(['create', 'serviceaccount', name]);
    await cluster.kubectl.apply(...readerRole(name, resources));
    return (await cluster.serviceAccount('default', name)).kubeconfig;
  };

  test('without Secrets all but certificates works; the problem names the role; a grant is noticed', async (t) => {
    const kubeconfig = await loginWith('no-secrets', without('secrets'));
    const tidegate = await startReplica(t, cluster, { kubeconfig });
    await untilAnswered(tidegate.http, 'site.test', 'backend');
    const refused = await tidegate.logged('the refusal', (line) =>
      /secrets cannot be read/.test(String(line['msg'])),
    );
    assert.match(String(refused['msg']), /expected a ClusterRole with the verbs list and watch.*"secrets"/);
    await cluster.kubectl.apply(...readerRole('no-secrets', ALL));
    await tidegate.logged('the connection', ({ event }) => event === 'source-connected', GRANTED_MS);
  });

  test('without EndpointSlices nothing is served; it starts by itself once the role is there', async (t: TestContext) => {
    const kubeconfig = await loginWith('no-slices', without('endpointslices.discovery.k8s.io'));
    const args = ['--source', 'kubernetes', '--kubeconfig', kubeconfig];
    const starting = startTidegate(t, { manifests: [], args });
    await cluster.kubectl.apply(...readerRole('no-slices', ALL));
    const tidegate = await starting;
    await untilAnswered(tidegate.http, 'site.test', 'backend');
    t.diagnostic(`log lines: ${tidegate.log.map(({ event }) => event).join(' ')}`);
  });

  test('some namespaces need no more than a role in each of them', async (t) => {
    const clusterWide = ALL.filter((resource) =>
      /^(ingressclasses|customresource|namespaces|nodes)/.test(resource),
    );
    const kubeconfig = await loginWith('narrow', clusterWide);
    await cluster.kubectl.run(['create', 'namespace', 'elsewhere']);
    const [role, binding] = readerRole('narrow', ALL);
    const metadata = { name: 'narrow', namespace: 'default' };
    const { roleRef, ...rest } = binding!;
    await cluster.kubectl.apply(
      { ...role, kind: 'Role', metadata },
      { ...rest, kind: 'RoleBinding', metadata, roleRef: { ...(roleRef as object), kind: 'Role' } },
    );
    const args = ['--namespaces', 'default', '--leader-election', 'off'];
    const tidegate = await startReplica(t, cluster, { kubeconfig, args });
    await untilAnswered(tidegate.http, 'site.test', 'backend');
    const foreign = ingress('foreign', 'foreign.test', [{ path: '/', service: 'backend' }]);
    const ours = ingress('ours', 'ours.test', [{ path: '/', service: 'backend' }]);
    await cluster.kubectl.apply({ ...foreign, metadata: { name: 'foreign', namespace: 'elsewhere' } }, ours);
    await untilAnswered(tidegate.http, 'ours.test', 'backend');
    await untilAnswered(tidegate.http, 'foreign.test', 404);
    // Address pools are in a namespace of their own, which nobody granted here.
    const reads = (await cluster.audit()).filter(({ user }) => user.username.endsWith(':narrow'));
    assert.deepEqual(
      forbidden(reads).filter((line) => !line.includes('metallb.io')),
      [],
    );
  });

  test('kinds that the cluster does not have are no fault, and are read once they come', async (t) => {
    const kubeconfig = await loginWith('everything', ALL);
    const tidegate = await startReplica(t, cluster, { kubeconfig });
    await untilAnswered(tidegate.http, 'site.test', 'backend');
    assert.deepEqual(
      tidegate.log.filter(({ level, event }) => level !== 'info' && event?.startsWith('source-') === true),
      [],
    );
    await cluster.kubectl.apply(addressPools);
    await cluster.kubectl.run(['wait', '--for=condition=Established', 'crd/ipaddresspools.metallb.io']);
    await cluster.kubectl.apply({
      apiVersion: 'metallb.io/v1beta1',
      kind: 'IPAddressPool',
      metadata: { name: 'mistaken', namespace: 'default' },
      spec: { addresses: ['nonsense'] },
    });
    await tidegate.logged(
      'the problem of the pool',
      (line) => line.event === 'problem' && JSON.stringify(line).includes('mistaken'),
      GRANTED_MS,
    );
  });
});

const addressPools: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'ipaddresspools.metallb.io' },
  spec: {
    group: 'metallb.io',
    scope: 'Namespaced',
    names: {
      kind: 'IPAddressPool',
      listKind: 'IPAddressPoolList',
      plural: 'ipaddresspools',
      singular: 'ipaddresspool',
    },
    versions: [
      {
        name: 'v1beta1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
