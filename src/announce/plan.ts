/** What one node announces, worked out from the objects, and what is wrong with it. Pure. */
import type { ObjectKey } from '../model/keys.ts';
import { matchesAny } from '../model/label-selector.ts';
import type { Problem } from '../model/problem.ts';
import { problemOf } from '../model/problem-of.ts';
import type { ExposedService } from '../model/service-address.ts';
import type { Node, Snapshot } from '../model/snapshot.ts';
import { type NodePlan, planNode } from './bgp/plan.ts';
import { type Layer2Plan, planLayer2 } from './layer2/plan.ts';
import type { Layer2Wanted } from './layer2/speaker.ts';

export interface AnnouncementInput {
  /** Only with objects of metallb.io that count. */
  readonly sources: Snapshot;
  /** The one that we run on. */
  readonly node: Node;
  readonly services: readonly ExposedService[];
  /** Also announce from nodes that are to be left out of load balancing. */
  readonly ignoreExcludeLabel: boolean;
  /** Names of the interfaces of this host. */
  readonly interfaces: ReadonlySet<string>;
}

export interface AnnouncementPlan {
  readonly node: Node;
  readonly services: readonly ExposedService[];
  readonly bgp: NodePlan;
  readonly layer2: Layer2Plan;
  /** Nodes that may announce on layer 2, and where they are reached. */
  readonly speakers: Layer2Wanted['peers'];
  readonly problems: readonly Problem[];
}

export function planAnnouncements(input: AnnouncementInput): AnnouncementPlan {
  const { sources, node, services, ignoreExcludeLabel } = input;
  const nodes = withOwnNode(sources.nodes, node);
  const common = { services, namespace: null, ignoreExcludeLabel };
  const bgp = planNode({ ...common, sources, node });
  const layer2 = planLayer2({ ...common, sources: { ...sources, nodes } });
  return {
    node,
    services,
    bgp,
    layer2,
    speakers: speakersOf(sources, nodes),
    problems: [...bgp.problems, ...interfaceProblems(input)],
  };
}

function withOwnNode(nodes: Snapshot['nodes'], node: Node): Snapshot['nodes'] {
  return nodes.has(node.meta.key) ? nodes : new Map<ObjectKey, Node>([...nodes, [node.meta.key, node]]);
}

/** Whoever an advertisement selects: who has local endpoints changes too often to be asked who lives. */
function speakersOf({ l2Advertisements }: Snapshot, nodes: Snapshot['nodes']): Layer2Wanted['peers'] {
  const selected = [...nodes.values()].filter(({ meta }) =>
    [...l2Advertisements.values()].some(({ nodeSelectors }) => matchesAny(nodeSelectors, meta.labels)),
  );
  return selected.map(({ meta, addresses }) => ({
    node: meta.name,
    addresses: addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  }));
}

function interfaceProblems({ sources, node, interfaces }: AnnouncementInput): Problem[] {
  const present = [...interfaces].sort().join(', ');
  return [...sources.l2Advertisements.values()]
    .filter(({ nodeSelectors }) => matchesAny(nodeSelectors, node.meta.labels))
    .flatMap((object) =>
      object.interfaces.flatMap((name, index) => {
        if (interfaces.has(name)) return [];
        const message = `node ${node.meta.name} has no interface ${JSON.stringify(name)} (it has ${present}); nothing is announced there from it.`;
        return [
          problemOf(object, {
            severity: 'warning',
            reason: 'InterfaceNotFound',
            field: `spec.interfaces[${index}]`,
            message,
          }),
        ];
      }),
    );
}
