import { parsePrefix } from '../../model/ip.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { Protocol, Service, ServicePort } from '../../model/snapshot.ts';
import { readIp } from '../ip.ts';
import type { Field } from './field.ts';
import { decodeLoadBalancer, decodeOwnConditions, decodeStatusManagers } from './load-balancer-status.ts';
import { decodeMeta } from './meta.ts';
import { DNS_LABEL, EXTERNAL_NAME, PORT_NAME } from './syntax.ts';

const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const;
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const POLICIES = ['Cluster', 'Local'] as const;
const MAX_PORTS = 10_000;
const MAX_LIST = 1000;
const DEFAULT_AFFINITY_SECONDS = 10_800;

/** core/v1 Service, checked as the API server does (`ValidateService`) in what the data plane uses. */
export function decodeService(object: Field, position: FilePosition | null): Service {
  const spec = object.get('spec');
  const type = spec.get('type').oneOf(TYPES, 'ClusterIP');
  const headless = spec.get('clusterIP').textOr('') === 'None';
  return {
    kind: 'Service',
    meta: decodeMeta(object, 'namespaced', position, DNS_LABEL),
    type,
    headless,
    externalName: type === 'ExternalName' ? decodeExternalName(spec.get('externalName')) : null,
    ports: decodePorts(spec.get('ports'), type !== 'ExternalName' && !headless),
    selector: decodeSelector(spec.get('selector')),
    ipFamilies: decodeList(spec.get('ipFamilies'), 2, (family) => family.oneOf(['IPv4', 'IPv6'])),
    ipFamilyPolicy: spec.get('ipFamilyPolicy').oneOf(FAMILY_POLICIES, 'SingleStack'),
    clusterIps: decodeClusterIps(spec),
    externalIps: decodeList(spec.get('externalIPs'), MAX_LIST, decodeIp),
    sessionAffinity: spec.get('sessionAffinity').oneOf(['None', 'ClientIP'], 'None'),
    affinitySeconds: spec
      .get('sessionAffinityConfig')
      .get('clientIP')
      .get('timeoutSeconds')
      .integerOr(DEFAULT_AFFINITY_SECONDS, 1, 86_400),
    externalTrafficPolicy: spec.get('externalTrafficPolicy').oneOf(POLICIES, 'Cluster'),
    internalTrafficPolicy: spec.get('internalTrafficPolicy').oneOf(POLICIES, 'Cluster'),
    healthCheckNodePort: spec.get('healthCheckNodePort').integerOr(0, 0, 65_535),
    allocateNodePorts: spec.get('allocateLoadBalancerNodePorts').booleanOr(true),
    loadBalancerClass: spec.get('loadBalancerClass').textOr(null),
    loadBalancerIp: spec.get('loadBalancerIP').textOr(null),
    loadBalancerSourceRanges: decodeList(spec.get('loadBalancerSourceRanges'), MAX_LIST, decodePrefix),
    loadBalancer: decodeLoadBalancer(object.get('status')),
    conditions: decodeOwnConditions(object.get('status')),
    statusManagers: decodeStatusManagers(object),
  };
}

const FAMILY_POLICIES = ['SingleStack', 'PreferDualStack', 'RequireDualStack'] as const;

/** Most lists of most Services are empty: those share one. */
const NOTHING: readonly never[] = [];

function decodeList<T>(field: Field, maxLength: number, decode: (element: Field) => T): readonly T[] {
  const elements = field.list(maxLength);
  return elements.length === 0 ? NOTHING : elements.map(decode);
}

function decodeSelector(field: Field): string {
  return field
    .entries(MAX_LIST)
    .map(([key, value]) => `${key}=${value.freeText(MAX_LIST)}`)
    .sort()
    .join(',');
}

/** `clusterIPs`, or the one `clusterIP` of an object from before there were two families. */
function decodeClusterIps(spec: Field): readonly string[] {
  const list = spec.get('clusterIPs');
  const fields = list.present ? list.list(2) : [spec.get('clusterIP')];
  const given = fields.filter((field) => !['', 'None'].includes(field.textOr('')));
  return given.length === 0 ? NOTHING : given.map(decodeIp);
}

function decodeIp(field: Field): string {
  const text = field.text();
  const ip = readIp(text);
  if (ip === null && text !== '') field.mustBe('an IP address');
  return ip?.address ?? '';
}

function decodePrefix(field: Field): string {
  const text = field.text().trim();
  if (parsePrefix(text) === null) field.mustBe('a prefix like "10.0.0.0/8"');
  return text;
}

function decodeExternalName(field: Field): string {
  return field.text(EXTERNAL_NAME).toLowerCase().replace(/\.$/, '');
}

function decodePorts(field: Field, required: boolean): ServicePort[] {
  const fields = field.list(MAX_PORTS);
  if (required && fields.length === 0) field.fail('is required, a list with at least one port');
  const names = new Set<string>();
  const numbers = new Set<string>();
  return fields.map((portField) => {
    const port = decodePort(portField);
    if (fields.length > 1 && port.name === '')
      portField.get('name').fail('is required when there are several ports');
    else if (names.has(port.name))
      portField.get('name').fail(`${JSON.stringify(port.name)} is used by a port above`);
    const number = `${port.port}/${port.protocol}`;
    if (numbers.has(number)) portField.get('port').fail(`${number} is used by a port above`);
    names.add(port.name);
    numbers.add(number);
    return port;
  });
}

function decodePort(field: Field): ServicePort {
  return {
    name: field.get('name').textOr('', DNS_LABEL),
    port: field.get('port').integer(1, 65_535),
    protocol: field.get('protocol').oneOf(PROTOCOLS, 'TCP'),
    targetPort: decodeTargetPort(field.get('targetPort')),
    nodePort: field.get('nodePort').integerOr(0, 0, 65_535),
    appProtocol: field.get('appProtocol').textOr(null),
  };
}

function decodeTargetPort(field: Field): number | string | null {
  return field.isNumber ? field.integer(1, 65_535) : field.textOr(null, PORT_NAME);
}
