/**
 * The kinds of the API group metallb.io, decoded: address pools and how their addresses are announced. Fields and
 * defaults are those of MetalLB 0.16. A list of selectors is an OR; an empty list means "all".
 */
import type { BgpCommunity } from './bgp-community.ts';
import type { IpRange } from './ip-range.ts';
import type { LabelSelector } from './label-selector.ts';
import type { ObjectMeta, SecretBytes } from './snapshot.ts';

export interface IpAddressPool {
  readonly kind: 'IPAddressPool';
  readonly meta: ObjectMeta;
  /** In the order of `spec.addresses`. */
  readonly addresses: readonly PoolAddresses[];
  readonly autoAssign: boolean;
  /** IPv4 addresses that end in .0 or .255 are not part of the pool. */
  readonly avoidBuggyIps: boolean;
  /** null: for every Service. */
  readonly serviceAllocation: ServiceAllocation | null;
  /** `status`, as written last; null when it was not. */
  readonly usage: PoolUsage | null;
}

/** One entry of `spec.addresses`. */
export interface PoolAddresses extends IpRange {
  /** As written, for messages. */
  readonly text: string;
}

/** Which Services a pool is for; namespaces and namespace selectors are a union, the rest must match as well. */
export interface ServiceAllocation {
  /** Lower is tried first; 0 is after all others. */
  readonly priority: number;
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
}

/** Counts of addresses; more than 2^53 addresses count as 2^53 - 1. */
export interface PoolUsage {
  readonly assignedIPv4: number;
  readonly assignedIPv6: number;
  readonly availableIPv4: number;
  readonly availableIPv6: number;
}

/** Which pools an advertisement is about: the union of both lists, all pools when both are empty. */
export interface PoolChoice {
  readonly ipAddressPools: readonly string[];
  readonly ipAddressPoolSelectors: readonly LabelSelector[];
}

export interface L2Advertisement extends PoolChoice {
  readonly kind: 'L2Advertisement';
  readonly meta: ObjectMeta;
  readonly nodeSelectors: readonly LabelSelector[];
  /** Exact names; empty for all that are not excluded. */
  readonly interfaces: readonly string[];
  readonly serviceSelectors: readonly LabelSelector[];
  /** Weights of all that match a node add up; the highest sum is preferred. */
  readonly preferredNodeSelectors: readonly { readonly weight: number; readonly preference: LabelSelector }[];
}

export interface BgpAdvertisement extends PoolChoice {
  readonly kind: 'BGPAdvertisement';
  readonly meta: ObjectMeta;
  /** Prefix lengths that are announced. */
  readonly aggregationLength: number;
  readonly aggregationLengthV6: number;
  /** LOCAL_PREF for iBGP peers; null when not given. */
  readonly localPref: number | null;
  /** Names of Community entries, or communities as `parseCommunity` reads them; names are looked up first. */
  readonly communities: readonly string[];
  readonly nodeSelectors: readonly LabelSelector[];
  /** Names of BGPPeers; empty for all. */
  readonly peers: readonly string[];
  readonly serviceSelectors: readonly LabelSelector[];
}

/** Both versions; what v1beta1 does not have has its default. */
export interface BgpPeer {
  readonly kind: 'BGPPeer';
  readonly meta: ObjectMeta;
  readonly myAsn: number;
  /** The AS the peer must have, or how it must differ from ours. */
  readonly peerAsn: number | 'internal' | 'external';
  /** Presented to the peer in place of {@link myAsn}; null for none. */
  readonly localAsn: number | null;
  /** Where to dial; an interface is for unnumbered peering over its link-local IPv6 address. */
  readonly peer:
    | { readonly kind: 'address'; readonly address: string }
    | { readonly kind: 'interface'; readonly name: string };
  readonly sourceAddress: string | null;
  readonly peerPort: number;
  /** Seconds; both null when neither is given, else the other one follows (three to one). 0 is "no keepalives". */
  readonly holdTimeSeconds: number | null;
  readonly keepaliveSeconds: number | null;
  readonly connectSeconds: number | null;
  /** An IPv4 address in dotted form. */
  readonly routerId: string | null;
  /** Nodes that run the session. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Of TCP MD5 (RFC 2385); null without, or when it is in a Secret. */
  readonly password: SecretBytes | null;
  /** Secret of type kubernetes.io/basic-auth, key `password`; namespace as given or the peer's own. */
  readonly passwordSecret: { readonly namespace: string; readonly name: string } | null;
  readonly bfdProfile: string | null;
  readonly gracefulRestart: boolean;
  readonly ebgpMultiHop: boolean;
  readonly vrf: string | null;
  /** Both families on the one session; otherwise only that of the peer's address. */
  readonly dualStackAddressFamily: boolean;
}

export interface Community {
  readonly kind: 'Community';
  readonly meta: ObjectMeta;
  readonly communities: readonly { readonly name: string; readonly value: BgpCommunity }[];
}

export interface BfdProfile {
  readonly kind: 'BFDProfile';
  readonly meta: ObjectMeta;
  readonly receiveIntervalMs: number;
  readonly transmitIntervalMs: number;
  readonly detectMultiplier: number;
  readonly echoIntervalMs: number;
  readonly echoMode: boolean;
  readonly passiveMode: boolean;
  /** For sessions over several hops. */
  readonly minimumTtl: number;
}
