/** BGPPeer objects as sessions of one node. */
import { createHash } from 'node:crypto';
import { parseIp } from '../../model/ip.ts';
import { objectKey } from '../../model/keys.ts';
import { matchesAny } from '../../model/label-selector.ts';
import type { BfdProfile, BgpPeer } from '../../model/metallb.ts';
import type { Problem } from '../../model/problem.ts';
import { problemOf } from '../../model/problem-of.ts';
import type { Node, Snapshot } from '../../model/snapshot.ts';
import type { Family } from './message.ts';
import type { BfdConfig, PeerConfig } from './peer.ts';

/** What peers are made from. */
export type PeerSources = Pick<Snapshot, 'bgpPeers' | 'bfdProfiles' | 'secrets'>;

/** Of ours, for what the CRD has no field for. */
export const PASSIVE = 'tidegate.io/passive';
export const TTL_SECURITY_HOPS = 'tidegate.io/ttl-security-hops';

const DEFAULT_HOLD_SECONDS = 90;
/** A refused SYN costs next to nothing, and a router that comes back should not have to wait for us. */
const DEFAULT_CONNECT_SECONDS = 1;
/** Long enough for a pod to be replaced, image and all. */
const RESTART_SECONDS = 120;
const MANY_HOPS = 255;

/** The sessions that `node` should run, sorted by name. Objects outside `namespace` are not looked at; null is all. */
export function planPeers(
  sources: PeerSources,
  node: Node,
  namespace: string | null,
  problems: Problem[],
): PeerConfig[] {
  const peers: PeerConfig[] = [];
  const taken = new Map<string, string>();
  for (const peer of [...sources.bgpPeers.values()].sort((a, b) => (a.meta.key < b.meta.key ? -1 : 1))) {
    if (namespace !== null && peer.meta.namespace !== namespace) continue;
    if (!matchesAny(peer.nodeSelectors, node.meta.labels)) continue;
    const config = planPeer(peer, sources, node, problems);
    if (config === null) continue;
    const place = `${config.address} ${config.port} ${config.device ?? ''}`;
    const other =
      taken.get(place) ?? (peers.some(({ name }) => name === config.name) ? config.name : undefined);
    if (other !== undefined) {
      problems.push(
        problemOf(peer, {
          severity: 'error',
          reason: 'Conflict',
          field: 'spec.peerAddress',
          message: `${config.address} port ${config.port} is the peer of BGPPeer ${other} already; this one is not used on node ${node.meta.name}.`,
        }),
      );
      continue;
    }
    taken.set(place, config.name);
    peers.push(config);
  }
  return peers;
}

function planPeer(peer: BgpPeer, sources: PeerSources, node: Node, problems: Problem[]): PeerConfig | null {
  const complain = (field: string, message: string) =>
    problems.push(problemOf(peer, { severity: 'error', reason: 'Invalid', field, message }));
  if (peer.peer.kind === 'interface') {
    complain(
      'spec.interface',
      `${peer.peer.name}: peering without addresses is not supported; name the router in spec.peerAddress. There is no session.`,
    );
    return null;
  }
  const { address } = peer.peer;
  const password = passwordOf(peer, sources, problems);
  if (password === undefined) return null;
  const hops = ttlSecurityHops(peer, complain);
  const families = familiesOf(peer, address);
  const ipv6 = address.includes(':');
  return {
    name: peer.meta.name,
    address,
    port: peer.peerPort,
    sourceAddress: peer.sourceAddress,
    password,
    localAs: peer.localAsn ?? peer.myAsn,
    peerAs: peer.peerAsn,
    routerId: routerIdOf(peer, node),
    holdSeconds: peer.holdTimeSeconds ?? DEFAULT_HOLD_SECONDS,
    keepaliveSeconds: peer.keepaliveSeconds,
    connectSeconds: peer.connectSeconds ?? DEFAULT_CONNECT_SECONDS,
    passive: peer.meta.annotations.get(PASSIVE) === 'true',
    families,
    extendedNextHop: ipv6 && families.includes('ipv4'),
    gracefulRestart: peer.gracefulRestart
      ? // The kernel forwards, so packets find their way while no announcer runs.
        { seconds: RESTART_SECONDS, forwardingPreserved: true }
      : null,
    hops: hops ?? (peer.ebgpMultiHop ? MANY_HOPS : 1),
    ttlSecurity: hops !== null,
    device: peer.vrf,
    nextHop4: null,
    nextHop6: null,
    bfd: bfdOf(peer, sources.bfdProfiles, complain),
  };
}

