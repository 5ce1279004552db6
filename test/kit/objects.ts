/** Decoded objects with good defaults, of which a test says only what it is about. */
import { type ObjectKey, objectKey } from '../../src/model/keys.ts';
import type { BgpPeer } from '../../src/model/metallb.ts';
import type {
  EndpointSlice,
  Ingress,
  IngressBackend,
  IngressClass,
  Node,
  ObjectMeta,
  Secret,
  Service,
  ServicePort,
  SliceEndpoint,
  Snapshot,
} from '../../src/model/snapshot.ts';
import { EMPTY_SNAPSHOT, SecretBytes } from '../../src/model/snapshot.ts';

export function meta(name: string, more: Partial<ObjectMeta> = {}): ObjectMeta {
  const namespace = more.namespace ?? 'ns';
  return {
    namespace,
    name,
    key: objectKey(namespace, name),
    labels: new Map(),
    annotations: new Map(),
    creationTimestamp: 0,
    generation: 1,
    uid: '',
    position: null,
    ...more,
  };
}

export function ingress(name: string, more: Partial<Omit<Ingress, 'kind'>> = {}): Ingress {
  return {
    kind: 'Ingress',
    meta: meta(name),
    className: 'tidegate',
    defaultBackend: null,
    rules: [],
    tls: [],
    loadBalancer: [],
    statusManagers: [],
    ...more,
  };
}

/** A backend by Service and port: `web:80` or `web:http`. */
export function backend(text: string): IngressBackend {
  const [name = '', port = ''] = text.split(':');
  const number = Number(port);
  return {
    kind: 'service',
    name,
    port: number > 0 ? { kind: 'number', number } : { kind: 'name', name: port },
  };
}

export function ingressClass(name: string, more: Partial<Omit<IngressClass, 'kind'>> = {}): IngressClass {
  return {
    kind: 'IngressClass',
    meta: meta(name, { namespace: '' }),
    controller: 'tidegate.io/ingress-controller',
    isDefault: false,
    parameters: null,
    ...more,
  };
}

export function service(name: string, more: Partial<Omit<Service, 'kind'>> = {}): Service {
  return {
    kind: 'Service',
    meta: meta(name),
    type: 'ClusterIP',
    headless: false,
    externalName: null,
    ports: [servicePort(80)],
    selector: 'app=web',
    ipFamilies: [],
    ipFamilyPolicy: 'SingleStack',
    clusterIps: [],
    externalIps: [],
    sessionAffinity: 'None',
    affinitySeconds: 10_800,
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    healthCheckNodePort: 0,
    allocateNodePorts: true,
    loadBalancerClass: null,
    loadBalancerIp: null,
    loadBalancerSourceRanges: [],
    loadBalancer: [],
    conditions: [],
    statusManagers: [],
    ...more,
  };
}

export function servicePort(port: number, more: Partial<ServicePort> = {}): ServicePort {
  return { name: '', port, protocol: 'TCP', targetPort: null, nodePort: 0, appProtocol: null, ...more };
}

export function slice(
  name: string,
  of: string,
  endpoints: readonly SliceEndpoint[],
  more: Partial<Omit<EndpointSlice, 'kind'>> = {},
): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    meta: meta(name),
    service: objectKey('ns', of),
    fromEndpoints: false,
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP', appProtocol: null }],
    endpoints,
    ...more,
  };
}

export function endpoint(address: string, more: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    nodeName: null,
    zone: null,
    targetUid: null,
    ...more,
  };
}

export function node(name: string, more: Partial<Omit<Node, 'kind'>> = {}): Node {
  return {
    kind: 'Node',
    meta: meta(name, { namespace: '' }),
    addresses: [],
    ready: true,
    networkUnavailable: false,
    unschedulable: false,
    taints: [],
    podCidrs: [],
    ...more,
  };
}

/** What decoding gives where only the required fields are set. */
export function bgpPeer(name: string, more: Partial<Omit<BgpPeer, 'kind'>> = {}): BgpPeer {
  return {
    kind: 'BGPPeer',
    meta: meta(name, { namespace: 'metallb-system' }),
    myAsn: 64512,
    peerAsn: 64513,
    localAsn: null,
    peer: { kind: 'address', address: '192.0.2.254' },
    sourceAddress: null,
    peerPort: 179,
    holdTimeSeconds: null,
    keepaliveSeconds: null,
    connectSeconds: null,
    routerId: null,
    nodeSelectors: [],
    password: null,
    passwordSecret: null,
    bfdProfile: null,
    gracefulRestart: false,
    ebgpMultiHop: false,
    vrf: null,
    dualStackAddressFamily: false,
    ...more,
  };
}

export function tlsSecret(name: string): Secret {
  const bytes = new SecretBytes(new Uint8Array([1]));
  const data = new Map([
    ['tls.crt', bytes],
    ['tls.key', bytes],
  ]);
  return { kind: 'Secret', meta: meta(name), type: 'kubernetes.io/tls', data };
}

/** Objects as a snapshot has them. */
export function byKey<T extends { readonly meta: ObjectMeta }>(objects: readonly T[]): Map<ObjectKey, T> {
  return new Map(objects.map((object) => [object.meta.key, object]));
}

type TestObject = Ingress | IngressClass | Service | EndpointSlice | Secret;

export function snapshotOf(objects: readonly TestObject[], more: Partial<Snapshot> = {}): Snapshot {
  const of = <K extends TestObject['kind']>(kind: K) =>
    byKey(objects.filter((object): object is Extract<TestObject, { kind: K }> => object.kind === kind));
  return {
    ...EMPTY_SNAPSHOT,
    version: 1,
    ingresses: of('Ingress'),
    ingressClasses: of('IngressClass'),
    services: of('Service'),
    endpointSlices: of('EndpointSlice'),
    secrets: of('Secret'),
    ...more,
  };
}
