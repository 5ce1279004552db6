import type { FilePosition } from '../../model/problem.ts';
import type { Node, NodeAddress, Taint } from '../../model/snapshot.ts';
import { readIp } from '../ip.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';

const MAX_LIST = 1000;
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

/** core/v1 Node, as far as it says who may announce addresses and which networks are the cluster's own. */
export function decodeNode(object: Field, position: FilePosition | null): Node {
  const spec = object.get('spec');
  const status = object.get('status');
  const conditions = status.get('conditions').list(MAX_LIST);
  const isTrue = (type: string) =>
    conditions.some(
      (field) => field.get('type').textOr('') === type && field.get('status').textOr('') === 'True',
    );
  return {
    kind: 'Node',
    meta: decodeMeta(object, 'cluster', position),
    addresses: status.get('addresses').list(MAX_LIST).map(decodeAddress),
    ready: isTrue('Ready'),
    networkUnavailable: isTrue('NetworkUnavailable'),
    unschedulable: spec.get('unschedulable').booleanOr(false),
    taints: spec.get('taints').list(MAX_LIST).map(decodeTaint),
    podCidrs: decodePodCidrs(spec),
  };
}

function decodeAddress(field: Field): NodeAddress {
  const address = field.get('address').textOr('');
  return { type: field.get('type').textOr(''), address: readIp(address)?.address ?? address };
}

function decodeTaint(field: Field): Taint {
  return {
    key: field.get('key').text(),
    value: field.get('value').textOr(''),
    effect: field.get('effect').oneOf(EFFECTS),
  };
}

/** `podCIDR` is the first of `podCIDRs`; old objects have only the one. */
function decodePodCidrs(spec: Field): string[] {
  const all = spec
    .get('podCIDRs')
    .list(MAX_LIST)
    .map((cidr) => cidr.text());
  const first = spec.get('podCIDR').textOr('');
  return all.length > 0 || first === '' ? all : [first];
}
