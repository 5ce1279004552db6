import { objectKey } from '../../model/keys.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { EndpointSlice, SliceEndpoint, SlicePort } from '../../model/snapshot.ts';
import { isUnreachable, readIp } from '../ip.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';
import { PROTOCOLS } from './service.ts';
import { DNS_LABEL, DNS_NAME } from './syntax.ts';

const SERVICE_LABEL = 'kubernetes.io/service-name';
// The API server's own bounds (discovery `validation`).
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;

type AddressType = EndpointSlice['addressType'];

/**
 * discovery.k8s.io/v1 EndpointSlice. Loopback addresses are allowed, unlike by the API server, so that a folder of
 * manifests can name local backends.
 */
export function decodeEndpointSlice(object: Field, position: FilePosition | null): EndpointSlice {
  const meta = decodeMeta(object, 'namespaced', position);
  const service = meta.labels.get(SERVICE_LABEL) ?? '';
  const addressType = object.get('addressType').oneOf(['IPv4', 'IPv6', 'FQDN']);
  return {
    kind: 'EndpointSlice',
    meta,
    service: service === '' ? null : objectKey(meta.namespace, service),
    fromEndpoints: false,
    addressType,
    ports: object.get('ports').list(MAX_PORTS).map(decodeSlicePort),
    endpoints: object
      .get('endpoints')
      .list(MAX_ENDPOINTS)
      .map((endpoint) => decodeEndpoint(endpoint, addressType)),
  };
}

/** A port of a slice; `port: null` means that the slice does not restrict it. */
export function decodeSlicePort(field: Field): SlicePort {
  const port = field.get('port');
  return {
    name: field.get('name').textOr('', DNS_LABEL),
    port: port.present ? port.integer(1, 65_535) : null,
    protocol: field.get('protocol').oneOf(PROTOCOLS, 'TCP'),
    appProtocol: field.get('appProtocol').textOr(null),
  };
}

function decodeEndpoint(field: Field, addressType: AddressType): SliceEndpoint {
  const addresses = field.get('addresses');
  const texts = addresses.list(MAX_ADDRESSES).map((address) => decodeAddress(address, addressType));
  if (texts.length === 0) addresses.fail('is required, a list with at least one address');
  const conditions = field.get('conditions');
  const ready = conditions.get('ready').booleanOr(true);
  return {
    addresses: texts,
    ready,
    serving: conditions.get('serving').booleanOr(ready),
    terminating: conditions.get('terminating').booleanOr(false),
    nodeName: field.get('nodeName').textOr(null),
    zone: field.get('zone').textOr(null),
    targetUid: field.get('targetRef').get('uid').textOr(null),
  };
}

function decodeAddress(field: Field, type: AddressType): string {
  if (type === 'FQDN') return field.text(DNS_NAME);
  const ip = readIp(field.text());
  if (ip === null || ip.family !== type) {
    field.mustBe(`an ${type} address`);
    return '';
  }
  if (isUnreachable(ip)) field.mustBe('an address of one host (not unspecified, link-local or multicast)');
  return ip.address;
}
