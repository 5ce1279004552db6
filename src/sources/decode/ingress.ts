import type { FilePosition } from '../../model/problem.ts';
import type {
  Ingress,
  IngressBackend,
  IngressPath,
  IngressRule,
  IngressTls,
  PortRef,
} from '../../model/snapshot.ts';
import type { Field } from './field.ts';
import { decodeLoadBalancer, decodeStatusManagers } from './load-balancer-status.ts';
import { decodeMeta } from './meta.ts';
import { DNS_LABEL, DNS_NAME, INGRESS_HOST, NORMAL_PATH, PORT_NAME, SPECIFIC_PATH } from './syntax.ts';

const PATH_TYPES = ['Exact', 'Prefix', 'ImplementationSpecific'] as const;
/** Far above what fits into an object that an API server stores (1.5 MiB). */
const MAX_LIST = 20_000;

/** networking.k8s.io/v1 Ingress, checked as the API server does (`ValidateIngressSpec`). */
export function decodeIngress(object: Field, position: FilePosition | null): Ingress {
  const spec = object.get('spec');
  const defaultBackend = spec.get('defaultBackend');
  const ruleList = spec.get('rules');
  const rules = ruleList.list(MAX_LIST);
  if (rules.length === 0 && !defaultBackend.present)
    ruleList.fail('is required when there is no defaultBackend');
  return {
    kind: 'Ingress',
    meta: decodeMeta(object, 'namespaced', position),
    className: spec.get('ingressClassName').textOr(null, DNS_NAME),
    defaultBackend: defaultBackend.present ? decodeBackend(defaultBackend) : null,
    rules: rules.map(decodeRule),
    tls: spec.get('tls').list(MAX_LIST).map(decodeTls),
    loadBalancer: decodeLoadBalancer(object.get('status')),
    statusManagers: decodeStatusManagers(object),
  };
}

function decodeRule(rule: Field): IngressRule {
  const http = rule.get('http');
  return {
    host: rule.get('host').textOr('', INGRESS_HOST).toLowerCase(),
    paths: http.present ? decodePaths(http.get('paths')) : null,
  };
}

function decodePaths(field: Field): IngressPath[] {
  const paths = field.list(MAX_LIST);
  if (paths.length === 0) field.fail('is required, a list with at least one path');
  return paths.map(decodePath);
}

function decodePath(field: Field): IngressPath {
  const pathType = field.get('pathType').oneOf(PATH_TYPES);
  const path = field.get('path');
  return {
    path: pathType === 'ImplementationSpecific' ? path.textOr('', SPECIFIC_PATH) : path.text(NORMAL_PATH),
    pathType,
    backend: decodeBackend(field.get('backend')),
  };
}

function decodeBackend(field: Field): IngressBackend {
  const service = field.get('service');
  const resource = field.get('resource');
  if (service.present === resource.present) {
    field.fail(
      service.present
        ? 'must not have both a service and a resource'
        : 'is required, with a service or a resource',
    );
  }
  if (resource.present) {
    return {
      kind: 'resource',
      apiGroup: resource.get('apiGroup').textOr('', DNS_NAME),
      resource: resource.get('kind').text(),
      name: resource.get('name').text(),
    };
  }
  // The problem above says it all: do not also ask for the fields of a service that is not there.
  if (!service.present) return { kind: 'service', name: '', port: { kind: 'number', number: 1 } };
  return {
    kind: 'service',
    name: service.get('name').text(DNS_LABEL),
    port: decodePort(service.get('port')),
  };
}

function decodePort(field: Field): PortRef {
  const number = field.get('number');
  const name = field.get('name');
  const named = name.textOr(null, PORT_NAME);
  if (named !== null) {
    if (number.present) field.fail('must not have both a number and a name');
    return { kind: 'name', name: named };
  }
  if (number.present) return { kind: 'number', number: number.integer(1, 65_535) };
  field.fail('is required, with a number or a name');
  return { kind: 'number', number: 1 };
}

function decodeTls(field: Field): IngressTls {
  return {
    hosts: field
      .get('hosts')
      .list(MAX_LIST)
      .map((host) => host.text(INGRESS_HOST).toLowerCase()),
    secretName: field.get('secretName').textOr(null, DNS_NAME),
  };
}
