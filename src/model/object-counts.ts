import type { Kind, Snapshot } from './snapshot.ts';

/** How many objects there are of each kind. */
export function countObjects(snapshot: Snapshot): Record<Kind, number> {
  return {
    Ingress: snapshot.ingresses.size,
    IngressClass: snapshot.ingressClasses.size,
    Service: snapshot.services.size,
    EndpointSlice: snapshot.endpointSlices.size,
    Secret: snapshot.secrets.size,
    ConfigMap: snapshot.configMaps.size,
    Namespace: snapshot.namespaces.size,
    Node: snapshot.nodes.size,
    IPAddressPool: snapshot.ipAddressPools.size,
    L2Advertisement: snapshot.l2Advertisements.size,
    BGPAdvertisement: snapshot.bgpAdvertisements.size,
    BGPPeer: snapshot.bgpPeers.size,
    Community: snapshot.communities.size,
    BFDProfile: snapshot.bfdProfiles.size,
  };
}
