/** What a speaker announces, as MetalLB's ServiceL2Status and ServiceBGPStatus. */
import { createHash } from 'node:crypto';
import type { Resource } from '../kubernetes/resource.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { SpeakerReport } from '../model/speaker-report.ts';

export type StatusKind = 'ServiceL2Status' | 'ServiceBGPStatus';

/** One object; there is one for each node, Service and kind at most. */
export interface AnnouncementStatus {
  readonly kind: StatusKind;
  readonly name: string;
  readonly service: ObjectKey;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: Readonly<Record<string, unknown>>;
}

const GROUP = { group: 'metallb.io', version: 'v1beta1' } as const;

export const STATUS_RESOURCES: Readonly<Record<StatusKind, Resource>> = {
  ServiceL2Status: { ...GROUP, plural: 'servicel2statuses' },
  ServiceBGPStatus: { ...GROUP, plural: 'servicebgpstatuses' },
};

export const NODE_LABEL = 'metallb.io/node';
export const NAME_LABEL = 'metallb.io/service-name';
export const NAMESPACE_LABEL = 'metallb.io/service-namespace';
const MAX_LABEL = 63;

/** By name. */
export function announcementStatuses({ node, addresses }: SpeakerReport): Map<string, AnnouncementStatus> {
  const interfaces = new Map<ObjectKey, Set<string>>();
  const peers = new Map<ObjectKey, Set<string>>();
  const add = (to: Map<ObjectKey, Set<string>>, service: ObjectKey, names: readonly string[]) =>
    to.set(service, new Set([...(to.get(service) ?? []), ...names]));
  for (const { service, bgp, layer2 } of addresses) {
    if (layer2.state === 'announcing') add(interfaces, service, layer2.interfaces);
    if (bgp.peers.length > 0) add(peers, service, bgp.peers);
  }
  const l2 = [...interfaces].map(([service, names]) =>
    object('ServiceL2Status', node, service, { interfaces: [...names].sort().map((name) => ({ name })) }),
  );
  const bgp = [...peers].map(([service, names]) =>
    object('ServiceBGPStatus', node, service, { peers: [...names].sort() }),
  );
  return new Map([...l2, ...bgp].map((status) => [status.name, status]));
}

/** The same name each time, so that a speaker that starts anew meets what it wrote before. */
function object(
  kind: StatusKind,
  node: string,
  service: ObjectKey,
  status: Readonly<Record<string, unknown>>,
): AnnouncementStatus {
  const [namespace = '', name = ''] = service.split('/');
  const hash = createHash('sha256').update(`${node}\n${service}`).digest('hex').slice(0, 20);
  return {
    kind,
    name: `${kind === 'ServiceL2Status' ? 'l2' : 'bgp'}-${hash}`,
    service,
    // Node names may be longer than labels; nothing depends on them.
    labels: {
      [NODE_LABEL]: labelOf(node),
      [NAME_LABEL]: labelOf(name),
      [NAMESPACE_LABEL]: namespace,
    },
    status: { node, serviceName: name, serviceNamespace: namespace, ...status },
  };
}

export function labelOf(text: string): string {
  return text.slice(0, MAX_LABEL).replace(/[^A-Za-z0-9]+$/, '');
}
