import { objectKey } from '../../model/keys.ts';
import type { FilePosition } from '../../model/problem.ts';
import type { EndpointSlice, ObjectMeta, SliceEndpoint, SlicePort } from '../../model/snapshot.ts';
import { type IpLiteral, isUnreachable, readIp } from '../ip.ts';
import { decodeSlicePort } from './endpoint-slice.ts';
import type { Field } from './field.ts';
import { decodeMeta } from './meta.ts';

const MAX_SUBSETS = 1000;
const MAX_LIST = 10_000;
const UNSPECIFIED: IpLiteral = { family: 'IPv4', address: '0.0.0.0', scope: 'unspecified' };

/**
 * core/v1 Endpoints as the slices it stands for: one per subset and address family, belonging to the Service of the
 * same name. Their keys contain `:`, which no object's name may, so that they never meet a real slice's.
 */
export function decodeEndpoints(object: Field, position: FilePosition | null): EndpointSlice[] {
  const meta = decodeMeta(object, 'namespaced', position);
  return object
    .get('subsets')
    .list(MAX_SUBSETS)
    .flatMap((subset, index) => decodeSubset(subset, meta, index));
}

function decodeSubset(subset: Field, meta: ObjectMeta, index: number): EndpointSlice[] {
  const ports = subset.get('ports').list(MAX_LIST).map(decodeSlicePort);
  const endpoints = [
    ...subset
      .get('addresses')
      .list(MAX_LIST)
      .map((address) => decodeEndpoint(address, true)),
    ...subset
      .get('notReadyAddresses')
      .list(MAX_LIST)
      .map((address) => decodeEndpoint(address, false)),
  ];
  const slices: EndpointSlice[] = [];
  for (const family of ['IPv4', 'IPv6'] as const) {
    const members = endpoints
      .filter((endpoint) => endpoint.ip.family === family)
      .map(({ endpoint }) => endpoint);
    if (members.length > 0) slices.push(makeSlice(meta, `${index}:${family}`, family, ports, members));
  }
  return slices;
}

function makeSlice(
  meta: ObjectMeta,
  part: string,
  addressType: 'IPv4' | 'IPv6',
  ports: readonly SlicePort[],
  endpoints: readonly SliceEndpoint[],
): EndpointSlice {
  return {
    kind: 'EndpointSlice',
    meta: { ...meta, key: objectKey(meta.namespace, `endpoints:${meta.name}:${part}`) },
    service: meta.key,
    fromEndpoints: true,
    addressType,
    ports,
    endpoints,
  };
}

function decodeEndpoint(field: Field, ready: boolean): { ip: IpLiteral; endpoint: SliceEndpoint } {
  const ip = decodeIp(field.get('ip'));
  const endpoint = {
    addresses: [ip.address],
    ready,
    serving: ready,
    terminating: false,
    nodeName: field.get('nodeName').textOr(null),
    zone: null,
    targetUid: field.get('targetRef').get('uid').textOr(null),
  };
  return { ip, endpoint };
}

function decodeIp(field: Field): IpLiteral {
  const ip = readIp(field.text());
  if (ip !== null && !isUnreachable(ip)) return ip;
  field.mustBe('an IP address of one host (not unspecified, link-local or multicast)');
  return UNSPECIFIED;
}
