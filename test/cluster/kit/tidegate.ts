/** Tidegate as a replica in the cluster, and backends where the API server allows endpoints. */
import { type EchoBackend, startEchoBackend } from '../../kit/echo-backend.ts';
import { ingressClass } from '../../kit/manifests.ts';
import { startTidegate, type Tidegate } from '../../kit/tidegate.ts';
import type { Scope } from '../../kit/waiting.ts';
import type { ControlPlane } from './control-plane.ts';

/** Where all backends of the tests listen, each on a port of its own. */
export const BACKEND_ADDRESS = '10.77.0.2';

export interface ReplicaOptions {
  /** As whom it comes to the API server; the administrator when not told. */
  readonly kubeconfig?: string;
  readonly args?: readonly string[];
  readonly workers?: 1 | 2;
}

/** Starts `tidegate run --source kubernetes`; resolves when its first table is live. */
export async function startReplica(
  scope: Scope,
  cluster: ControlPlane,
  { kubeconfig = cluster.kubeconfig, args = [], workers = 1 }: ReplicaOptions = {},
): Promise<Tidegate> {
  return startTidegate(scope, {
    manifests: [],
    workers,
    args: ['--source', 'kubernetes', '--kubeconfig', kubeconfig, ...args],
  });
}

/** Makes the IngressClass that Tidegate serves. */
export async function createIngressClass(cluster: ControlPlane): Promise<void> {
  await cluster.kubectl.apply(ingressClass);
}

export function startBackend(scope: Scope, name: string): Promise<EchoBackend> {
  return startEchoBackend(scope, name, BACKEND_ADDRESS);
}
