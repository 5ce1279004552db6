import { startFakeCluster } from '../kit/fake-cluster.ts';
import { kubernetesContract } from '../kit/kubernetes-contract.ts';

kubernetesContract(async (scope) => {
  const { api, kubeconfig, put } = await startFakeCluster(scope);
  return {
    kubeconfig,
    backendAddress: '127.0.0.1',
    apply: put,
    remove: (kind, id) => api.store.remove(kind, id),
  };
});
