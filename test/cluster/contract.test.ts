/** What holds with any API server, run with the real one; test/feature runs the same with the fake one. */
import { before, describe } from 'node:test';
import { kubernetesContract } from '../kit/kubernetes-contract.ts';
import { ingressClass } from '../kit/manifests.ts';
import { prepareCluster } from './kit/binaries.ts';
import { type ControlPlane, startControlPlane } from './kit/control-plane.ts';
import { suiteScope } from './kit/suite-scope.ts';
import { BACKEND_ADDRESS } from './kit/tidegate.ts';

const prepared = prepareCluster();

describe('with the real API server', { skip: 'missing' in prepared ? prepared.missing : false }, () => {
  const scope = suiteScope();
  let cluster: ControlPlane;
  before(async () => {
    if (!('binaries' in prepared)) return;
    cluster = await startControlPlane(scope, prepared.binaries);
    await cluster.kubectl.apply(ingressClass);
  });
  kubernetesContract(async () => ({
    kubeconfig: cluster.kubeconfig,
    backendAddress: BACKEND_ADDRESS,
    apply: (...objects) => cluster.kubectl.apply(...objects),
    remove: async (kind, id) => {
      const [namespace = '', name = ''] = id.split('/');
      await cluster.kubectl.run(['delete', kind, '-n', namespace, name]);
    },
  }));
});
