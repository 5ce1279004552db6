/** What BGP speakers say to each other (RFC 4271 section 4), as plain data; `messages.ts` has the bytes. */
import type { IpPrefix } from '../../model/ip.ts';
import type { Notification } from './notification.ts';

/** The unicast families; AFI 1 and 2, SAFI 1 (RFC 4760). */
export type Family = 'ipv4' | 'ipv6';

export type Message = Open | Update | Notification | Keepalive | RouteRefresh;

export interface Open {
  readonly type: 'open';
  /** The real one: of the 4-octet capability when there is one (RFC 6793). */
  readonly as: number;
  /** Seconds; 0 is "no keepalives". */
  readonly holdTime: number;
  /** BGP identifier, as a number. */
  readonly routerId: number;
  readonly capabilities: Capabilities;
}

export interface Capabilities {
  /** RFC 4760; null when the peer sent none at all: IPv4 only. */
  readonly families: readonly Family[] | null;
  /** RFC 6793. */
  readonly fourOctetAs: boolean;
  /** RFC 2918. */
  readonly routeRefresh: boolean;
  /** RFC 8950: IPv4 prefixes may have an IPv6 next hop. */
  readonly extendedNextHop: boolean;
  /** RFC 4724; null without. */
  readonly gracefulRestart: GracefulRestart | null;
}

export interface GracefulRestart {
  /** R: the sender has just restarted; others need not wait for its End-of-RIB. */
  readonly restarting: boolean;
  /** How long others should keep its routes, in seconds, 0..4095. */
  readonly seconds: number;
  /** `forwarding`: F, the sender went on forwarding packets of this family while it was away. */
  readonly families: readonly { readonly family: Family; readonly forwarding: boolean }[];
}

export interface Update {
  readonly type: 'update';
  /** IPv4, in the body. */
  readonly withdrawn: readonly IpPrefix[];
  /** MP_UNREACH_NLRI; with no prefixes it is the End-of-RIB of its family (RFC 4724 section 2). */
  readonly unreachable: { readonly family: Family; readonly prefixes: readonly IpPrefix[] } | null;
  /** null when nothing is announced, or when what is announced is to be treated as withdrawn (RFC 7606). */
  readonly attributes: PathAttributes | null;
  /** MP_REACH_NLRI. */
  readonly reachable: {
    readonly family: Family;
    readonly nextHop: NextHop;
    readonly prefixes: readonly IpPrefix[];
  } | null;
  /** IPv4, in the body, with {@link PathAttributes.nextHop}. */
  readonly announced: readonly IpPrefix[];
}

export interface NextHop {
  readonly family: 4 | 6;
  readonly value: bigint;
  /** The link-local address beside a global one (RFC 2545 section 3); null without. */
  readonly linkLocal: bigint | null;
}

export interface PathAttributes {
  /** 0 IGP, 1 EGP, 2 incomplete. */
  readonly origin: number;
  readonly asPath: readonly AsSegment[];
  /** Of the prefixes in the body. */
  readonly nextHop: bigint | null;
  readonly med: number | null;
  readonly localPref: number | null;
  /** RFC 1997. */
  readonly communities: readonly number[];
  /** RFC 8092. */
  readonly largeCommunities: readonly LargeCommunity[];
}

export interface AsSegment {
  readonly kind: 'set' | 'sequence';
  readonly as: readonly number[];
}

export type LargeCommunity = readonly [global: number, local1: number, local2: number];

export interface Keepalive {
  readonly type: 'keepalive';
}

export interface RouteRefresh {
  readonly type: 'route-refresh';
  /** null: a family that we do not speak. */
  readonly family: Family | null;
}

export const KEEPALIVE: Keepalive = { type: 'keepalive' };

export const familyOf = (prefix: { readonly family: 4 | 6 }): Family =>
  prefix.family === 4 ? 'ipv4' : 'ipv6';

/** The message that says "that was all" for a family after a session came up (RFC 4724 section 2). */
export function endOfRib(family: Family): Update {
  return {
    type: 'update',
    withdrawn: [],
    unreachable: family === 'ipv4' ? null : { family, prefixes: [] },
    attributes: null,
    reachable: null,
    announced: [],
  };
}

export function isEndOfRib(update: Update): boolean {
  return (
    update.withdrawn.length === 0 &&
    update.announced.length === 0 &&
    update.reachable === null &&
    update.attributes === null &&
    (update.unreachable === null || update.unreachable.prefixes.length === 0)
  );
}
