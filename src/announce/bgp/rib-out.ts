/**
 * What one peer should have, what it has, and the messages between the two (RFC 4271 calls the second Adj-RIB-Out).
 * The caller only says what it wants as a whole; lost sessions, refreshes and changes of mind fall out of the
 * difference. Pure.
 */
import type { IpPrefix } from '../../model/ip.ts';
import { formatPrefix } from '../../model/ip-text.ts';
import { encodeAttributes, sequence } from './attributes.ts';
import {
  endOfRib,
  type Family,
  familyOf,
  type LargeCommunity,
  type NextHop,
  type PathAttributes,
  type Update,
} from './message.ts';
import { HEADER_BYTES, LONGEST_MESSAGE } from './messages.ts';
import { encodedLength, networkBits } from './nlri.ts';

/** One prefix to announce. */
export interface Route {
  readonly prefix: IpPrefix;
  /** For iBGP peers; null is 100. */
  readonly localPref: number | null;
  readonly communities: readonly number[];
  readonly largeCommunities: readonly LargeCommunity[];
}

/** What a session adds to every route. */
export interface RibContext {
  readonly families: readonly Family[];
  readonly fourOctetAs: boolean;
  readonly internal: boolean;
  readonly localAs: number;
  /** Where packets for IPv4 prefixes should go; null: there is no such address. */
  readonly nextHop4: NextHop | null;
  readonly nextHop6: NextHop | null;
}

/** RFC 4271 section 9.1.1 leaves it open; this is what everybody uses. 0 would be the worst. */
const DEFAULT_LOCAL_PREF = 100;
/** Header, two lengths; in MP_REACH: flags, type, length, AFI, SAFI, length of the next hop, reserved byte. */
const FIXED_BYTES = HEADER_BYTES + 4;
/** A type in which nothing but prefixes is: flags, type, 16-bit length, AFI, SAFI. */
const UNREACHABLE_BYTES = 7;

type Key = string;

interface Wanted {
  readonly route: Route;
  /** Equal for routes that can share a message. */
  readonly group: string;
}

export class RibOut {
  #wanted = new Map<Key, Wanted>();
  /** Whether {@link set} was ever called: before, an End-of-RIB would be a lie. */
  #known = false;
  #context: RibContext | null = null;
  /** What the peer has, by prefix: the group it was sent with. */
  readonly #sent = new Map<Key, { readonly prefix: IpPrefix; readonly group: string }>();
  readonly #withdraw = new Map<Key, IpPrefix>();
  /** To announce, by group, then by prefix. */
  readonly #announce = new Map<string, Map<Key, Route>>();
  /** Families of which more is to be sent before it was all. */
  #endOfRib: Family[] = [];
  /** Those of which the peer wants all once more after that. */
  readonly #again = new Set<Family>();

