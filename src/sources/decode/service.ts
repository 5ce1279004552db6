import type { FilePosition } from '../../model/problem.ts';
import type { Protocol, Service, ServicePort } from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';
import { DNS_LABEL, EXTERNAL_NAME, PORT_NAME } from './syntax.ts';

const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const;
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const MAX_PORTS = 10_000;

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
    hasSelector: spec.get('selector').entries(1000).length > 0,
    ipFamilies: spec
      .get('ipFamilies')
      .list(2)
      .map((family) => family.oneOf(['IPv4', 'IPv6'])),
    sessionAffinity: spec.get('sessionAffinity').oneOf(['None', 'ClientIP'], 'None'),
  };
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
    appProtocol: field.get('appProtocol').textOr(null),
  };
}

function decodeTargetPort(field: Field): number | string | null {
  return field.isNumber ? field.integer(1, 65_535) : field.textOr(null, PORT_NAME);
}
