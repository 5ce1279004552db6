/**
 * What one node says over BGP, worked out from the objects: sessions from BGPPeer, routes from BGPAdvertisement
 * and the addresses of Services. Pure.
 */
import type { IpPrefix } from '../../model/ip.ts';
import { parseIp } from '../../model/ip.ts';
import { type IpRange, prefixesOf, rangeContains } from '../../model/ip-range.ts';
import { formatPrefix } from '../../model/ip-text.ts';
import type { ObjectKey } from '../../model/keys.ts';
import { matchesAny } from '../../model/label-selector.ts';
import type { BgpAdvertisement, IpAddressPool } from '../../model/metallb.ts';
import type { Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { ExposedService, ServiceAddress } from '../../model/service-address.ts';
import type { EndpointSlice, Node, Service, Snapshot } from '../../model/snapshot.ts';
import { choosesPool, EXCLUDE_LABEL } from '../pool-choice.ts';
import { servingNodes, slicesByService } from '../serving.ts';
import { networkBits } from './nlri.ts';
import type { PeerConfig } from './peer.ts';
import {
  type Communities,
  readAliases,
  resolveCommunities,
  uniteLarge,
  uniteStandard,
} from './plan-communities.ts';
import { type PeerSources, planPeers } from './plan-peers.ts';
import type { Route } from './rib-out.ts';

export type PlanSources = PeerSources &
  Pick<Snapshot, 'bgpAdvertisements' | 'communities' | 'ipAddressPools' | 'endpointSlices'>;

export interface PlanInput {
  readonly sources: PlanSources;
  /** The one that we run on. */
  readonly node: Node;
  readonly services: readonly ExposedService[];
  /** Where peers and advertisements are read from; null for all namespaces. */
  readonly namespace: string | null;
  /** Announce from nodes that carry {@link EXCLUDE_LABEL} too. */
  readonly ignoreExcludeLabel: boolean;
}

/** Why a Service is announced from here or not. */
export type Verdict =
  | 'announced'
  | 'noMatchingAdvertisement'
  | 'noPeer'
  | 'nodeNetworkUnavailable'
  | 'nodeLabeledExcludeBalancers'
  | 'noLocalEndpoints'
  | 'noEndpoints';

export interface NodePlan {
  readonly peers: readonly PeerConfig[];
  readonly routes: ReadonlyMap<string, readonly Route[]>;
  /** Of every Service with an address of a pool: the verdict, and the peers that are told, sorted. */
  readonly services: ReadonlyMap<ObjectKey, { readonly verdict: Verdict; readonly peers: readonly string[] }>;
  readonly problems: readonly Problem[];
}

/** MetalLB's limit for one prefix; it keeps attributes far from the size of a message. */
const MOST_COMMUNITIES = 63;

/** An advertisement as this node sees it. */
interface Offer {
  readonly object: BgpAdvertisement;
  readonly communities: Communities;
  readonly peers: readonly string[];
}

/** Routes of one peer while they are collected, by prefix. */
type Table = Map<string, Route>;

export function planNode(input: PlanInput): NodePlan {
  const { sources, node, namespace } = input;
  const problems: Problem[] = [];
  const peers = planPeers(sources, node, namespace, problems);
  const offers = readOffers(input, peers, problems);
  const endpoints = slicesByService(sources.endpointSlices.values());
  const pools = new Map([...sources.ipAddressPools.values()].map((pool) => [pool.meta.name, pool]));
  const tables = new Map<string, Table>(peers.map(({ name }) => [name, new Map()]));
  const services = new Map<ObjectKey, { verdict: Verdict; peers: readonly string[] }>();
  const nodeVerdict = judgeNode(node, input.ignoreExcludeLabel);

  for (const { service, addresses } of input.services) {
    const told = new Set<string>();
    let verdict: Verdict | null = null;
    for (const address of addresses) {
      const pool = address.pool === null ? undefined : pools.get(address.pool);
      if (pool === undefined) continue;
      const matching = offers.filter(({ object }) => covers(object, pool, service));
      const found =
        nodeVerdict ??
        judge(service, matching, address, endpoints.get(service.meta.key) ?? [], node.meta.name);
      if (verdict === null || found === 'announced') verdict = found;
      if (found !== 'announced') continue;
      for (const offer of matching) {
        const prefix = prefixOf(address, offer.object, pool, problems);
        for (const peer of offer.peers) {
          told.add(peer);
          addRoute(tables.get(peer)!, offer, prefix, problems); // made for every peer
        }
      }
    }
    if (verdict !== null) services.set(service.meta.key, { verdict, peers: [...told].sort() });
  }
  const routes = new Map([...tables].map(([name, table]) => [name, [...table.values()]]));
  return { peers, routes, services, problems: distinct(problems) };
}

/** The advertisements for this node, in a fixed order, with their communities and the peers they go to. */
function readOffers(
  { sources, node, namespace }: PlanInput,
  peers: readonly PeerConfig[],
  problems: Problem[],
): Offer[] {
  const aliases = readAliases(sources.communities.values());
  const known = new Set([...sources.bgpPeers.values()].map(({ meta }) => meta.name));
  const offers: Offer[] = [];
  for (const object of [...sources.bgpAdvertisements.values()].sort((a, b) =>
    a.meta.key < b.meta.key ? -1 : 1,
  )) {
    if (namespace !== null && object.meta.namespace !== namespace) continue;
    if (!matchesAny(object.nodeSelectors, node.meta.labels)) continue;
    const communities = resolveCommunities(object, aliases);
    for (const [index, text] of communities.unknown)
      problems.push(
        problemOf(object, {
          severity: 'error',
          reason: 'Invalid',
          field: `spec.communities[${index}]`,
          message: `${JSON.stringify(text)} is neither a community (64512:100, large:64512:1:2) nor the name of one in a Community object; routes go out without it.`,
        }),
      );
    for (const [index, name] of object.peers.entries())
      if (!known.has(name))
        problems.push(
          problemOf(object, {
            severity: 'warning',
            reason: 'Invalid',
            field: `spec.peers[${index}]`,
            message: `there is no BGPPeer ${JSON.stringify(name)}; nothing is sent there.`,
          }),
        );
    const chosen = peers.filter(({ name }) => object.peers.length === 0 || object.peers.includes(name));
    offers.push({ object, communities, peers: chosen.map(({ name }) => name) });
  }
  return offers;
}

function covers(object: BgpAdvertisement, pool: IpAddressPool, service: Service): boolean {
  return choosesPool(object, pool) && matchesAny(object.serviceSelectors, service.meta.labels);
}

function judgeNode(node: Node, ignoreExcludeLabel: boolean): Verdict | null {
  if (node.networkUnavailable) return 'nodeNetworkUnavailable';
  if (!ignoreExcludeLabel && node.meta.labels.has(EXCLUDE_LABEL)) return 'nodeLabeledExcludeBalancers';
  return null;
}

function judge(
  service: Service,
  offers: readonly Offer[],
  { family }: ServiceAddress,
  slices: readonly EndpointSlice[],
  nodeName: string,
): Verdict {
  if (offers.length === 0) return 'noMatchingAdvertisement';
  const local = service.externalTrafficPolicy === 'Local';
  const { anywhere, nodes } = servingNodes(slices, family);
  const served = local ? nodes.has(nodeName) : anywhere;
  if (!served) return local ? 'noLocalEndpoints' : 'noEndpoints';
  return offers.every(({ peers }) => peers.length === 0) ? 'noPeer' : 'announced';
}

/**
 * The address, or the aggregate that it is announced with. One that is larger than the largest prefix in its entry of
 * the pool would draw traffic of others here; MetalLB refuses such configurations.
 */
function prefixOf(
  { address }: ServiceAddress,
  object: BgpAdvertisement,
  pool: IpAddressPool,
  problems: Problem[],
): IpPrefix {
  const ip = parseIp(address)!; // spelled by us
  const { family, value } = ip;
  const bits = family === 4 ? 32 : 128;
  const field = family === 4 ? 'aggregationLength' : 'aggregationLengthV6';
  const wanted = object[field];
  if (wanted === bits) return { family, length: bits, value };
  const entry = pool.addresses.find((range) => rangeContains(range, ip));
  const length = Math.max(wanted, entry === undefined ? 0 : shortestIn(entry));
  if (length > wanted) {
    const message = `${wanted} is more than ${JSON.stringify(entry?.text)} of the pool ${pool.meta.name} has; ${length} is used for it.`;
    problems.push(
      problemOf(object, { severity: 'error', reason: 'Invalid', field: `spec.${field}`, message }),
    );
  }
  return { family, length, value: networkBits(family, value, length) };
}

/** The length of the largest prefix in a range; found out once for each. */
function shortestIn(range: IpRange): number {
  let shortest = SHORTEST.get(range);
  if (shortest === undefined) {
    shortest = Math.min(...prefixesOf(range).map(({ length }) => length));
    SHORTEST.set(range, shortest);
  }
  return shortest;
}

const SHORTEST = new WeakMap<IpRange, number>();

/** Equal prefixes become one: communities are united, the first local preference counts. */
function addRoute(table: Table, { object, communities }: Offer, prefix: IpPrefix, problems: Problem[]): void {
  const key = formatPrefix(prefix);
  const before = table.get(key);
  const { localPref } = object;
  if (
    before !== undefined &&
    localPref !== null &&
    before.localPref !== null &&
    before.localPref !== localPref
  )
    problems.push(
      problemOf(object, {
        severity: 'warning',
        reason: 'Conflict',
        field: 'spec.localPref',
        message: `${localPref}: another BGPAdvertisement gives ${key} the preference ${before.localPref}, which comes first by name and is used.`,
      }),
    );
  const large = uniteLarge(before?.largeCommunities ?? [], communities.large);
  const standard = uniteStandard(before?.communities ?? [], communities.standard);
  if (standard.length + large.length > MOST_COMMUNITIES)
    problems.push(
      problemOf(object, {
        severity: 'error',
        reason: 'Invalid',
        field: 'spec.communities',
        message: `${key} would have more than ${MOST_COMMUNITIES} communities; the rest is left out.`,
      }),
    );
  const kept = standard.slice(0, MOST_COMMUNITIES);
  table.set(key, {
    prefix,
    localPref: before?.localPref ?? localPref,
    communities: kept,
    largeCommunities: large.slice(0, MOST_COMMUNITIES - kept.length),
  });
}

/** What several Services run into is told once. */
function distinct(problems: readonly Problem[]): Problem[] {
  const seen = new Map(
    problems.map((problem) => [`${problem.object?.name} ${problem.field} ${problem.message}`, problem]),
  );
  return [...seen.values()];
}
