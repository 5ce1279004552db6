/** One interface that addresses are announced on: its sockets, what it answers for, and what it counted. */
import { createSocket, type Socket } from 'node:dgram';
import type { NetworkInterface } from '../../linux/interfaces.ts';
import { PacketSocket } from '../../linux/packet-socket.ts';
import { type IpAddress, parseIp } from '../../model/ip.ts';
import { formatIp } from '../../model/ip-text.ts';
import { announceArp, ETHERTYPE_ARP, probeArp, receiveArp } from '../arp.ts';
import {
  announceNdp,
  ETHERTYPE_IPV6,
  probeNdp,
  receiveNdp,
  solicitedNode,
  solicitedNodeMac,
} from '../ndp.ts';
import type { NeighbourResult } from '../neighbour.ts';
import { ARP_FILTER, NDP_FILTER } from './filter.ts';

export interface SegmentEvents {
  /** Somebody on the wire says that an address is theirs, which we answer for or asked about. */
  onClaim(address: string, mac: number): void;
  /** Somebody asks for an address that we asked about, too, to use it. */
  onProbe(address: string, mac: number): void;
  /** The interface went down, perhaps. */
  onError(): void;
}

export interface SegmentCounters {
  requests: number;
  responses: number;
  gratuitous: number;
  /** Frames that could not be sent. */
  unsent: number;
  /** By protocol and reason, like `arp not-announced`. */
  readonly ignored: Map<string, number>;
}

/** Of one address, since it is answered for. */
export interface AddressCounters {
  requests: number;
  responses: number;
  gratuitous: number;
}

export class Segment {
  readonly interface: NetworkInterface;
  readonly counters: SegmentCounters = {
    requests: 0,
    responses: 0,
    gratuitous: 0,
    unsent: 0,
    ignored: new Map(),
  };
  readonly #events: SegmentEvents;
  readonly #owned4 = new Set<number>();
  readonly #owned6 = new Set<bigint>();
  readonly #counters = new Map<bigint, AddressCounters>();
  readonly #watched4 = new Set<number>();
  readonly #watched6 = new Set<bigint>();
  #arp: PacketSocket | null = null;
  #ndp: PacketSocket | null = null;
  /** Tells switches which groups we are in (MLD); the packet socket tells the card only. */
  readonly #groups: Socket;

  private constructor(found: NetworkInterface, events: SegmentEvents) {
    this.interface = found;
    this.#events = events;
    this.#groups = createSocket({ type: 'udp6', reuseAddr: true });
    this.#groups.on('error', () => {}); // switches that look at MLD are all that misses it
    this.#groups.bind(0);
  }

  /** A text says why frames can neither be sent nor received there. */
  static open(found: NetworkInterface, events: SegmentEvents): Segment | string {
    const segment = new Segment(found, events);
    const common = { interfaceIndex: found.index, onError: () => events.onError() };
    const arp = PacketSocket.open({
      ...common,
      protocol: ETHERTYPE_ARP,
      filter: ARP_FILTER,
      onFrame: (frame) => segment.#onArp(frame),
    });
    if (typeof arp === 'string') return segment.#failed(arp);
    segment.#arp = arp;
    const ndp = PacketSocket.open({
      ...common,
      protocol: ETHERTYPE_IPV6,
      filter: NDP_FILTER,
      onFrame: (frame) => segment.#onNdp(frame),
    });
    if (typeof ndp === 'string') return segment.#failed(ndp);
    segment.#ndp = ndp;
    return segment;
  }