function familiesOf(peer: BgpPeer, address: string): Family[] {
  if (peer.dualStackAddressFamily) return ['ipv4', 'ipv6'];
  return [address.includes(':') ? 'ipv6' : 'ipv4'];
}

/** undefined: there should be one, but it cannot be had. */
function passwordOf(peer: BgpPeer, { secrets }: PeerSources, problems: Problem[]): string | null | undefined {
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (peer.password !== null) return decode(peer.password.reveal());
  if (peer.passwordSecret === null) return null;
  const { namespace, name } = peer.passwordSecret;
  const secret = secrets.get(objectKey(namespace, name));
  const field = 'spec.passwordSecret';
  const consequence = 'There is no session until then.';
  if (secret === undefined) {
    const message = `there is no Secret ${namespace}/${name}. ${consequence}`;
    problems.push(problemOf(peer, { severity: 'error', reason: 'SecretNotFound', field, message }));
    return undefined;
  }
  const password = secret.data.get('password')?.reveal();
  if (secret.type === 'kubernetes.io/basic-auth' && password !== undefined && password.length > 0)
    return decode(password);
  const message = `Secret ${namespace}/${name} must be of type kubernetes.io/basic-auth and have a key "password". ${consequence}`;
  problems.push(problemOf(peer, { severity: 'error', reason: 'InvalidSecret', field, message }));
  return undefined;
}

/** RFC 5082; null without. */
function ttlSecurityHops(peer: BgpPeer, complain: (field: string, message: string) => void): number | null {
  const text = peer.meta.annotations.get(TTL_SECURITY_HOPS);
  if (text === undefined) return null;
  const hops = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (hops >= 1 && hops <= 254) return hops;
  complain(
    `metadata.annotations[${TTL_SECURITY_HOPS}]`,
    `${JSON.stringify(text)} should be a number of hops, 1 to 254; the session only takes packets of direct neighbours now.`,
  );
  return 1;
}

function bfdOf(
  peer: BgpPeer,
  profiles: ReadonlyMap<string, BfdProfile>,
  complain: (field: string, message: string) => void,
): BfdConfig | null {
  if (peer.bfdProfile === null) return null;
  const profile = profiles.get(objectKey(peer.meta.namespace, peer.bfdProfile));
  if (profile === undefined) {
    complain(
      'spec.bfdProfile',
      `there is no BFDProfile ${peer.meta.namespace}/${peer.bfdProfile}; the session runs without BFD until then.`,
    );
    return null;
  }
  return {
    transmitMs: profile.transmitIntervalMs,
    receiveMs: profile.receiveIntervalMs,
    multiplier: profile.detectMultiplier,
    passive: profile.passiveMode,
    minimumTtl: profile.minimumTtl,
  };
}

/** The configured one, else the node's IPv4 address, else one that its name always gives (RFC 6286: any but 0). */
function routerIdOf(peer: BgpPeer, node: Node): number {
  const candidates = [
    peer.routerId,
    ...node.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  ];
  for (const text of candidates) {
    const ip = text === null ? null : parseIp(text);
    if (ip?.family === 4 && ip.value !== 0n) return Number(ip.value);
  }
  const hash = createHash('sha256').update(node.meta.name).digest();
  return hash.readUInt32BE(0) || 1;
}
