/**
 * Which addresses may be announced on layer 2, and by which nodes in which order: worked out from the objects, alike
 * on every node. Pure. Who of them lives is not known here ({@link elect}).
 */
import { createHash } from 'node:crypto';
import type { ObjectKey } from '../../model/keys.ts';
import { matchesAny, matchesLabels } from '../../model/label-selector.ts';
import type { IpAddressPool, L2Advertisement } from '../../model/metallb.ts';
import type { ExposedService, ServiceAddress } from '../../model/service-address.ts';
import type { EndpointSlice, Node, Service, Snapshot } from '../../model/snapshot.ts';
import { choosesPool, EXCLUDE_LABEL } from '../pool-choice.ts';
import { servingNodes, slicesByService } from '../serving.ts';
import type { Candidate, WantedAddress } from './wanted.ts';

export interface Layer2PlanInput {
  readonly sources: Pick<Snapshot, 'l2Advertisements' | 'ipAddressPools' | 'endpointSlices' | 'nodes'>;
  readonly services: readonly ExposedService[];
  /** Where advertisements are read from; null for all namespaces. */
  readonly namespace: string | null;
  /** Announce from nodes that carry {@link EXCLUDE_LABEL} too. */
  readonly ignoreExcludeLabel: boolean;
}

/** Why a Service is announced or not. */
export type Layer2Verdict =
  | 'announced'
  | 'noMatchingAdvertisement'
  | 'noEndpoints'
  | 'noLocalEndpoints' // on no node that an advertisement selects
  | 'noEligibleNode';

export interface Layer2Plan {
  /** Sorted by address. */
  readonly addresses: readonly WantedAddress[];
  /** Of every Service with an address of a pool. */
  readonly services: ReadonlyMap<
    ObjectKey,
    { readonly verdict: Layer2Verdict; readonly addresses: readonly string[] }
  >;
}

/** A node that may announce an address, before they are put in order. */
interface Offer extends Candidate {
  /** Sum of the preferences that match. */
  readonly preference: number;
}

export function planLayer2(input: Layer2PlanInput): Layer2Plan {
  const { sources, namespace } = input;
  const advertisements = [...sources.l2Advertisements.values()].filter(
    ({ meta }) => namespace === null || meta.namespace === namespace,
  );
  const pools = new Map([...sources.ipAddressPools.values()].map((pool) => [pool.meta.name, pool]));
  const nodes = [...sources.nodes.values()].filter((node) => mayAnnounce(node, input.ignoreExcludeLabel));
  const slices = slicesByService(sources.endpointSlices.values());
  const offers = new Map<string, Map<string, Offer>>();
  const services = new Map<ObjectKey, { verdict: Layer2Verdict; addresses: string[] }>();

  for (const { service, addresses } of input.services)
    for (const address of addresses) {
      const pool = address.pool === null ? undefined : pools.get(address.pool);
      if (pool === undefined) continue;
      const matching = advertisements.filter((object) => covers(object, pool, service));
      const own = slices.get(service.meta.key) ?? [];
      const found = judge(service, address, matching, nodes, own);
      const entry = services.get(service.meta.key) ?? { verdict: 'noEndpoints', addresses: [] };
      services.set(service.meta.key, entry);
      if (entry.verdict !== 'announced')
        entry.verdict = typeof found === 'string' ? found : ('announced' as const);
      if (typeof found === 'string') continue;
      entry.addresses.push(address.address);
      const others = offers.get(address.address);
      offers.set(address.address, others === undefined ? found : shared(others, found));
    }
  const ready = new Map(nodes.map((node) => [node.meta.name, readiness(node)]));
  const wanted = [...offers].map(([address, found]) => ({
    address,
    candidates: inOrder(address, [...found.values()], ready),
  }));
  return { addresses: wanted.sort((a, b) => (a.address < b.address ? -1 : 1)), services };
}

