/** Pools and Services of type LoadBalancer, of which a test says only what it is about. */
import { parseRange } from '../../src/model/ip-range.ts';
import type { IpAddressPool, ServiceAllocation } from '../../src/model/metallb.ts';
import type { Namespace, Service, ServicePort, Snapshot } from '../../src/model/snapshot.ts';
import { EMPTY_SNAPSHOT } from '../../src/model/snapshot.ts';
import { byKey, meta, service, servicePort } from './objects.ts';

type ServiceWords = Partial<Omit<Service, 'kind' | 'meta' | 'ports'>> & {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly created?: number;
  /** `TCP/80 UDP/53`. */
  readonly ports?: string;
};

/** A Service of type LoadBalancer with an IPv4 cluster IP and port 80. */
export function loadBalancer(name: string, words: ServiceWords = {}): Service {
  const { annotations = {}, labels = {}, namespace = 'ns', created = 0, ports = 'TCP/80', ...more } = words;
  return service(name, {
    meta: meta(name, {
      namespace,
      annotations: new Map(Object.entries(annotations)),
      labels: new Map(Object.entries(labels)),
      creationTimestamp: created,
    }),
    type: 'LoadBalancer',
    ports: ports.split(' ').map(portOf),
    selector: `app=${name}`,
    clusterIps: ['10.96.0.1'],
    ...more,
  });
}

function portOf(text: string): ServicePort {
  const [protocol, number] = text.split('/');
  const name = text.toLowerCase().replace('/', '-');
  return servicePort(Number(number), { name, protocol: protocol as ServicePort['protocol'] });
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
  return { ...EMPTY_SNAPSHOT, ipAddressPools: byKey(pools), ...more };
}
