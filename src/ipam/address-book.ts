/**
 * Who has which address while an allocation is worked out. Free addresses are found with a cursor per range that
 * only goes forward: addresses are taken in the course of one allocation and what is given up is found again by the
 * next, so that all searches together look at each address once.
 */
import { type IpAddress, parseIp } from '../model/ip.ts';
import type { IpRange } from '../model/ip-range.ts';
import type { ObjectKey } from '../model/keys.ts';
import { Companies, type Holding } from './companies.ts';
import { isBuggy, type Pool, poolHas } from './pools.ts';
import type { Claim, Family } from './request.ts';

/** Why a Service may not have an address. */
export type Refusal =
  /** It belongs to something that is not ours to move, named by `by`. */
  | { readonly kind: 'reserved'; readonly by: string }
  | { readonly kind: 'held'; readonly by: ObjectKey; readonly why: 'sharing-key' | 'endpoints' }
  | { readonly kind: 'port'; readonly by: ObjectKey; readonly port: string };

export class AddressBook {
  readonly #held = { 4: new Map<bigint, Holding>(), 6: new Map<bigint, Holding>() };
  readonly #reserved = { 4: new Map<bigint, string>(), 6: new Map<bigint, string>() };
  readonly #companies = new Companies();
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
    const { terms } = holding;
    if (claim.sharingKey === '' || claim.sharingKey !== terms.sharingKey)
      return { kind: 'held', by: holderOf(holding), why: 'sharing-key' };
    if (claim.backends !== terms.backends) return { kind: 'held', by: holderOf(holding), why: 'endpoints' };
    for (const port of claim.ports) {
      const by = holding.shared?.ports.get(port);
      if (by !== undefined) return { kind: 'port', by, port };
    }
    return null;
  }

  /** Enters a holder; the caller has asked {@link refusal}. */
  take(service: ObjectKey, address: IpAddress, claim: Claim): void {
    const held = this.#held[address.family];
    let holding = held.get(address.value);
    if (holding === undefined) {
      holding = { address, holder: service, terms: claim, shared: null };
      held.set(address.value, holding);
    }
    if (claim.sharingKey !== '') this.#companies.join(holding, service, claim);
  }

  release(service: ObjectKey, address: IpAddress): void {
    const held = this.#held[address.family];
    const holding = held.get(address.value);
    if (holding === undefined) return;
    const { shared, holder } = holding;
    const left = shared === null ? holder === service : this.#companies.leave(holding, shared, service);
    if (left) held.delete(address.value);
  }

  /** One address of the pool for each family, for a Service with this claim; null when one of them is not to be had. */
  find(pool: Pool, families: readonly Family[], claim: Claim): readonly IpAddress[] | null {
    const found: IpAddress[] = [];
    for (const family of families) {
      const has = (address: IpAddress) => poolHas(pool, address);
      const company = claim.sharingKey === '' ? null : this.#companies.joinable(claim, family, has);
      const address = company ?? this.#firstFree(pool, family);
      if (address === null) return null;
      found.push(address);
    }
    return found;
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

/** One of those who have the address. */
function holderOf({ holder, shared }: Holding): ObjectKey {
  const [sharer] = shared?.services ?? [];
  return sharer ?? holder;
}