function covers(object: L2Advertisement, pool: IpAddressPool, service: Service): boolean {
  return choosesPool(object, pool) && matchesAny(object.serviceSelectors, service.meta.labels);
}

function mayAnnounce(node: Node, ignoreExcludeLabel: boolean): boolean {
  return !node.networkUnavailable && (ignoreExcludeLabel || !node.meta.labels.has(EXCLUDE_LABEL));
}

/**
 * The API server's view of a node only puts others first: when it sees no node (its own network is cut), or all are
 * cordoned, addresses stay where they are.
 */
function readiness({ ready, unschedulable }: Node): number {
  return (ready ? 2 : 0) + (unschedulable ? 0 : 1);
}

/** The nodes that may announce one Service's address, or why none may. */
function judge(
  service: Service,
  { family }: ServiceAddress,
  advertisements: readonly L2Advertisement[],
  nodes: readonly Node[],
  slices: readonly EndpointSlice[],
): Map<string, Offer> | Layer2Verdict {
  if (advertisements.length === 0) return 'noMatchingAdvertisement';
  const serving = servingNodes(slices, family);
  if (!serving.anywhere) return 'noEndpoints';
  const local = service.externalTrafficPolicy === 'Local';
  const offers = new Map<string, Offer>();
  let selected = false;
  for (const node of nodes) {
    const { name, labels } = node.meta;
    const chosen = advertisements.filter(({ nodeSelectors }) => matchesAny(nodeSelectors, labels));
    if (chosen.length === 0) continue;
    selected = true;
    if (local && !serving.nodes.has(name)) continue;
    offers.set(name, { node: name, interfaces: interfacesOf(chosen), preference: preference(chosen, node) });
  }
  if (offers.size > 0) return offers;
  return selected ? 'noLocalEndpoints' : 'noEligibleNode';
}

/** The union; all of them when one advertisement names none. */
function interfacesOf(advertisements: readonly L2Advertisement[]): readonly string[] | null {
  if (advertisements.some(({ interfaces }) => interfaces.length === 0)) return null;
  return [...new Set(advertisements.flatMap(({ interfaces }) => interfaces))].sort();
}

function preference(advertisements: readonly L2Advertisement[], { meta }: Node): number {
  let sum = 0;
  for (const { preferredNodeSelectors } of advertisements)
    for (const { weight, preference } of preferredNodeSelectors)
      if (matchesLabels(preference, meta.labels)) sum += weight;
  return sum;
}

/** Services that share an address need one node that serves them all; if there is none, one that serves some. */
function shared(a: ReadonlyMap<string, Offer>, b: ReadonlyMap<string, Offer>): Map<string, Offer> {
  const both = new Map<string, Offer>();
  for (const [node, offer] of a) {
    const other = b.get(node);
    if (other === undefined) continue;
    const interfaces =
      offer.interfaces === null || other.interfaces === null
        ? null
        : [...new Set([...offer.interfaces, ...other.interfaces])].sort();
    both.set(node, { node, interfaces, preference: offer.preference + other.preference });
  }
  return both.size > 0 ? both : new Map([...b, ...a]);
}

/**
 * By readiness, by preference, and then by a hash of node and address: every address has its own order, so they
 * spread, and one that loses its node is the only one to move (rendezvous hashing). The hash is MetalLB's, so that an
 * address stays where it is when it changes over to us.
 */
function inOrder(
  address: string,
  offers: readonly Offer[],
  ready: ReadonlyMap<string, number>,
): readonly Candidate[] {
  return offers
    .map((offer) => ({
      offer,
      ready: ready.get(offer.node) ?? 0,
      hash: createHash('sha256').update(`${offer.node}#${address}`).digest('hex'),
    }))
    .sort(
      (a, b) => b.ready - a.ready || b.offer.preference - a.offer.preference || (a.hash < b.hash ? -1 : 1),
    )
    .map(({ offer: { node, interfaces } }) => ({ node, interfaces }));
}
