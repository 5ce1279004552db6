/**
 * Who has which address while an allocation is worked out. Free addresses are found with a cursor per range that
 * only goes forward: addresses are taken in the course of one allocation and what is given up is found again by the
 * next, so that all searches together look at each address once.
 */
import { type IpAddress, parseIp } from '../model/ip.ts';
import type { IpRange } from '../model/ip-range.ts';
import type { ObjectKey } from '../model/keys.ts';
import { isBuggy, type Pool, poolHas } from './pools.ts';
import type { Claim, Family } from './request.ts';

/** Why a Service may not have an address. */
export type Refusal =
  /** It belongs to something that is not ours to move, named by `by`. */
  | { readonly kind: 'reserved'; readonly by: string }
  | { readonly kind: 'held'; readonly by: ObjectKey; readonly why: 'sharing-key' | 'endpoints' }
  | { readonly kind: 'port'; readonly by: ObjectKey; readonly port: string };

/** Addresses under one sharing key that are tried before a new one is begun. */
const MAX_COMPANIES = 256;

interface Holding {
  readonly address: IpAddress;
  readonly claims: Map<ObjectKey, Claim>;
  /** Which holder uses a port. */
  readonly ports: Map<string, ObjectKey>;
}

export class AddressBook {
  readonly #held = { 4: new Map<bigint, Holding>(), 6: new Map<bigint, Holding>() };
  readonly #reserved = { 4: new Map<bigint, string>(), 6: new Map<bigint, string>() };
  readonly #bySharingKey = new Map<string, Set<Holding>>();
  /** Below it, everything in the range is taken, reserved or left out. */
  readonly #cursors = new Map<IpRange, bigint>();

  /** `reserved`: what has each address (as text) that nobody may get. */
  constructor(reserved: ReadonlyMap<string, string>) {
    for (const [text, owner] of reserved) {
      const address = parseIp(text);
      if (address !== null) this.#reserved[address.family].set(address.value, owner);
    }
  }

  /** Null when a Service with this claim may have the address, alone or with those who have it. */
  refusal(address: IpAddress, claim: Claim): Refusal | null {
    const { family, value } = address;
    const owner = this.#reserved[family].get(value);
    if (owner !== undefined) return { kind: 'reserved', by: owner };
    const holding = this.#held[family].get(value);
    if (holding === undefined) return null;
    for (const [by, other] of holding.claims) {
      if (claim.sharingKey === '' || claim.sharingKey !== other.sharingKey)
        return { kind: 'held', by, why: 'sharing-key' };
      if (claim.backends !== other.backends) return { kind: 'held', by, why: 'endpoints' };
      break; // the others have the same key and endpoints, or they would not be there
    }
    for (const port of claim.ports) {
      const by = holding.ports.get(port);
      if (by !== undefined) return { kind: 'port', by, port };
    }
    return null;
  }

  /** Enters a holder; the caller has asked {@link refusal}. */
  take(service: ObjectKey, address: IpAddress, claim: Claim): void {
    const held = this.#held[address.family];
    let holding = held.get(address.value);
    if (holding === undefined) {
      holding = { address, claims: new Map(), ports: new Map() };
      held.set(address.value, holding);
    }
    holding.claims.set(service, claim);
    for (const port of claim.ports) holding.ports.set(port, service);
    if (claim.sharingKey === '') return;
    const sharers = this.#bySharingKey.get(claim.sharingKey);
    if (sharers === undefined) this.#bySharingKey.set(claim.sharingKey, new Set([holding]));
    else sharers.add(holding);
  }

  release(service: ObjectKey, address: IpAddress): void {
    const held = this.#held[address.family];
    const holding = held.get(address.value);
    const claim = holding?.claims.get(service);
    if (holding === undefined || claim === undefined) return;
    holding.claims.delete(service);
    for (const port of claim.ports) holding.ports.delete(port);
    if (holding.claims.size > 0) return;
    held.delete(address.value);
    this.#bySharingKey.get(claim.sharingKey)?.delete(holding);
  }

  /** One address of the pool for each family, for a Service with this claim; null when one of them is not to be had. */
  find(pool: Pool, families: readonly Family[], claim: Claim): readonly IpAddress[] | null {
    const found: IpAddress[] = [];
    for (const family of families) {
      const address = this.#joinable(pool, family, claim) ?? this.#firstFree(pool, family);
      if (address === null) return null;
      found.push(address);
    }
    return found;
  }

  /** An address of the pool that is held under the same sharing key and can take one more. */
  #joinable(pool: Pool, family: Family, claim: Claim): IpAddress | null {
    if (claim.sharingKey === '') return null;
    let looked = 0;
    for (const { address } of this.#bySharingKey.get(claim.sharingKey) ?? []) {
      if (looked++ >= MAX_COMPANIES) return null;
      if (address.family !== family || !poolHas(pool, address)) continue;
      if (this.refusal(address, claim) === null) return address;
    }
    return null;
  }

  #firstFree(pool: Pool, family: Family): IpAddress | null {
    for (const range of pool.ranges) {
      if (range.family !== family) continue;
      let value = this.#cursors.get(range) ?? range.first;
      while (value <= range.last && !this.#isFree({ family, value }, pool)) value++;
      this.#cursors.set(range, value);
      if (value <= range.last) return { family, value };
    }
    return null;
  }

  #isFree(address: IpAddress, pool: Pool): boolean {
    if (pool.object.avoidBuggyIps && isBuggy(address)) return false;
    const { family, value } = address;
    return !this.#held[family].has(value) && !this.#reserved[family].has(value);
  }
}
