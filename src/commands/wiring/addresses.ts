/** Addresses of Services: planned for each snapshot and, where no cluster remembers them, kept in a file. */
import {
  type AddressOptions,
  type AddressPlan,
  AddressPlanner,
  type Role,
} from '../../ipam/address-planner.ts';
import type { ObjectKey } from '../../model/keys.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { Log } from '../../observe/log.ts';
import type { AddressSettings } from '../../settings/addresses.ts';
import { AddressFile, readAddressFile } from '../../status/address-file.ts';
import type { GivenInCluster } from '../../status/address-writes.ts';
import { addressOptions, type SourceKind } from './address-options.ts';

/** Changes that are told one by one; a first start with thousands of Services is told in short. */
const MAX_LINES = 100;

const NO_POOLS: AddressPlan['usage'] = new Map();

interface GivenAddresses {
  readonly addresses: readonly string[];
}

export class Addresses {
  readonly #options: AddressOptions;
  readonly #planner: AddressPlanner;
  readonly #file: AddressFile | null;
  readonly #log: Log;
  #plan: AddressPlan | null = null;
  #told: ReadonlyMap<ObjectKey, GivenAddresses>;

  private constructor(
    options: AddressOptions,
    planner: AddressPlanner,
    file: AddressFile | null,
    log: Log,
    remembered: ReadonlyMap<ObjectKey, GivenAddresses>,
  ) {
    this.#options = options;
    this.#planner = planner;
    this.#file = file;
    this.#log = log;
    this.#told = remembered;
  }

  /** Rejects with a message for the user when the file is there but cannot be read. */
  static async open(settings: AddressSettings, source: SourceKind, log: Log): Promise<Addresses> {
    const { stateFile } = settings;
    const remembered = stateFile === null ? new Map() : await readAddressFile(stateFile);
    const options = addressOptions(settings, source);
    const planner = new AddressPlanner(options, remembered);
    const onError = (message: string) => log.error('addresses-not-kept', message);
    const file = stateFile === null ? null : new AddressFile(stateFile, onError);
    return new Addresses(options, planner, file, log, remembered);
  }

  /** The plan for a snapshot; the same object as before when nothing follows from what changed. */
  update(snapshot: Snapshot, role: Role): AddressPlan {
    const plan = this.#planner.plan(snapshot, role);
    if (plan === this.#plan) return plan;
    this.#plan = plan;
    this.#file?.keep(plan.allocations);
    // Who follows would only repeat what the one who decides has said.
    if (role === 'decides') this.#tell(plan, snapshot);
    this.#told = plan.allocations;
    return plan;
  }

  /** Logs who got or lost an address; what is in the status already is no news. */
  #tell({ allocations }: AddressPlan, { services }: Snapshot): void {
    let lines = 0;
    const tell = (key: ObjectKey, before: readonly string[], now: readonly string[], pool: string | null) => {
      if (before.join() === now.join() || ++lines > MAX_LINES) return;
      const message = now.length === 0 ? 'a Service has no address any more' : 'a Service has got addresses';
      this.#log.info('addresses-changed', message, { service: key, addresses: now, before, pool });
    };
    for (const [key, { addresses, pool }] of allocations) {
      const status = services.get(key)?.loadBalancer.map(({ ip }) => ip) ?? [];
      tell(key, this.#told.get(key)?.addresses ?? status, addresses, pool);
    }
    for (const [key, { addresses }] of this.#told) if (!allocations.has(key)) tell(key, addresses, [], null);
    if (lines > MAX_LINES)
      this.#log.info('addresses-changed', 'addresses of more Services changed', { more: lines - MAX_LINES });
  }

  /** How full each pool is, by its name. */
  get usage(): AddressPlan['usage'] {
    return this.#plan?.usage ?? NO_POOLS;
  }

  /** What of a plan the cluster is told. How full pools are only where no other load balancer tells it, too. */
  givenInCluster(plan: AddressPlan): GivenInCluster {
    const pools = this.#options.ownership.withoutClass ? plan.pools.pools : [];
    return {
      services: plan.allocations,
      pools: pools.map(({ name, object }) => ({ object, usage: plan.usage.get(name)! })), // it has all pools
    };
  }

  async close(): Promise<void> {
    await this.#file?.settled();
  }
}
