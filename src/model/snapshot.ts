/**
 * The Snapshot: everything we were given, decoded and immutable. Sources make it, translation reads it.
 *
 * An object that did not change is the very same object (`===`) in the next snapshot; translation relies on
 * that to redo only what depends on a change.
 */
import type { ObjectKey } from './keys.ts';
import type {
  BfdProfile,
  BgpAdvertisement,
  BgpPeer,
  Community,
  IpAddressPool,
  L2Advertisement,
} from './metallb.ts';
import type { FilePosition, Problem } from './problem.ts';

export interface Snapshot {
  /** Grows by one with each snapshot of a source. */
  readonly version: number;
  readonly ingresses: ReadonlyMap<ObjectKey, Ingress>;
  readonly ingressClasses: ReadonlyMap<ObjectKey, IngressClass>;
  readonly services: ReadonlyMap<ObjectKey, Service>;
  /** By the slice's own name; grouped by Service in translation. */
  readonly endpointSlices: ReadonlyMap<ObjectKey, EndpointSlice>;
  readonly secrets: ReadonlyMap<ObjectKey, Secret>;
  readonly configMaps: ReadonlyMap<ObjectKey, ConfigMap>;
  readonly namespaces: ReadonlyMap<ObjectKey, Namespace>;
  readonly nodes: ReadonlyMap<ObjectKey, Node>;
  readonly ipAddressPools: ReadonlyMap<ObjectKey, IpAddressPool>;
  readonly l2Advertisements: ReadonlyMap<ObjectKey, L2Advertisement>;
  readonly bgpAdvertisements: ReadonlyMap<ObjectKey, BgpAdvertisement>;
  readonly bgpPeers: ReadonlyMap<ObjectKey, BgpPeer>;
  readonly communities: ReadonlyMap<ObjectKey, Community>;
  readonly bfdProfiles: ReadonlyMap<ObjectKey, BfdProfile>;
  /** What DNS says about the names that ExternalName Services use; keyed by lower-case name. */
  readonly resolvedNames: ReadonlyMap<string, ResolvedName>;
  /** What could not be decoded. */
  readonly problems: readonly Problem[];
}

export const EMPTY_SNAPSHOT: Snapshot = {
  version: 0,
  ingresses: new Map(),
  ingressClasses: new Map(),
  services: new Map(),
  endpointSlices: new Map(),
  secrets: new Map(),
  configMaps: new Map(),
  namespaces: new Map(),
  nodes: new Map(),
  ipAddressPools: new Map(),
  l2Advertisements: new Map(),
  bgpAdvertisements: new Map(),
  bgpPeers: new Map(),
  communities: new Map(),
  bfdProfiles: new Map(),
  resolvedNames: new Map(),
  problems: [],
};

/** The maps of a Snapshot that hold API objects, by the kind they hold. */
export interface KindMaps {
  readonly Ingress: Ingress;
  readonly IngressClass: IngressClass;
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly Secret: Secret;
  readonly ConfigMap: ConfigMap;
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly IPAddressPool: IpAddressPool;
  readonly L2Advertisement: L2Advertisement;
  readonly BGPAdvertisement: BgpAdvertisement;
  readonly BGPPeer: BgpPeer;
  readonly Community: Community;
  readonly BFDProfile: BfdProfile;
}
export type Kind = keyof KindMaps;
export type AnyObject = KindMaps[Kind];

export interface ObjectMeta {
  /** '' for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
  readonly key: ObjectKey;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch; 0 when the object carries none (a file usually does not). */
  readonly creationTimestamp: number;
  readonly generation: number;
  readonly uid: string;
  readonly position: FilePosition | null;
}

export interface Ingress {
  readonly kind: 'Ingress';
  readonly meta: ObjectMeta;
  readonly className: string | null;
  readonly defaultBackend: IngressBackend | null;
  readonly rules: readonly IngressRule[];
  readonly tls: readonly IngressTls[];
  /** `status.loadBalancer.ingress`, as written last. */
  readonly loadBalancer: readonly LoadBalancerIngress[];
  readonly statusManagers: StatusManagers;
}

/** Field managers of Tidegate that have applied something to the status, as `metadata.managedFields` says. */
export type StatusManagers = readonly string[];

/** Where a load balancer answers; of `ip` and `hostname` one is '' as a rule. */
export interface LoadBalancerIngress {
  readonly ip: string;
  readonly hostname: string;
  /** Only for Services: `VIP` delivers packets with the address as destination; null when not given (VIP). */
  readonly ipMode: 'VIP' | 'Proxy' | null;
}

export interface IngressRule {
  /** As written, lower-cased; '' for any host, `*.x` for a wildcard. */
  readonly host: string;
  /** null: the rule has no `http`, all of the host goes to the default backend. */
  readonly paths: readonly IngressPath[] | null;
}

export interface IngressPath {
  readonly path: string;
  readonly pathType: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly backend: IngressBackend;
}

export type IngressBackend =
  | { readonly kind: 'service'; readonly name: string; readonly port: PortRef }
  | {
      readonly kind: 'resource';
      readonly apiGroup: string;
      readonly resource: string;
      readonly name: string;
    };