  /** Answers for an address from now on; no harm when it did. */
  own(address: string): void {
    const { family, value } = parseIp(address)!; // of the plan
    this.#watch(family, value, true);
    if (!this.#counters.has(value)) this.#counters.set(value, { requests: 0, responses: 0, gratuitous: 0 });
    if (family === 4) this.#owned4.add(Number(value));
    else this.#owned6.add(value);
  }

  disown(address: string): void {
    const { family, value } = parseIp(address)!; // of the plan
    this.#counters.delete(value);
    if (family === 4) this.#owned4.delete(Number(value));
    else this.#owned6.delete(value);
    this.#watch(family, value, false);
  }

  /** Tells all hosts that an address is here. */
  announce(address: string): void {
    const { family, value } = parseIp(address)!; // of the plan
    const { mac } = this.interface;
    const frames = family === 4 ? announceArp(Number(value), mac) : [announceNdp(value, mac)];
    for (const frame of frames) this.#send(family, frame);
    this.counters.gratuitous++;
    const own = this.#counters.get(value);
    if (own !== undefined) own.gratuitous++;
  }

  /** null for one that is not answered for. */
  countersOf(address: string): Readonly<AddressCounters> | null {
    return this.#counters.get(parseIp(address)!.value) ?? null; // of the plan
  }

  /** Asks who has an address; the answer is a claim, and those that come later are, too. */
  probe(address: string): void {
    const { family, value } = parseIp(address)!; // of the plan
    this.#watch(family, value, true);
    const { mac } = this.interface;
    this.#send(family, family === 4 ? probeArp(Number(value), mac) : probeNdp(value, mac));
  }

  close(): void {
    this.#arp?.close();
    this.#ndp?.close();
    this.#groups.close();
  }

  #failed(why: string): string {
    this.close();
    return why;
  }

  #watch(family: 4 | 6, value: bigint, wanted: boolean): void {
    if (family === 4) {
      if (wanted) this.#watched4.add(Number(value));
      else this.#watched4.delete(Number(value));
    } else if (wanted !== this.#watched6.has(value)) {
      if (wanted) this.#watched6.add(value);
      else this.#watched6.delete(value);
      this.#groupOf(value, wanted);
    }
  }

  /** Solicitations come to a group that addresses share which end alike. */
  #groupOf(value: bigint, join: boolean): void {
    const group = solicitedNode(value);
    const others = [...this.#watched6].filter((other) => solicitedNode(other) === group);
    if (others.length !== (join ? 1 : 0)) return;
    const mac = solicitedNodeMac(value);
    if (join) this.#ndp?.join(mac);
    else this.#ndp?.leave(mac);
    const address: IpAddress = { family: 6, value: group };
    const where = `::%${this.interface.name}`;
    try {
      if (join) this.#groups.addMembership(formatIp(address), where);
      else this.#groups.dropMembership(formatIp(address), where);
    } catch {
      // No IPv6 on the interface, or more groups than a socket may have: nobody hears of it by MLD.
    }
  }

  #onArp(frame: Buffer): void {
    const { mac } = this.interface;
    const view = { mac, owned: this.#owned4, watched: this.#watched4 };
    this.#follow('arp', 4, receiveArp(frame, view));
  }

  #onNdp(frame: Buffer): void {
    const { mac } = this.interface;
    const view = { mac, owned: this.#owned6, watched: this.#watched6 };
    this.#follow('ndp', 6, receiveNdp(frame, view));
  }

  #follow(protocol: string, family: 4 | 6, result: NeighbourResult<number | bigint, string>): void {
    const { reply, address, claim, probe, ignored } = result;
    this.#count(protocol, ignored);
    if (reply !== null) this.#answer(family, reply, BigInt(address));
    if (claim !== null) this.#events.onClaim(textOf(family, claim.address), claim.mac);
    if (probe !== null) this.#events.onProbe(textOf(family, probe.address), probe.mac);
  }

  #count(protocol: string, ignored: string | null): void {
    if (ignored === null) return;
    const key = `${protocol} ${ignored}`;
    this.counters.ignored.set(key, (this.counters.ignored.get(key) ?? 0) + 1);
  }

  #answer(family: 4 | 6, frame: Buffer, subject: bigint): void {
    const own = this.#counters.get(subject);
    this.counters.requests++;
    if (own !== undefined) own.requests++;
    if (!this.#send(family, frame)) return;
    this.counters.responses++;
    if (own !== undefined) own.responses++;
  }

  #send(family: 4 | 6, frame: Buffer): boolean {
    const failure = (family === 4 ? this.#arp : this.#ndp)?.send(frame) ?? null;
    if (failure !== null) this.counters.unsent++;
    return failure === null;
  }
}

function textOf(family: 4 | 6, value: number | bigint): string {
  return formatIp({ family, value: BigInt(value) });
}
