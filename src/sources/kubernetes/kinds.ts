/** The kinds that are watched. */
import type { Resource } from '../../kubernetes/resource.ts';
import type { Kind } from '../../model/snapshot.ts';

export interface WatchedKind {
  readonly kind: Kind;
  readonly resource: Resource;
  readonly scope: 'namespaced' | 'cluster';
  /**
   * `essential`: without it nothing can be served, so the first table waits for it. `wanted`: there is always such a
   * kind, but much works without. `optional`: the cluster may not have it.
   */
  readonly need: 'essential' | 'wanted' | 'optional';
}

const CORE = { group: '', version: 'v1' } as const;
const NETWORKING = { group: 'networking.k8s.io', version: 'v1' } as const;

function metallb(kind: Kind, plural: string, version = 'v1beta1'): WatchedKind {
  return { kind, resource: { group: 'metallb.io', version, plural }, scope: 'namespaced', need: 'optional' };
}

export const WATCHED_KINDS: readonly WatchedKind[] = [
  {
    kind: 'Ingress',
    resource: { ...NETWORKING, plural: 'ingresses' },
    scope: 'namespaced',
    need: 'essential',
  },
  {
    kind: 'IngressClass',
    resource: { ...NETWORKING, plural: 'ingressclasses' },
    scope: 'cluster',
    need: 'essential',
  },
  { kind: 'Service', resource: { ...CORE, plural: 'services' }, scope: 'namespaced', need: 'essential' },
  {
    kind: 'EndpointSlice',
    resource: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' },
    scope: 'namespaced',
    need: 'essential',
  },
  { kind: 'Namespace', resource: { ...CORE, plural: 'namespaces' }, scope: 'cluster', need: 'wanted' },
  { kind: 'Node', resource: { ...CORE, plural: 'nodes' }, scope: 'cluster', need: 'wanted' },
  metallb('IPAddressPool', 'ipaddresspools'),
  metallb('L2Advertisement', 'l2advertisements'),
  metallb('BGPAdvertisement', 'bgpadvertisements'),
  metallb('BGPPeer', 'bgppeers', 'v1beta2'),
  metallb('Community', 'communities'),
  metallb('BFDProfile', 'bfdprofiles'),
];

/** Only names and versions of these are watched; what is referenced is read by name. */
export const SECRETS: WatchedKind = {
  kind: 'Secret',
  resource: { ...CORE, plural: 'secrets' },
  scope: 'namespaced',
  need: 'wanted',
};

/** Their names tell when an optional kind comes into being. */
export const CRDS: Resource = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
};

/** `ipaddresspools.metallb.io`, as RBAC, kubectl and CustomResourceDefinitions name a resource. */
export function resourceName({ group, plural }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** `v1`, `networking.k8s.io/v1`. */
export function apiVersion({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}
