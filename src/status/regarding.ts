/** From the name of an object to what the API wants to know of it in an Event. */
import { objectKey } from '../model/keys.ts';
import type { ObjectRef } from '../model/problem.ts';
import type { AnyObject, Kind, Snapshot } from '../model/snapshot.ts';

/** `regarding` of an Event (core/v1 ObjectReference). */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** '' when the object is not known, as one that cannot be read: `kubectl describe` then does not find the Event. */
  readonly uid: string;
}

type KindEntry = readonly [apiVersion: string, map: keyof Snapshot];

const NETWORKING = 'networking.k8s.io/v1';
const METALLB = 'metallb.io/v1beta1';

const KINDS: { readonly [K in Kind]: KindEntry } = {
  Ingress: [NETWORKING, 'ingresses'],
  IngressClass: [NETWORKING, 'ingressClasses'],
  Service: ['v1', 'services'],
  EndpointSlice: ['discovery.k8s.io/v1', 'endpointSlices'],
  Secret: ['v1', 'secrets'],
  ConfigMap: ['v1', 'configMaps'],
  Namespace: ['v1', 'namespaces'],
  Node: ['v1', 'nodes'],
  IPAddressPool: [METALLB, 'ipAddressPools'],
  L2Advertisement: [METALLB, 'l2Advertisements'],
  BGPAdvertisement: [METALLB, 'bgpAdvertisements'],
  BGPPeer: ['metallb.io/v1beta2', 'bgpPeers'],
  Community: [METALLB, 'communities'],
  BFDProfile: [METALLB, 'bfdProfiles'],
};

export function regarding({ kind, namespace, name }: ObjectRef, snapshot: Snapshot): Regarding {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind as Kind] : undefined;
  const object =
    known && (snapshot[known[1]] as ReadonlyMap<string, AnyObject>).get(objectKey(namespace, name));
  return { apiVersion: known?.[0] ?? 'v1', kind, namespace, name, uid: object?.meta.uid ?? '' };
}
