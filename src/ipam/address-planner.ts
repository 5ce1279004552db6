/**
 * Snapshot → who has which address, remembered from one snapshot to the next. What nothing changed for comes out as
 * the very same plan (`===`).
 */
import type { ObjectKey } from '../model/keys.ts';
import type { PoolUsage } from '../model/metallb.ts';
import type { Problem } from '../model/problem.ts';
import type { Service, Snapshot } from '../model/snapshot.ts';
import { type Allocation, allocate, type Previous } from './allocate.ts';
import { isOurs, type Ownership } from './ownership.ts';
import { type PoolSet, readPools } from './pools.ts';
import { networkProblems, reservedAddresses } from './reserved.ts';
import { poolUsage } from './usage.ts';

export interface AddressPlan {
  /** One for each Service that is ours. */
  readonly allocations: ReadonlyMap<ObjectKey, Allocation>;
  readonly pools: PoolSet;
  /** By the name of the pool. */
  readonly usage: ReadonlyMap<string, PoolUsage>;
  readonly problems: readonly Problem[];
}

export interface AddressOptions {
  readonly ownership: Ownership;
  /** Where pools are read from; null for every namespace. */
  readonly poolNamespace: string | null;
  /** Whether one sharing key in two namespaces is the same key. */
  readonly shareAcrossNamespaces: boolean;
}

/**
 * Whether what we decided last counts more than what the Services say: it does for whoever decides (there is no
 * Kubernetes, or we lead); all others follow the decisions in the status.
 */
export type Role = 'decides' | 'follows';

export class AddressPlanner {
  readonly #options: AddressOptions;
  #remembered: ReadonlyMap<ObjectKey, Previous>;
  #seen: readonly unknown[] = [];
  #plan: AddressPlan | null = null;

  /** `remembered`: from before a restart, where no status tells it. */
  constructor(options: AddressOptions, remembered: ReadonlyMap<ObjectKey, Previous> = new Map()) {
    this.#options = options;
    this.#remembered = remembered;
  }

  plan(snapshot: Snapshot, role: Role): AddressPlan {
    const { services, ipAddressPools, namespaces, nodes, problems } = snapshot;
    const seen = [services, ipAddressPools, namespaces, nodes, problems, role];
    if (this.#plan !== null && seen.every((value, index) => value === this.#seen[index])) return this.#plan;
    this.#seen = seen;
    this.#plan = this.#make(snapshot, role);
    this.#remembered = this.#plan.allocations;
    return this.#plan;
  }

  #make(snapshot: Snapshot, role: Role): AddressPlan {
    const { ownership, poolNamespace, shareAcrossNamespaces } = this.#options;
    const pools = readPools(snapshot, poolNamespace);
    const reserved = reservedAddresses(pools, snapshot, ownership);
    const services = [...snapshot.services.values()].filter((service) => isOurs(service, ownership));
    const previous = new Map(services.map((service) => [service.meta.key, this.#previous(service, role)]));
    const { namespaces } = snapshot;
    const { byService, problems } = allocate({
      pools,
      services,
      namespaces,
      reserved,
      previous,
      shareAcrossNamespaces,
    });
    return {
      allocations: byService,
      pools,
      usage: poolUsage(pools, byService.values(), reserved),
      problems: [...problems, ...networkProblems(pools, reserved, snapshot)],
    };
  }

  #previous({ meta, loadBalancer }: Service, role: Role): Previous {
    const remembered = this.#remembered.get(meta.key) ?? NOTHING;
    const status = loadBalancer.flatMap(({ ip }) => (ip === '' ? [] : [ip]));
    const decided = role === 'decides' ? remembered.addresses.length > 0 : status.length === 0;
    return { addresses: decided ? remembered.addresses : status, claim: remembered.claim };
  }
}

const NOTHING: Previous = { addresses: [], claim: null };
