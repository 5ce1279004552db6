/** The objects that say what is announced and how, as far as they count. */
import { type ObjectKey, objectKey } from '../model/keys.ts';
import { matchesAny } from '../model/label-selector.ts';
import type { Problem } from '../model/problem.ts';
import { problemOf } from '../model/problem-of.ts';
import { type AnyObject, EMPTY_SNAPSHOT, type Node, type Snapshot } from '../model/snapshot.ts';

/** The kinds of metallb.io, by the names of their maps. */
export const METALLB_KINDS = [
  'ipAddressPools',
  'l2Advertisements',
  'bgpAdvertisements',
  'bgpPeers',
  'communities',
  'bfdProfiles',
] as const;

/** A snapshot without the objects of metallb.io that are in other namespaces. */
export interface Configuration {
  readonly snapshot: Snapshot;
  /** One for each object that is left out; pools have theirs from address management. */
  readonly problems: readonly Problem[];
}

/**
 * Leaves out what is not in `namespace`: who may write there decides what is announced, others do not. null leaves
 * everything in. Maps that did not change give the same maps (`===`) as in `before`.
 */
export class ConfigurationReader {
  readonly #namespace: string | null;
  #before: Snapshot = EMPTY_SNAPSHOT;
  #configuration: Configuration = { snapshot: EMPTY_SNAPSHOT, problems: [] };

  constructor(namespace: string | null) {
    this.#namespace = namespace;
  }

  read(snapshot: Snapshot): Configuration {
    const namespace = this.#namespace;
    if (namespace === null) return { snapshot, problems: [] };
    const { snapshot: kept, problems } = this.#configuration;
    const same = METALLB_KINDS.every((kind) => snapshot[kind] === this.#before[kind]);
    this.#before = snapshot;
    const maps = same ? pick(kept) : filtered(snapshot, namespace);
    this.#configuration = {
      snapshot: { ...snapshot, ...maps },
      problems: same ? problems : foreign(snapshot, namespace),
    };
    return this.#configuration;
  }
}

type Kinds = Pick<Snapshot, (typeof METALLB_KINDS)[number]>;

function pick(snapshot: Snapshot): Kinds {
  return Object.fromEntries(METALLB_KINDS.map((kind) => [kind, snapshot[kind]])) as unknown as Kinds;
}

function filtered(snapshot: Snapshot, namespace: string): Kinds {
  const maps = METALLB_KINDS.map((kind) => {
    const all = snapshot[kind] as ReadonlyMap<ObjectKey, AnyObject>;
    return [kind, new Map([...all].filter(([, { meta }]) => meta.namespace === namespace))];
  });
  return Object.fromEntries(maps) as unknown as Kinds;
}

function foreign(snapshot: Snapshot, namespace: string): Problem[] {
  return METALLB_KINDS.filter((kind) => kind !== 'ipAddressPools').flatMap((kind) =>
    [...(snapshot[kind] as ReadonlyMap<ObjectKey, AnyObject>).values()]
      .filter(({ meta }) => meta.namespace !== namespace)
      .map((object) => {
        const message = `objects of this kind are read from the namespace ${namespace} only (--metallb-namespace); this one has no effect.`;
        return problemOf(object, {
          severity: 'warning',
          reason: 'OtherNamespace',
          field: 'metadata.namespace',
          message,
        });
      }),
  );
}

/** The Secrets with the passwords of the peers that a node talks to. */
export function passwordSecrets({ bgpPeers }: Pick<Snapshot, 'bgpPeers'>, node: Node): Set<ObjectKey> {
  const keys = new Set<ObjectKey>();
  for (const { passwordSecret, nodeSelectors } of bgpPeers.values())
    if (passwordSecret !== null && matchesAny(nodeSelectors, node.meta.labels))
      keys.add(objectKey(passwordSecret.namespace, passwordSecret.name));
  return keys;
}
