/** What a speaker announces and to whom, put together for those who ask. Pure. */
import { formatPrefix } from '../model/ip-text.ts';
import type { AnnouncedAddress, InterfaceReport, PeerReport, RouteReport } from '../model/speaker-report.ts';
import type { BfdStatus } from './bfd/status.ts';
import type { PeerConfig } from './bgp/peer.ts';
import type { NodePlan } from './bgp/plan.ts';
import type { Route } from './bgp/rib-out.ts';
import type { SessionStatus } from './bgp/session.ts';
import type { Layer2Status } from './layer2/status.ts';
import type { AnnouncementPlan } from './plan.ts';

/** Every address of a pool. */
export function addressReports(
  { services, bgp, layer2 }: Pick<AnnouncementPlan, 'services' | 'bgp' | 'layer2'>,
  status: Layer2Status | null,
): AnnouncedAddress[] {
  const held = new Map(status?.addresses.map((entry) => [entry.address, entry]));
  return services.flatMap(({ service, addresses }) =>
    addresses.flatMap(({ address, pool }) => {
      const { key } = service.meta;
      const overBgp = bgp.services.get(key);
      const { verdict } = layer2.services.get(key) ?? { verdict: 'noMatchingAdvertisement' };
      const {
        owners = [],
        elected = null,
        state = 'idle',
        interfaces = [],
        counters = null,
      } = held.get(address) ?? {};
      if (pool === null || overBgp === undefined) return [];
      return [
        {
          service: key,
          address,
          pool,
          bgp: overBgp,
          layer2: { verdict, owners, elected, state, interfaces, counters },
        },
      ];
    }),
  );
}

/** What is counted on each interface. */
export function interfaceReports(status: Layer2Status | null): InterfaceReport[] {
  return (status?.interfaces ?? []).map(({ name, mac, counters }) => ({ name, mac, ...counters }));
}

/** `status` by the peer's name, `bfd` by its address. */
export function peerReports(
  { peers, routes }: Pick<NodePlan, 'peers' | 'routes'>,
  status: ReadonlyMap<string, SessionStatus>,
  bfd: ReadonlyMap<string, BfdStatus>,
): PeerReport[] {
  return peers.map((peer) => {
    const session = status.get(peer.name);
    return {
      name: peer.name,
      address: peer.address,
      port: peer.port,
      state: session?.state ?? 'Idle',
      since: session?.since || null,
      lastError: session?.lastError ?? '',
      wantedRoutes: routes.get(peer.name)?.length ?? 0,
      announcedRoutes: session?.announced ?? 0,
      unsendableRoutes: session?.unsendable ?? 0,
      bfd: bfdReport(peer, bfd),
      counters: session?.counters ?? null,
    };
  });
}

function bfdReport({ bfd, address }: PeerConfig, known: ReadonlyMap<string, BfdStatus>): PeerReport['bfd'] {
  if (bfd === null) return null;
  const status = known.get(address);
  return {
    state: status?.state ?? 'Down',
    detectMs: status?.detectMs ?? 0,
    losses: status?.losses ?? 0,
    packetsSent: status?.sent ?? 0,
    packetsReceived: status?.received ?? 0,
  };
}

/** Each prefix once, with all peers that shall have it. */
export function routeReports(routes: NodePlan['routes']): RouteReport[] {
  const byText = new Map<string, { readonly route: Route; readonly peers: string[] }>();
  for (const [peer, table] of routes)
    for (const route of table) {
      const communities = communityTexts(route).join();
      const key = `${formatPrefix(route.prefix)} ${route.localPref} ${communities}`;
      const known = byText.get(key);
      if (known === undefined) byText.set(key, { route, peers: [peer] });
      else known.peers.push(peer);
    }
  return [...byText.values()].map(({ route, peers }) => ({
    prefix: formatPrefix(route.prefix),
    peers,
    localPref: route.localPref,
    communities: communityTexts(route),
  }));
}

function communityTexts({ communities, largeCommunities }: Route): string[] {
  const standard = communities.map((value) => `${value >>> 16}:${value & 0xffff}`);
  return [...standard, ...largeCommunities.map((parts) => `large:${parts.join(':')}`)];
}
