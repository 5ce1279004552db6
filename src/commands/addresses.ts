/** Addresses of Services: planned for each snapshot and, where no cluster remembers them, kept in a file. */
import { type AddressOptions, type AddressPlan, AddressPlanner, type Role } from '../ipam/address-planner.ts';
import type { Problem } from '../model/problem.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Log } from '../observe/log.ts';
import type { AddressSettings } from '../settings/addresses.ts';
import { AddressFile, readAddressFile } from '../status/address-file.ts';
import type { GivenInCluster } from '../status/address-writes.ts';

type SourceKind = 'manifests' | 'kubernetes';

/** MetalLB's own default, so that its objects are found where they are. */
const METALLB_NAMESPACE = 'metallb-system';

/** The settings, with the defaults that depend on where objects come from. */
export function addressOptions(settings: AddressSettings, source: SourceKind): AddressOptions {
  const { loadBalancerClass, servicesWithoutClass, metallbNamespace } = settings;
  return {
    ownership: { loadBalancerClass, withoutClass: servicesWithoutClass ?? source === 'manifests' },
    poolNamespace: metallbNamespace ?? (source === 'kubernetes' ? METALLB_NAMESPACE : null),
  };
}

export class Addresses {
  readonly #planner: AddressPlanner;
  readonly #file: AddressFile | null;
  #plan: AddressPlan | null = null;

  private constructor(planner: AddressPlanner, file: AddressFile | null) {
    this.#planner = planner;
    this.#file = file;
  }

  /** Rejects with a message for the user when the file is there but cannot be read. */
  static async open(settings: AddressSettings, source: SourceKind, log: Log): Promise<Addresses> {
    const { stateFile } = settings;
    const remembered = stateFile === null ? new Map() : await readAddressFile(stateFile);
    const planner = new AddressPlanner(addressOptions(settings, source), remembered);
    const onError = (message: string) => log.error('addresses-not-kept', message);
    return new Addresses(planner, stateFile === null ? null : new AddressFile(stateFile, onError));
  }

  /** The plan for a snapshot; the same object as before when nothing follows from what changed. */
  update(snapshot: Snapshot, role: Role): AddressPlan {
    const plan = this.#planner.plan(snapshot, role);
    if (plan !== this.#plan) this.#file?.keep(plan.allocations);
    this.#plan = plan;
    return plan;
  }

  async close(): Promise<void> {
    await this.#file?.settled();
  }
}

/** What the cluster is told. How full pools are is told only where no other load balancer tells it, too. */
export function givenInCluster(plan: AddressPlan, { ownership }: AddressOptions): GivenInCluster {
  const pools = ownership.withoutClass ? plan.pools.pools : [];
  return {
    services: plan.allocations,
    pools: pools.map(({ name, object }) => ({ object, usage: plan.usage.get(name)! })), // it has all pools
  };
}

/** Joins lists of problems; the very same list comes out as long as the same ones go in. */
export function problemJoiner(): (...lists: readonly (readonly Problem[])[]) => readonly Problem[] {
  let before: readonly (readonly Problem[])[] = [];
  let joined: readonly Problem[] = [];
  return (...lists) => {
    if (lists.length !== before.length || lists.some((list, index) => list !== before[index])) {
      before = lists;
      joined = lists.flat();
    }
    return joined;
  };
}
