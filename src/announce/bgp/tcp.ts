/** Connections to and from peers, with what BGP wants of TCP: source address, MD5, TTL, traffic class. */
import { connect, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import {
  bindToDevice,
  closeSocket,
  openSocket,
  type SocketAddress,
  setMd5Key,
  setMinimumTtl,
  setTrafficClass,
  setTtl,
} from '../../linux/sockets.ts';
import { parseIp } from '../../model/ip.ts';
import { socketAddress, splitScope } from '../address.ts';
import type { NextHop } from './message.ts';
import type { PeerConfig } from './peer.ts';

/** DSCP CS6, "network control": routers do not drop it for want of bandwidth (RFC 4594 section 3.1). */
const NETWORK_CONTROL = 0xc0;
const LARGEST_TTL = 255;

/** Begins to connect; an error is the reason why it cannot even begin. */
export function dial(peer: PeerConfig): Socket | Error {
  const address = socketAddress(peer.address, peer.port);
  if (address === null) return new Error(`${peer.address} is no address that this host can reach`);
  const target = {
    host: peer.address,
    port: peer.port,
    ...(peer.sourceAddress === null ? {} : { localAddress: peer.sourceAddress }),
  };
  const fd = openSocket('tcp', address.family);
  if (typeof fd === 'string') {
    const wants = wantsOptions(peer);
    return wants === null ? connect(target) : new Error(`${wants} cannot be set here: ${fd}`);
  }
  const failure = prepare(fd, peer, address);
  if (failure !== null) {
    closeSocket(fd);
    return new Error(failure);
  }
  const socket = new Socket({ fd, manualStart: true } as ConstructorParameters<typeof Socket>[0]);
  socket.connect(target);
  return socket;
}

/** What a peer needs that only the system's own calls can set. */
function wantsOptions(peer: PeerConfig): string | null {
  if (peer.password !== null) return 'TCP MD5';
  if (peer.ttlSecurity) return 'TTL security';
  return peer.device === null ? null : 'the VRF';
}

/** The options of a socket before it connects; also of one that was accepted. Gives what failed, or null. */
function prepare(fd: number, peer: PeerConfig, address: SocketAddress): string | null {
  // Of no importance when it fails: it only marks packets.
  setTrafficClass(fd, address.family, NETWORK_CONTROL);
  const failures = [
    ['VRF', peer.device === null ? null : bindToDevice(fd, peer.device)],
    ['TCP MD5', peer.password === null ? null : setPassword(fd, peer.password, address)],
    ['TTL', setHops(fd, peer, address.family)],
  ] as const;
  const failed = failures.find(([, why]) => why !== null);
  return failed === undefined ? null : `${failed[0]} cannot be set: ${failed[1]}`;
}

/** `fd` may listen: then it is for connections of this peer only. An empty password takes it back. */
export function setPassword(fd: number, password: string, address: SocketAddress): string | null {
  return setMd5Key(fd, address, new TextEncoder().encode(password));
}

/** RFC 5082; external peers without it get packets that do not travel further than they should. */
export function setHops(fd: number, peer: PeerConfig, family: 4 | 6): string | null {
  if (peer.ttlSecurity)
    return setTtl(fd, family, LARGEST_TTL) ?? setMinimumTtl(fd, family, LARGEST_TTL + 1 - peer.hops);
  if (peer.peerAs === 'internal' || peer.peerAs === peer.localAs) return null;
  return setTtl(fd, family, peer.hops);
}

export interface NextHops {
  readonly nextHop4: NextHop | null;
  readonly nextHop6: NextHop | null;
}

/**
 * Our addresses that a peer can send packets to: the session's own, and for the other family one of the same
 * interface. `extended`: IPv4 prefixes may have an IPv6 next hop (RFC 8950).
 */
export function nextHops(peer: PeerConfig, localAddress: string, extended: boolean): NextHops {
  const own = splitScope(localAddress);
  const entries = interfaceOf(localAddress);
  const configured4 = peer.nextHop4 ?? (own?.ip.family === 4 ? localAddress : null);
  const configured6 = peer.nextHop6 ?? (own?.ip.family === 6 ? localAddress : null);
  const nextHop6 = asNextHop(
    configured6 ?? entries.find(isGlobal6)?.address ?? null,
    peer.hops === 1 ? entries : [],
  );
  const nextHop4 = asNextHop(
    configured4 ?? entries.find(({ family }) => family === 'IPv4')?.address ?? null,
    [],
  );
  const over6 = peer.nextHop4 === null && own?.ip.family === 6 && extended;
  return { nextHop4: over6 ? nextHop6 : nextHop4, nextHop6 };
}

type InterfaceEntry = { readonly address: string; readonly family: string };

const isLinkLocal6 = ({ address, family }: InterfaceEntry) => family === 'IPv6' && /^fe[89ab]/i.test(address);
const isGlobal6 = (entry: InterfaceEntry) => entry.family === 'IPv6' && !isLinkLocal6(entry);

/** All addresses of the interface that has this one. */
function interfaceOf(address: string): readonly InterfaceEntry[] {
  const [plain = '', scope] = address.split('%', 2);
  for (const [name, entries = []] of Object.entries(networkInterfaces()))
    if ((scope === undefined || scope === name) && entries.some((entry) => entry.address === plain))
      return entries;
  return [];
}

/** With the interface's link-local address beside a global one, as RFC 2545 section 3 wants on a shared link. */
function asNextHop(text: string | null, entries: readonly InterfaceEntry[]): NextHop | null {
  const ip = text === null ? null : (splitScope(text)?.ip ?? null);
  if (ip === null) return null;
  const linkLocal = ip.family === 6 ? entries.find(isLinkLocal6)?.address : undefined;
  const beside = linkLocal === undefined ? null : (parseIp(linkLocal)?.value ?? null);
  return { ...ip, linkLocal: beside === ip.value ? null : beside };
}
