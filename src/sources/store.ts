/** From one immutable Snapshot to the next; shared by every source. */
import type { ObjectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import { withEdits } from '../model/shared-map.ts';
import type { AnyObject, Kind, KindMaps, ResolvedName, Snapshot } from '../model/snapshot.ts';
import { isSameObject } from './same-object.ts';

/** What is the truth from now on; what is not mentioned stays as it was. */
export interface Changes {
  readonly put?: Iterable<AnyObject>;
  readonly removed?: Iterable<{ readonly kind: Kind; readonly key: ObjectKey }>;
  /** All problems, not only the new ones. */
  readonly problems?: readonly Problem[];
  /** All names, not only the new ones. */
  readonly resolvedNames?: ReadonlyMap<string, ResolvedName>;
}

/**
 * The snapshot after `changes`, one version on; `previous` itself when they change nothing. A put object that says
 * what the present one says is dropped in favour of that one, and maps of kinds without a change are shared.
 */
export function nextSnapshot(previous: Snapshot, changes: Changes): Snapshot {
  const edits = new Map<Kind, Map<ObjectKey, AnyObject | undefined>>();
  for (const { kind, key } of changes.removed ?? []) editsOf(edits, kind).set(key, undefined);
  for (const object of changes.put ?? []) {
    const { kind, meta } = object;
    const before = objectsOf(previous, kind).get(meta.key);
    const same = before !== undefined && isSameObject(before, object);
    editsOf(edits, kind).set(meta.key, same ? before : object);
  }
  const edited = <K extends Kind>(kind: K): ReadonlyMap<ObjectKey, KindMaps[K]> => {
    const map = objectsOf(previous, kind);
    return withEdits(map, edits.get(kind) ?? new Map()) as ReadonlyMap<ObjectKey, KindMaps[K]>;
  };
  const next: Omit<Snapshot, 'version'> = {
    ingresses: edited('Ingress'),
    ingressClasses: edited('IngressClass'),
    services: edited('Service'),
    endpointSlices: edited('EndpointSlice'),
    secrets: edited('Secret'),
    configMaps: edited('ConfigMap'),
    namespaces: edited('Namespace'),
    nodes: edited('Node'),
    ipAddressPools: edited('IPAddressPool'),
    l2Advertisements: edited('L2Advertisement'),
    bgpAdvertisements: edited('BGPAdvertisement'),
    bgpPeers: edited('BGPPeer'),
    communities: edited('Community'),
    bfdProfiles: edited('BFDProfile'),
    resolvedNames: changes.resolvedNames ?? previous.resolvedNames,
    problems: unlessSame(previous.problems, changes.problems),
  };
  const same = (Object.keys(next) as (keyof typeof next)[]).every((field) => next[field] === previous[field]);
  return same ? previous : { version: previous.version + 1, ...next };
}

function editsOf<V>(edits: Map<Kind, Map<ObjectKey, V>>, kind: Kind): Map<ObjectKey, V> {
  const known = edits.get(kind) ?? new Map<ObjectKey, V>();
  edits.set(kind, known);
  return known;
}

/** The objects of one kind. */
export function objectsOf(snapshot: Snapshot, kind: Kind): ReadonlyMap<ObjectKey, AnyObject> {
  switch (kind) {
    case 'Ingress':
      return snapshot.ingresses;
    case 'IngressClass':
      return snapshot.ingressClasses;
    case 'Service':
      return snapshot.services;
    case 'EndpointSlice':
      return snapshot.endpointSlices;
    case 'Secret':
      return snapshot.secrets;
    case 'ConfigMap':
      return snapshot.configMaps;
    case 'Namespace':
      return snapshot.namespaces;
    case 'Node':
      return snapshot.nodes;
    case 'IPAddressPool':
      return snapshot.ipAddressPools;
    case 'L2Advertisement':
      return snapshot.l2Advertisements;
    case 'BGPAdvertisement':
      return snapshot.bgpAdvertisements;
    case 'BGPPeer':
      return snapshot.bgpPeers;
    case 'Community':
      return snapshot.communities;
    case 'BFDProfile':
      return snapshot.bfdProfiles;
    default:
      return kind satisfies never;
  }
}

function unlessSame(before: readonly Problem[], now: readonly Problem[] | undefined): readonly Problem[] {
  if (now === undefined || now === before) return before;
  const same =
    before.length === now.length && before.every((problem, index) => isSameProblem(problem, now[index]!));
  return same ? before : now;
}

/** Compares what a reader sees; positions count, since they are the reader's way to the mistake. */
function isSameProblem(a: Problem, b: Problem): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
