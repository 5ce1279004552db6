/** One upstream of the routing table: a Service port and how it is balanced. */
import type { ObjectKey, UpstreamKey } from '../../model/keys.ts';
import type { Problem } from '../../model/problem.ts';
import { type ProblemText, problemOf } from '../../model/problem-of.ts';
import type { BalancePolicy, Endpoint, ServiceRef, Upstream } from '../../model/routing-table.ts';
import type { EndpointSlice, PortRef, ResolvedName, Service, ServicePort } from '../../model/snapshot.ts';
import type { UpstreamTls } from '../../model/upstream-tls.ts';
import type { ExternalNameOptions } from '../options.ts';
import { isSameData } from '../same-data.ts';
import { type EndpointSet, endpointSet, isSlicePort } from './endpoints.ts';
import { externalEndpoints } from './external-name.ts';
import { findServicePort, portText } from './port.ts';
import { HTTP, type Scheme, schemeOf } from './scheme.ts';

/** What routes ask for. */
export interface UpstreamSpec {
  readonly key: UpstreamKey;
  readonly service: ObjectKey;
  readonly ref: ServiceRef;
  readonly port: PortRef;
  readonly balance: BalancePolicy;
  /** null: as the Service and its slices say. */
  readonly scheme: Scheme | null;
  /** For when that is one with TLS. */
  readonly tls: UpstreamTls;
}

/** What there is to make it from. */
export interface UpstreamInputs {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  readonly resolvedNames: ReadonlyMap<string, ResolvedName>;
  readonly externalNames: ExternalNameOptions;
}

export interface UpstreamPart {
  readonly upstream: Upstream;
  /** The DNS name its endpoints come from; null for a Service with slices. */
  readonly externalName: string | null;
  readonly problems: readonly Problem[];
}

/** `previous` is given back when it still holds. */
export function buildUpstream(
  spec: UpstreamSpec,
  inputs: UpstreamInputs,
  previous: Upstream | null,
): UpstreamPart {
  const { service } = inputs;
  const port = findServicePort(service, spec.port);
  const scheme = spec.scheme ?? declaredScheme(port, spec.port, inputs.slices);
  if (service.type === 'ExternalName') {
    const found = externalEndpoints(service, port, spec.port, inputs.resolvedNames, inputs.externalNames);
    return part(spec, service, scheme, found.endpoints, found.name, found.problem, previous);
  }
  const set = endpointSet(service, port, spec.port, inputs.slices);
  const problem = set.endpoints.length > 0 ? null : noEndpoints(service, port, spec.port, inputs.slices, set);
  return part(spec, service, scheme, set.endpoints, null, problem, previous);
}

/** The Service's word counts; slices repeat it, except those that somebody made by hand. */
function declaredScheme(port: ServicePort | null, wanted: PortRef, slices: readonly EndpointSlice[]): Scheme {
  if (port !== null && port.appProtocol !== null) return schemeOf(port.appProtocol) ?? HTTP;
  const named = slices
    .flatMap(({ meta, ports }) => ports.map((each) => ({ key: meta.key, port: each })))
    .filter((each) => each.port.appProtocol !== null && isSlicePort(each.port, port, wanted))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return schemeOf(named[0]?.port.appProtocol ?? '') ?? HTTP;
}

function part(
  spec: UpstreamSpec,
  service: Service,
  scheme: Scheme,
  endpoints: readonly Endpoint[],
  externalName: string | null,
  problem: ProblemText | null,
  previous: Upstream | null,
): UpstreamPart {
  const { key, ref, balance } = spec;
  const tls = scheme.secure ? spec.tls : null;
  const upstream: Upstream = { key, service: ref, protocol: scheme.protocol, tls, balance, endpoints };
  return {
    upstream: isSameData(previous, upstream) ? previous! : upstream,
    externalName,
    problems: problem === null ? [] : [problemOf(service, problem)],
  };
}

/** A warning: pods come and go, and a folder of manifests often holds none. */
function noEndpoints(
  service: Service,
  port: ServicePort | null,
  wanted: PortRef,
  slices: readonly EndpointSlice[],
  set: EndpointSet,
): ProblemText {
  const why = set.seen > 0 ? `none of ${set.seen} endpoints is ready` : nothingOffered(slices);
  return {
    severity: 'warning',
    reason: 'NoEndpoints',
    field: port === null ? 'spec.ports' : `spec.ports[${service.ports.indexOf(port)}]`,
    message: `port ${describePort(port, wanted)}: ${why}; requests are answered 503 until there is a ready one`,
  };
}

function nothingOffered(slices: readonly EndpointSlice[]): string {
  if (slices.length === 0) return 'the Service has no EndpointSlice';
  if (slices.every((slice) => slice.endpoints.length === 0)) return 'its EndpointSlices hold no endpoint';
  const ofAddresses = slices.filter((slice) => slice.addressType !== 'FQDN');
  if (ofAddresses.length === 0)
    return 'its EndpointSlices hold names (addressType FQDN), which are not supported';
  return `its EndpointSlices have no endpoint for it, they offer ${offered(ofAddresses)}`;
}

function describePort(port: ServicePort | null, wanted: PortRef): string {
  if (port === null) return portText(wanted);
  return port.name === '' ? `${port.port}` : `${port.port} ("${port.name}")`;
}

function offered(slices: readonly EndpointSlice[]): string {
  const ports = slices.flatMap((slice) =>
    slice.ports.map(({ name, port, protocol }) => {
      const own = name === '' ? `${port ?? 'any port'} without a name` : `"${name}"`;
      return protocol === 'TCP' ? own : `${own} (${protocol})`;
    }),
  );
  return [...new Set(ports)].sort().join(', ') || 'no port';
}
