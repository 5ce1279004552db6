/** Where our listeners can be reached from outside: what stands in the status of every Ingress of ours. */

import { parseIp } from '../model/ip.ts';
import { formatIp } from '../model/ip-text.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import type { EndpointSlice, LoadBalancerIngress, Node, Service, Snapshot } from '../model/snapshot.ts';

/** Where the operator says the addresses come from. */
export type Publishing =
  /** IP addresses and host names, as given. */
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  /** The Service in front of us. */
  | { readonly kind: 'service'; readonly service: ObjectKey }
  /** The nodes we run on: those of the ready endpoints of `service`, or all that may have traffic. */
  | {
      readonly kind: 'nodes';
      readonly type: 'InternalIP' | 'ExternalIP';
      readonly service: ObjectKey | null;
    };

export interface Published {
  /** Sorted, each once. null: not known now, so what is published stays. */
  readonly addresses: readonly LoadBalancerIngress[] | null;
  readonly problem: Problem | null;
}

type World = Pick<Snapshot, 'services' | 'endpointSlices' | 'nodes'>;

export function publishedAddresses(publishing: Publishing, world: World): Published {
  switch (publishing.kind) {
    case 'addresses':
      return known(publishing.addresses);
    case 'service':
      return addressesOfService(publishing.service, world);
    case 'nodes':
      return addressesOfNodes(publishing.type, publishing.service, world);
    default:
      return publishing satisfies never;
  }
}

/** As ingress-nginx does with `--publish-service`. */
function addressesOfService(key: ObjectKey, { services }: World): Published {
  const service = services.get(key);
  if (service === undefined) return unknown(key, `there is no Service ${key}`);
  switch (service.type) {
    case 'ExternalName':
      return known([service.externalName ?? '']);
    case 'ClusterIP':
      return known(service.clusterIps);
    case 'NodePort':
      return known(service.externalIps.length > 0 ? service.externalIps : service.clusterIps);
    case 'LoadBalancer':
      return known([...loadBalancerAddresses(service), ...service.externalIps]);
    default:
      return service.type satisfies never;
  }
}

function loadBalancerAddresses({ loadBalancer }: Service): string[] {
  return loadBalancer.flatMap(({ ip, hostname }) => [ip, hostname]);
}

/** Where no node is left, more is wrong than a status could mend: what is published stays. */
function addressesOfNodes(
  type: 'InternalIP' | 'ExternalIP',
  service: ObjectKey | null,
  { nodes, endpointSlices }: World,
): Published {
  const ours = service === null ? null : nodesOf(service, endpointSlices);
  const chosen = [...nodes.values()].filter(
    (node) => isUsable(node) && (ours === null || ours.has(node.meta.name)),
  );
  const addresses = chosen.flatMap((node) => addressesOfNode(node, type));
  if (addresses.length > 0) return known(addresses);
  const whose = service === null ? '' : ` with a ready endpoint of Service ${service}`;
  return unknown(service, `there is no ready node${whose} that has an address of type ${type}`);
}

function nodesOf(service: ObjectKey, slices: ReadonlyMap<ObjectKey, EndpointSlice>): Set<string> {
  const names = new Set<string>();
  for (const slice of slices.values()) {
    if (slice.service !== service) continue;
    for (const { ready, nodeName } of slice.endpoints) if (ready && nodeName !== null) names.add(nodeName);
  }
  return names;
}

/** Kubernetes' own label for nodes that shall have no traffic from outside. */
const EXCLUDED = 'node.kubernetes.io/exclude-from-external-load-balancers';

function isUsable({ ready, meta }: Node): boolean {
  return ready && !meta.labels.has(EXCLUDED);
}

/** A node without an external address is reached by its internal one (k3s and kubeadm know no other). */
function addressesOfNode({ addresses }: Node, type: 'InternalIP' | 'ExternalIP'): string[] {
  const of = (wanted: string) => addresses.filter((each) => each.type === wanted).map((each) => each.address);
  const found = of(type);
  return found.length > 0 || type === 'InternalIP' ? found : of('InternalIP');
}

function known(texts: readonly string[]): Published {
  const unique = new Map(
    texts
      .filter((text) => text !== '')
      .map(addressOf)
      .map((address) => [address.ip + address.hostname, address]),
  );
  return { addresses: sortedAddresses([...unique.values()]), problem: null };
}

function addressOf(text: string): LoadBalancerIngress {
  const address = { ip: '', hostname: '', ipMode: null };
  const ip = parseIp(text);
  return ip === null ? { ...address, hostname: text } : { ...address, ip: formatIp(ip) };
}

/** By host name, then by IP: as ingress-nginx orders them. */
export function sortedAddresses(addresses: readonly LoadBalancerIngress[]): LoadBalancerIngress[] {
  const order = ({ hostname, ip }: LoadBalancerIngress) => `${hostname}\n${ip}`;
  return addresses.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}

function unknown(service: ObjectKey | null, why: string): Published {
  const [namespace = '', name = ''] = service?.split('/') ?? [];
  const problem: Problem = {
    severity: 'warning',
    reason: 'NoAddress',
    object: service === null ? null : { kind: 'Service', namespace, name },
    field: '',
    message: `no address to publish: ${why}; the status of Ingresses stays as it is`,
    position: null,
  };
  return { addresses: null, problem };
}
