/** Kubernetes objects that announcing is made from. */
import type { KubeObject } from '../../kit/manifests.ts';

export function metallb(
  kind: string,
  name: string,
  spec: object,
  apiVersion = 'metallb.io/v1beta1',
): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace: 'metallb-system' }, spec };
}

export const pool = (addresses: readonly string[]): KubeObject =>
  metallb('IPAddressPool', 'public', { addresses });

/** Everything to every peer. */
export const bgpAdvertisement = metallb('BGPAdvertisement', 'all', {});
/** Everything on every interface. */
export const l2Advertisement = metallb('L2Advertisement', 'all', {});

/** We are AS 64512, the peer `router` is AS 64513. */
export function bgpPeer(
  spec: { readonly peerAddress: string } & Readonly<Record<string, unknown>>,
): KubeObject {
  return metallb('BGPPeer', 'router', { myASN: 64512, peerASN: 64513, ...spec }, 'metallb.io/v1beta2');
}

/** A Service of type LoadBalancer with port 80, and its endpoints, which listen on 8080. */
export function loadBalancer(name: string, endpoints: readonly object[], spec: object = {}): KubeObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { type: 'LoadBalancer', selector: { app: name }, ports: [{ port: 80 }], ...spec },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port: 8080, protocol: 'TCP' }],
      endpoints,
    },
  ];
}

export function endpoint(address: string, nodeName: string): object {
  return { addresses: [address], nodeName, conditions: { ready: true } };
}

/** A ready Node. */
export function node(name: string, address: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    status: {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}
