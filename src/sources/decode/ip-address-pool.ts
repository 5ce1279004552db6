import { parseIp } from '../../model/ip.ts';
import { parseRange, rangesOverlap } from '../../model/ip-range.ts';
import type { IpAddressPool, PoolAddresses, PoolUsage, ServiceAllocation } from '../../model/metallb.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { Field } from './field.ts';
import { decodeLabelSelectors, failRepeated } from './label-selector.ts';
import { decodeMeta } from './meta.ts';
import { DNS_LABEL } from './syntax.ts';

const MAX_LIST = 1000;

/** metallb.io/v1beta1 IPAddressPool. Whether it overlaps other pools is not known here. */
export function decodeIpAddressPool(object: Field, position: FilePosition | null): IpAddressPool {
  const spec = object.get('spec');
  const allocation = spec.get('serviceAllocation');
  const status = object.get('status');
  return {
    kind: 'IPAddressPool',
    meta: decodeMeta(object, 'namespaced', position),
    addresses: decodeAddresses(spec.get('addresses')),
    autoAssign: spec.get('autoAssign').booleanOr(true),
    avoidBuggyIps: spec.get('avoidBuggyIPs').booleanOr(false),
    serviceAllocation: allocation.present ? decodeAllocation(allocation) : null,
    usage: status.present ? decodeUsage(status) : null,
  };
}

function decodeAddresses(field: Field): PoolAddresses[] {
  const fields = field.list(MAX_LIST);
  if (fields.length === 0) field.fail('is required, a list with at least one range');
  const entries: PoolAddresses[] = [];
  for (const entry of fields) {
    const text = entry.text();
    const range = parseRange(text);
    if (range === null) {
      if (text !== '') entry.mustBe(expected(text));
      continue;
    }
    const other = entries.find((earlier) => rangesOverlap(earlier, range));
    if (other !== undefined)
      entry.fail(`${JSON.stringify(text)} overlaps ${JSON.stringify(other.text)} above`);
    entries.push({ ...range, text });
  }
  return entries;
}

function expected(text: string): string {
  const ip = parseIp(text.trim());
  if (ip !== null)
    return `a prefix or a range; for this one address write "${text.trim()}/${ip.family === 4 ? 32 : 128}"`;
  return 'a prefix like "192.0.2.0/28", or a range "first-last" of one family with the lower address first';
}

function decodeAllocation(field: Field): ServiceAllocation {
  const namespaces = field.get('namespaces').list(MAX_LIST);
  const names = namespaces.map((name) => name.text(DNS_LABEL));
  failRepeated(namespaces, names);
  const priority = field.get('priority');
  return {
    priority: priority.present ? priority.integer(-2_147_483_648, 2_147_483_647) : 0,
    namespaces: names,
    namespaceSelectors: decodeLabelSelectors(field.get('namespaceSelectors')),
    serviceSelectors: decodeLabelSelectors(field.get('serviceSelectors')),
  };
}

function decodeUsage(status: Field): PoolUsage {
  const count = (name: string) => status.get(name).countOr(0);
  return {
    assignedIPv4: count('assignedIPv4'),
    assignedIPv6: count('assignedIPv6'),
    availableIPv4: count('availableIPv4'),
    availableIPv6: count('availableIPv6'),
  };
}
