/** For tests: pools and Services of which a test says only what it is about. */
import { parseRange } from '../model/ip-range.ts';
import { objectKey } from '../model/keys.ts';
import type { IpAddressPool, ServiceAllocation } from '../model/metallb.ts';
import type { Namespace, ObjectMeta, Service, ServicePort, Snapshot } from '../model/snapshot.ts';
import { EMPTY_SNAPSHOT } from '../model/snapshot.ts';

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

type ServiceWords = Partial<Omit<Service, 'kind' | 'meta' | 'ports'>> & {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly created?: number;
  /** `TCP/80 UDP/53`. */
  readonly ports?: string;
};

/** A Service of type LoadBalancer with an IPv4 cluster IP and port 80. */
export function service(name: string, words: ServiceWords = {}): Service {
  const { annotations = {}, labels = {}, namespace = 'ns', created = 0, ports = 'TCP/80', ...more } = words;
  return {
    kind: 'Service',
    meta: meta(name, {
      namespace,
      annotations: new Map(Object.entries(annotations)),
      labels: new Map(Object.entries(labels)),
      creationTimestamp: created,
    }),
    type: 'LoadBalancer',
    headless: false,
    externalName: null,
    ports: ports.split(' ').map(port),
    selector: `app=${name}`,
    ipFamilies: [],
    ipFamilyPolicy: 'SingleStack',
    clusterIps: ['10.96.0.1'],
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

function port(text: string): ServicePort {
  const [protocol, number] = text.split('/');
  return {
    name: text.toLowerCase().replace('/', '-'),
    port: Number(number),
    protocol: protocol as ServicePort['protocol'],
    targetPort: null,
    nodePort: 0,
    appProtocol: null,
  };
}

/** What a Service with both families has for cluster IPs. */
export const DUAL = {
  clusterIps: ['10.96.0.1', 'fd00::1'],
  ipFamilies: ['IPv4', 'IPv6'],
  ipFamilyPolicy: 'PreferDualStack',
} satisfies Partial<Service>;

type PoolWords = Partial<Omit<IpAddressPool, 'kind' | 'meta' | 'serviceAllocation'>> & {
  readonly serviceAllocation?: Partial<ServiceAllocation>;
  readonly created?: number;
  readonly namespace?: string;
};

/** A pool of ranges as a user writes them, with blanks between. */
export function pool(name: string, ranges: string, words: PoolWords = {}): IpAddressPool {
  const { serviceAllocation, created = 0, namespace = 'metallb-system', ...more } = words;
  return {
    kind: 'IPAddressPool',
    meta: meta(name, { namespace, creationTimestamp: created }),
    addresses: ranges.split(' ').map((text) => ({ ...parseRange(text)!, text })),
    autoAssign: true,
    avoidBuggyIps: false,
    serviceAllocation:
      serviceAllocation === undefined
        ? null
        : { priority: 0, namespaces: [], namespaceSelectors: [], serviceSelectors: [], ...serviceAllocation },
    usage: null,
    ...more,
  };
}

export function namespaceOf(name: string, labels: Readonly<Record<string, string>>): Namespace {
  return { kind: 'Namespace', meta: meta(name, { namespace: '', labels: new Map(Object.entries(labels)) }) };
}

export function snapshotWith(pools: readonly IpAddressPool[], more: Partial<Snapshot> = {}): Snapshot {
  return { ...EMPTY_SNAPSHOT, ipAddressPools: new Map(pools.map((each) => [each.meta.key, each])), ...more };
}
