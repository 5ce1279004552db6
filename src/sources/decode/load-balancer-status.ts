import { FIELD_MANAGER } from '../../kubernetes/field-manager.ts';
import type { Condition, LoadBalancerIngress, StatusManagers } from '../../model/snapshot.ts';
import { readIp } from '../ip.ts';
import type { Field } from './field.ts';
import { timestamp } from './meta.ts';

const MAX_ADDRESSES = 1000;
const MAX_CONDITIONS = 100;
const MAX_MANAGERS = 10_000;
/** Conditions of others are none of our business. */
const OWN_CONDITIONS = 'tidegate.io/';
const IP_MODES = ['VIP', 'Proxy'] as const;
const STATUSES = ['True', 'False', 'Unknown'] as const;

/** `status.loadBalancer.ingress` of a Service or an Ingress; addresses in their one spelling. */
export function decodeLoadBalancer(status: Field): readonly LoadBalancerIngress[] {
  const items = status.get('loadBalancer').get('ingress').list(MAX_ADDRESSES);
  return items.length === 0 ? NOWHERE : items.map(decodeItem);
}

/** Most objects have none: they share this. */
const NOWHERE: readonly LoadBalancerIngress[] = [];

function decodeItem(item: Field): LoadBalancerIngress {
  const ip = item.get('ip').textOr('');
  const ipMode = item.get('ipMode');
  return {
    ip: readIp(ip)?.address ?? ip,
    hostname: item.get('hostname').textOr(''),
    ipMode: ipMode.present ? ipMode.oneOf(IP_MODES, 'VIP') : null,
  };
}

/** Those of `status.conditions` that we write. */
export function decodeOwnConditions(status: Field): readonly Condition[] {
  const own = status
    .get('conditions')
    .list(MAX_CONDITIONS)
    .filter((condition) => condition.get('type').textOr('').startsWith(OWN_CONDITIONS));
  return own.length === 0 ? NO_CONDITIONS : own.map(decodeCondition);
}

const NO_CONDITIONS: readonly Condition[] = [];

/** Who of us has an entry for the status in `metadata.managedFields` (server-side apply). */
export function decodeStatusManagers(object: Field): StatusManagers {
  const own = object
    .get('metadata')
    .get('managedFields')
    .list(MAX_MANAGERS)
    .filter((entry) => entry.get('subresource').textOr('') === 'status')
    .map((entry) => entry.get('manager').textOr(''))
    .filter((manager) => manager.startsWith(FIELD_MANAGER));
  return own.length === 0 ? NO_MANAGERS : own;
}

const NO_MANAGERS: StatusManagers = [];

function decodeCondition(condition: Field): Condition {
  const generation = condition.get('observedGeneration');
  return {
    type: condition.get('type').textOr(''),
    status: condition.get('status').oneOf(STATUSES, 'Unknown'),
    reason: condition.get('reason').textOr(''),
    message: condition.get('message').present ? condition.get('message').freeText(32_768) : '',
    observedGeneration: generation.present ? generation.integer(0, Number.MAX_SAFE_INTEGER) : 0,
    lastTransitionTime: timestamp(condition.get('lastTransitionTime')),
  };
}
