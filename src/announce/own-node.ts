/** The Node that a speaker runs on. */
import { networkInterfaces } from 'node:os';
import { objectKey } from '../model/keys.ts';
import type { Node, NodeAddress } from '../model/snapshot.ts';

/** Stands for a host that no object describes: Tidegate also announces where there is no Kubernetes. */
export function hostAsNode(name: string, addresses: readonly string[]): Node {
  return {
    kind: 'Node',
    meta: {
      namespace: '',
      name,
      key: objectKey('', name),
      labels: new Map([['kubernetes.io/hostname', name]]),
      annotations: new Map(),
      creationTimestamp: 0,
      generation: 0,
      uid: '',
      position: null,
    },
    addresses: addresses.map((address): NodeAddress => ({ type: 'InternalIP', address })),
    ready: true,
    networkUnavailable: false,
    unschedulable: false,
    taints: [],
    podCidrs: [],
  };
}

/** Those that others could know this host by, IPv4 first. */
export function hostAddresses(): string[] {
  const entries = Object.values(networkInterfaces()).flatMap((list = []) => list);
  const outside = entries.filter(({ internal, scopeid }) => !internal && !scopeid);
  return outside.sort((a, b) => (a.family < b.family ? -1 : 1)).map(({ address }) => address);
}
