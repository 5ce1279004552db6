/** What one speaker announces, where, and why not: for its status objects, metrics and the admin listener. */
import type { ObjectKey } from './keys.ts';

export interface SpeakerReport {
  /** The node it announces from. */
  readonly node: string;
  /** Every address of a pool, in the order of the Services. */
  readonly addresses: readonly AnnouncedAddress[];
  readonly peers: readonly PeerReport[];
  readonly routes: readonly RouteReport[];
  /** Speakers that live, with this one; empty without layer 2. */
  readonly speakers: readonly string[];
  readonly interfaces: readonly InterfaceReport[];
  readonly conflicts: readonly ConflictReport[];
  /** What an operator should know that stands nowhere else; the newest last, at most 20. */
  readonly notices: readonly Notice[];
}

export interface AnnouncedAddress {
  readonly service: ObjectKey;
  readonly address: string;
  readonly pool: string;
  /** Over BGP; `verdict` is `announced` or the reason why not. */
  readonly bgp: { readonly verdict: string; readonly peers: readonly string[] };
  /** By ARP or NDP. */
  readonly layer2: {
    /** `announced` (from some node) or the reason why not. */
    readonly verdict: string;
    /** Who answers for it: as a rule one; none while it is being taken over. */
    readonly owners: readonly string[];
    /** Who should, by what this speaker knows. */
    readonly elected: string | null;
    /** What this speaker does about it: `idle`, `probing`, `in-use` (by a foreign host) or `announcing`. */
    readonly state: string;
    /** Where this speaker announces it. */
    readonly interfaces: readonly string[];
    /** Requests and answers since this speaker began to announce it; null while it does not. */
    readonly counters: Layer2Counters | null;
  };
}

export interface Layer2Counters {
  /** For addresses that we answer for. */
  readonly requests: number;
  readonly responses: number;
  /** Announcements that nobody had asked for. */
  readonly gratuitous: number;
}

/** Of an interface on which addresses may be announced. */
export interface InterfaceReport extends Layer2Counters {
  readonly name: string;
  readonly mac: string;
  /** Frames that could not be sent. */
  readonly unsent: number;
  /** By protocol and reason, like `arp not-announced`. */
  readonly ignored: readonly (readonly [reason: string, count: number])[];
}

/** A host that is no speaker uses an address that we announce or should. */
export interface ConflictReport {
  readonly address: string;
  readonly mac: string;
  readonly interface: string;
}

export interface PeerReport {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** As RFC 4271 section 8.2.2 names them. */
  readonly state: string;
  /** Milliseconds since the epoch; when the session came up or went down. null: neither has happened yet. */
  readonly since: number | null;
  /** Why it is not up, or was not last; '' for nothing. */
  readonly lastError: string;
  readonly wantedRoutes: number;
  readonly announcedRoutes: number;
  /** Wanted routes that this session cannot carry, for want of a family or a next hop. */
  readonly unsendableRoutes: number;
  /** null without BFD. */
  readonly bfd: BfdReport | null;
  readonly counters: PeerCounters | null;
}

export interface BfdReport {
  /** As RFC 5880 section 4.1 names them. */
  readonly state: string;
  /** How long the peer may be silent, in milliseconds; 0 while nothing is agreed on. */
  readonly detectMs: number;
  readonly losses: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
}

/** Since the session was configured. */
export interface PeerCounters {
  readonly established: number;
  readonly dropped: number;
  readonly updatesSent: number;
  readonly updatesReceived: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
}

export interface RouteReport {
  /** `192.0.2.1/32` */
  readonly prefix: string;
  /** Those that shall have it. */
  readonly peers: readonly string[];
  readonly localPref: number | null;
  /** As users write them. */
  readonly communities: readonly string[];
}

export interface Notice {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly text: string;
}