export type PortRef =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'name'; readonly name: string };

export interface IngressTls {
  readonly hosts: readonly string[];
  readonly secretName: string | null;
}

export interface IngressClass {
  readonly kind: 'IngressClass';
  readonly meta: ObjectMeta;
  readonly controller: string;
  readonly isDefault: boolean;
  /** `spec.parameters` as `Kind namespace/name`; null for none. */
  readonly parameters: string | null;
}

export interface Service {
  readonly kind: 'Service';
  readonly meta: ObjectMeta;
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly headless: boolean;
  /** Lower-case, only for type ExternalName, else null. */
  readonly externalName: string | null;
  readonly ports: readonly ServicePort[];
  /** `spec.selector` as one text, sorted: equal texts select the same pods; '' for none. */
  readonly selector: string;
  /** `spec.ipFamilies`, preferred first; empty when not given. */
  readonly ipFamilies: readonly ('IPv4' | 'IPv6')[];
  readonly ipFamilyPolicy: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  /** In their one spelling; empty when there are none (headless, ExternalName, not yet given). */
  readonly clusterIps: readonly string[];
  readonly externalIps: readonly string[];
  readonly sessionAffinity: 'None' | 'ClientIP';
  /** How long ClientIP affinity lasts, in seconds. */
  readonly affinitySeconds: number;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly internalTrafficPolicy: 'Cluster' | 'Local';
  /** Where kube-proxy tells of local endpoints; 0 for none. */
  readonly healthCheckNodePort: number;
  readonly allocateNodePorts: boolean;
  readonly loadBalancerClass: string | null;
  /** `spec.loadBalancerIP`, as written: the API server takes any text. */
  readonly loadBalancerIp: string | null;
  /** Prefixes that may connect; empty for all. */
  readonly loadBalancerSourceRanges: readonly string[];
  /** `status.loadBalancer.ingress`, as written last. */
  readonly loadBalancer: readonly LoadBalancerIngress[];
  /** Those of `status.conditions` whose type is ours. */
  readonly conditions: readonly Condition[];
  readonly statusManagers: StatusManagers;
}

/** `metav1.Condition`. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  /** Milliseconds since the epoch. */
  readonly lastTransitionTime: number;
}

export interface ServicePort {
  /** '' for a single unnamed port. */
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly targetPort: number | string | null;
  /** 0 for none. */
  readonly nodePort: number;
  readonly appProtocol: string | null;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Also made from a core/v1 Endpoints object when its Service has no slice. */
export interface EndpointSlice {
  readonly kind: 'EndpointSlice';
  readonly meta: ObjectMeta;
  /** `namespace/name` of the Service it belongs to; null for a slice without the label. */
  readonly service: ObjectKey | null;
  /** True when decoded from core/v1 Endpoints: ignored as soon as a real slice for the Service exists. */
  readonly fromEndpoints: boolean;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SlicePort {
  readonly name: string;
  /** null: no restriction, the Service port's own number is used. */
  readonly port: number | null;
  readonly protocol: Protocol;
  readonly appProtocol: string | null;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  /** Conditions with the API's defaults applied: ready ← true, serving ← ready, terminating ← false. */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName: string | null;
  readonly zone: string | null;
  /** `targetRef.uid`, to see the two families of one pod as one endpoint; null when unknown. */
  readonly targetUid: string | null;
}

export interface Secret {
  readonly kind: 'Secret';
  readonly meta: ObjectMeta;
  readonly type: string;
  readonly data: ReadonlyMap<string, SecretBytes>;
}

export interface ConfigMap {
  readonly kind: 'ConfigMap';
  readonly meta: ObjectMeta;
  readonly data: ReadonlyMap<string, string>;
}

export interface Namespace {
  readonly kind: 'Namespace';
  readonly meta: ObjectMeta;
}

export interface Node {
  readonly kind: 'Node';
  readonly meta: ObjectMeta;
  /** In the order of the status. */
  readonly addresses: readonly NodeAddress[];
  /** Condition Ready is True. */
  readonly ready: boolean;
  /** Condition NetworkUnavailable is True. */
  readonly networkUnavailable: boolean;
  /** Cordoned. */
  readonly unschedulable: boolean;
  readonly taints: readonly Taint[];
  readonly podCidrs: readonly string[];
}

export interface NodeAddress {
  /** `InternalIP`, `ExternalIP`, `Hostname`, … */
  readonly type: string;
  readonly address: string;
}

export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

export interface ResolvedName {
  readonly name: string;
  /** Sorted; empty when the name does not resolve. */
  readonly addresses: readonly string[];
  /** Why there is no address, or why those are the last known ones; null when the last answer was good. */
  readonly error: string | null;
}

/** Bytes that must never be printed: JSON, string conversion and inspection all give `[redacted]`. */
export class SecretBytes {
  readonly #bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  /** The bytes themselves, for the one place that uses them. */
  reveal(): Uint8Array {
    return this.#bytes;
  }
  toJSON(): string {
    return '[redacted]';
  }
  toString(): string {
    return '[redacted]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}
