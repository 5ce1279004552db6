/** From one immutable Snapshot to the next; shared by every source. */
import type { ObjectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
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

export const EMPTY_SNAPSHOT: Snapshot = {
  version: 0,
  ingresses: new Map(),
  ingressClasses: new Map(),
  services: new Map(),
  endpointSlices: new Map(),
  secrets: new Map(),
  configMaps: new Map(),
  namespaces: new Map(),
  resolvedNames: new Map(),
  problems: [],
};

/**
 * The snapshot after `changes`, one version on; `previous` itself when they change nothing. A put object that says
 * what the present one says is dropped in favour of that one, and maps of kinds without a change are shared.
 */
export function nextSnapshot(previous: Snapshot, changes: Changes): Snapshot {
  const edited: { [K in Kind]?: Map<ObjectKey, KindMaps[K]> } = {};
  const edit = (kind: Kind): Map<ObjectKey, AnyObject> => {
    const map = edited[kind] ?? new Map<ObjectKey, AnyObject>(objectsOf(previous, kind));
    Object.assign(edited, { [kind]: map });
    return map;
  };
  for (const { kind, key } of changes.removed ?? []) {
    if (objectsOf(previous, kind).has(key)) edit(kind).delete(key);
  }
  for (const object of changes.put ?? []) {
    const { kind, meta } = object;
    const before = objectsOf(previous, kind).get(meta.key);
    const same = before !== undefined && isSameObject(before, object);
    const next = same ? before : object;
    if ((edited[kind] ?? objectsOf(previous, kind)).get(meta.key) !== next) edit(kind).set(meta.key, next);
  }
  const problems = unlessSame(previous.problems, changes.problems);
  const resolvedNames = changes.resolvedNames ?? previous.resolvedNames;
  const same =
    problems === previous.problems &&
    resolvedNames === previous.resolvedNames &&
    Object.keys(edited).length === 0;
  if (same) return previous;
  return {
    version: previous.version + 1,
    ingresses: edited.Ingress ?? previous.ingresses,
    ingressClasses: edited.IngressClass ?? previous.ingressClasses,
    services: edited.Service ?? previous.services,
    endpointSlices: edited.EndpointSlice ?? previous.endpointSlices,
    secrets: edited.Secret ?? previous.secrets,
    configMaps: edited.ConfigMap ?? previous.configMaps,
    namespaces: edited.Namespace ?? previous.namespaces,
    resolvedNames,
    problems,
  };
}

function objectsOf(snapshot: Snapshot, kind: Kind): ReadonlyMap<ObjectKey, AnyObject> {
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
    default:
      return kind satisfies never;
  }
}

function unlessSame(before: readonly Problem[], now: readonly Problem[] | undefined): readonly Problem[] {
  if (now === undefined) return before;
  const same =
    before.length === now.length && before.every((problem, index) => isSameProblem(problem, now[index]!));
  return same ? before : now;
}

/** Compares what a reader sees; positions count, since they are the reader's way to the mistake. */
function isSameProblem(a: Problem, b: Problem): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
