/** Who shares addresses with whom while an allocation is worked out: addresses by the terms on which they are shared. */
import type { IpAddress } from '../model/ip.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { Claim, Family } from './request.ts';

/** An address that somebody has. */
export interface Holding {
  readonly address: IpAddress;
  /** Who had it first; the only one while `shared` is null. */
  readonly holder: ObjectKey;
  /** What everybody must agree to who wants it as well. */
  readonly terms: Pick<Claim, 'sharingKey' | 'backends'>;
  /** null for an address that is not to be shared. */
  shared: Sharers | null;
}

interface Sharers {
  readonly services: Set<ObjectKey>;
  /** Which of them uses a port. */
  readonly ports: Map<string, ObjectKey>;
}

/** The addresses of one family that are shared on the same terms. */
interface Company {
  readonly holdings: Set<Holding>;
  /** On how many of them a port is taken. */
  readonly taken: Map<string, number>;
}

/** Addresses under the same terms that are tried before a new one is begun. */
const MOST_TRIED = 256;

export class Companies {
  readonly #byTerms = new Map<string, Company>();

  /** Enters one more holder; the caller knows that its ports are free there. */
  join(holding: Holding, service: ObjectKey, { ports }: Claim): void {
    const company = this.#companyOf(holding);
    company.holdings.add(holding);
    holding.shared ??= { services: new Set(), ports: new Map() };
    holding.shared.services.add(service);
    for (const port of ports) {
      if (!holding.shared.ports.has(port)) company.taken.set(port, (company.taken.get(port) ?? 0) + 1);
      holding.shared.ports.set(port, service);
    }
  }

  /** Takes a holder out; true when nobody is left. */
  leave(holding: Holding, { services, ports }: Sharers, service: ObjectKey): boolean {
    const company = this.#companyOf(holding);
    services.delete(service);
    for (const [port, user] of ports) {
      if (user !== service) continue;
      ports.delete(port);
      company.taken.set(port, company.taken.get(port)! - 1); // counted when it was taken
    }
    if (services.size > 0) return false;
    company.holdings.delete(holding);
    return true;
  }

  /** The first address on the terms of `claim` that `suits` and on which its ports are free; null without. */
  joinable(claim: Claim, family: Family, suits: (address: IpAddress) => boolean): IpAddress | null {
    const company = this.#byTerms.get(termsText(claim, family));
    if (company === undefined) return null;
    // Where a port is taken on all of them, looking at each would find the same.
    if (claim.ports.some((port) => company.taken.get(port) === company.holdings.size)) return null;
    let tried = 0;
    for (const { address, shared } of company.holdings) {
      if (tried++ >= MOST_TRIED) return null;
      if (!claim.ports.some((port) => shared?.ports.has(port)) && suits(address)) return address;
    }
    return null;
  }

  #companyOf({ terms, address }: Holding): Company {
    const text = termsText(terms, address.family);
    let company = this.#byTerms.get(text);
    if (company === undefined) {
      company = { holdings: new Set(), taken: new Map() };
      this.#byTerms.set(text, company);
    }
    return company;
  }
}

/** The length tells where the endpoints end and the key begins. */
function termsText({ sharingKey, backends }: Holding['terms'], family: Family): string {
  return `${family} ${backends.length} ${backends}${sharingKey}`;
}