  /** All routes that the peer should have. Of several for one prefix the last counts. */
  set(routes: readonly Route[]): void {
    this.#known = true;
    this.#wanted = new Map(
      routes.map((given) => {
        const { family, length, value } = given.prefix;
        const route = { ...given, prefix: { family, length, value: networkBits(family, value, length) } };
        return [formatPrefix(route.prefix), { route, group: groupOf(route) }];
      }),
    );
    this.#compare();
  }

  /** A session is up: the peer has nothing yet. */
  open(context: RibContext): void {
    this.#context = context;
    this.#sent.clear();
    this.#endOfRib = [...context.families];
    this.#again.clear();
    this.#compare();
  }

  /** The session is gone, and with it what the peer had. */
  close(): void {
    this.#context = null;
    this.#sent.clear();
    this.#withdraw.clear();
    this.#announce.clear();
    this.#endOfRib = [];
    this.#again.clear();
  }

  /**
   * The peer asks for all of a family again (RFC 2918). While all of it is on the way, it is sent once more after
   * that: however often a peer asks, it costs no more than what the peer reads.
   */
  refresh(family: Family): void {
    if (this.#context?.families.includes(family) !== true) return;
    if (this.#endOfRib.includes(family)) {
      this.#again.add(family);
      return;
    }
    // Kept as sent, so that it can still be withdrawn, but as nothing that could be wanted.
    for (const [key, { prefix }] of this.#sent)
      if (familyOf(prefix) === family) this.#sent.set(key, { prefix, group: '' });
    this.#compare();
    this.#endOfRib.push(family);
  }

  /** Prefixes that the peer has. */
  get announced(): number {
    return this.#sent.size;
  }

  /** Whether {@link next} has nothing to give. */
  get settled(): boolean {
    return (
      this.#withdraw.size === 0 && this.#announce.size === 0 && (!this.#known || this.#endOfRib.length === 0)
    );
  }

  /** Wanted prefixes that cannot go to this peer: their family is not in force or has no next hop. */
  get unsendable(): number {
    if (this.#context === null) return 0;
    let count = 0;
    for (const { route } of this.#wanted.values()) if (!this.#sendable(route)) count++;
    return count;
  }

  /** The next message to send, and takes it for sent; null when the peer has what it should have. */
  next(): Update | null {
    if (this.#context === null) return null;
    // Withdrawals first: traffic for a dead address is worse off than traffic for a new one.
    if (this.#withdraw.size > 0) return this.#nextWithdrawal();
    if (this.#announce.size > 0) return this.#nextAnnouncement(this.#context);
    const family = this.#known ? this.#endOfRib.shift() : undefined;
    if (family === undefined) return null;
    if (this.#again.delete(family)) this.refresh(family);
    return endOfRib(family);
  }

  /** Finds out what is left to say. */
  #compare(): void {
    this.#withdraw.clear();
    this.#announce.clear();
    if (this.#context === null) return;
    for (const [key, { prefix }] of this.#sent) {
      const wanted = this.#wanted.get(key);
      if (wanted === undefined || !this.#sendable(wanted.route)) this.#withdraw.set(key, prefix);
    }
    for (const [key, { route, group }] of this.#wanted) {
      if (this.#sent.get(key)?.group === group || !this.#sendable(route)) continue;
      const members = this.#announce.get(group) ?? new Map<Key, Route>();
      this.#announce.set(group, members.set(key, route));
    }
  }

  #sendable({ prefix }: Route): boolean {
    const context = this.#context!; // asked only while there is a session
    return context.families.includes(familyOf(prefix)) && this.#nextHop(prefix) !== null;
  }

  #nextHop({ family }: IpPrefix): NextHop | null {
    return family === 4 ? this.#context!.nextHop4 : this.#context!.nextHop6;
  }

  #nextWithdrawal(): Update {
    const [first] = this.#withdraw.values();
    const family = familyOf(first!);
    let room = LONGEST_MESSAGE - FIXED_BYTES - UNREACHABLE_BYTES;
    const prefixes: IpPrefix[] = [];
    for (const [key, prefix] of this.#withdraw) {
      if (familyOf(prefix) !== family) continue;
      room -= encodedLength(prefix);
      if (room < 0) break;
      prefixes.push(prefix);
      this.#withdraw.delete(key);
      this.#sent.delete(key);
    }
    const empty = endOfRib('ipv4');
    return family === 'ipv4'
      ? { ...empty, withdrawn: prefixes }
      : { ...empty, unreachable: { family, prefixes } };
  }

  #nextAnnouncement(context: RibContext): Update {
    const [group, members] = this.#announce.entries().next().value!; // not empty
    const [first] = members.values();
    const family = familyOf(first!.prefix);
    const nextHop = this.#nextHop(first!.prefix)!; // only sendable ones are in it
    const inBody = family === 'ipv4' && nextHop.family === 4;
    const attributes = attributesOf(first!, context, inBody ? nextHop.value : null);
    const empty = { ...endOfRib('ipv4'), attributes };
    const make = (prefixes: readonly IpPrefix[]): Update =>
      inBody ? { ...empty, announced: prefixes } : { ...empty, reachable: { family, nextHop, prefixes } };
    // One byte more: MP_REACH has a longer length field once it is filled.
    let room = LONGEST_MESSAGE - FIXED_BYTES - 1 - encodeAttributes(make([]), context.fourOctetAs).length;
    const prefixes: IpPrefix[] = [];
    for (const [key, { prefix }] of members) {
      room -= encodedLength(prefix);
      // A single prefix always fits: the number of communities is bounded where routes are made.
      if (room < 0 && prefixes.length > 0) break;
      prefixes.push(prefix);
      members.delete(key);
      this.#sent.set(key, { prefix, group });
    }
    if (members.size === 0) this.#announce.delete(group);
    return make(prefixes);
  }
}

function attributesOf(route: Route, context: RibContext, nextHop: bigint | null): PathAttributes {
  return {
    origin: 0,
    asPath: context.internal ? [] : sequence([context.localAs]),
    nextHop,
    med: null,
    localPref: context.internal ? (route.localPref ?? DEFAULT_LOCAL_PREF) : null,
    communities: route.communities,
    largeCommunities: route.largeCommunities,
  };
}

/** The order of communities carries no meaning, but the caller keeps it stable. */
function groupOf({ prefix, localPref, communities, largeCommunities }: Route): string {
  return `${prefix.family} ${localPref} ${communities.join(',')} ${largeCommunities.join(';')}`;
}
