/** From what an Ingress names as backend to what a route does. */
import type { ObjectKey, UpstreamKey } from '../../model/keys.ts';
import { objectKey } from '../../model/keys.ts';
import type { ProblemText } from '../../model/problem-of.ts';
import {
  type BalancePolicy,
  describeService,
  type RouteAction,
  type ServiceRef,
} from '../../model/routing-table.ts';
import type { IngressBackend, PortRef, Service, ServicePort } from '../../model/snapshot.ts';
import { UNVERIFIED_TLS, type UpstreamTls } from '../../model/upstream-tls.ts';
import type { TranslateOptions } from '../options.ts';
import { findServicePort, portText } from '../services/port.ts';
import { HTTP, HTTPS, type Scheme, schemeOf, schemeText } from '../services/scheme.ts';
import type { UpstreamSpec } from '../services/upstream.ts';
import { type BackendAsked, type BackendSecret, upstreamTls } from '../tls/upstream-tls.ts';

export interface ResolvedBackend {
  readonly action: RouteAction;
  /** The upstreams of a `forward` action. */
  readonly upstreams: readonly UpstreamSpec[];
  /** Fields relative to the backend. */
  readonly problem: ProblemText | null;
}

/** What is looked up: everything is in the Ingress's own namespace. */
export interface BackendContext {
  readonly namespace: string;
  readonly balance: BalancePolicy;
  readonly asked: BackendAsked;
  readonly secret: BackendSecret;
  readonly services: ReadonlyMap<ObjectKey, Service>;
  readonly options: TranslateOptions;
}

/**
 * A backend that cannot be resolved gives a route that answers 503 and a problem; it recovers as soon as the
 * objects change.
 */
export function resolveBackend(backend: IngressBackend, context: BackendContext): ResolvedBackend {
  if (backend.kind === 'resource') {
    const named = `${backend.resource} ${backend.name}${backend.apiGroup === '' ? '' : ` of ${backend.apiGroup}`}`;
    return unavailable(`${context.namespace}/${backend.name}`, {
      severity: 'error',
      reason: 'UnsupportedBackend',
      field: 'resource',
      message: `${named}: only Services are supported as backends; requests are answered 503`,
    });
  }
  const ref: ServiceRef = { namespace: context.namespace, name: backend.name, port: portText(backend.port) };
  const service = context.services.get(objectKey(ref.namespace, ref.name));
  if (service === undefined) {
    return unavailable(describeService(ref), {
      severity: 'error',
      reason: 'ServiceNotFound',
      field: 'service.name',
      message: `there is no Service ${ref.namespace}/${ref.name}; requests are answered 503 until there is one`,
    });
  }
  const port = findServicePort(service, backend.port);
  const refusal =
    refusedType(service, context.options) ??
    missingPort(service, backend.port, port) ??
    refusedPort(service, port);
  if (refusal !== null) return unavailable(describeService(ref), refusal);
  const tls = upstreamTls(context.asked, context.secret, service);
  const upstreamFor = (scheme: Scheme | null): UpstreamSpec => ({
    key: upstreamKey(ref, scheme, tls, context),
    service: service.meta.key,
    ref,
    port: backend.port,
    balance: context.balance,
    scheme,
    tls,
  });
  const { scheme } = context.asked;
  if (scheme === 'as-client') return forwardAsClient(upstreamFor(HTTP), upstreamFor(HTTPS));
  const upstream = upstreamFor(scheme);
  return {
    action: { kind: 'forward', upstream: upstream.key },
    upstreams: [upstream],
    problem: scheme === null ? unknownProtocol(service, port) : null,
  };
}

function forwardAsClient(inClear: UpstreamSpec, overTls: UpstreamSpec): ResolvedBackend {
  return {
    action: { kind: 'forward', upstream: inClear.key, upstreamOverTls: overTls.key },
    upstreams: [inClear, overTls],
    problem: null,
  };
}

/** The backend of a route that must not be forwarded, whatever it is; why is said elsewhere. */
export function closedBackend(backend: IngressBackend, namespace: string): ResolvedBackend {
  const port = backend.kind === 'service' ? `:${portText(backend.port)}` : '';
  const service = `${namespace}/${backend.name}${port}`;
  return { action: { kind: 'unavailable', service }, upstreams: [], problem: null };
}

function unavailable(service: string, problem: ProblemText): ResolvedBackend {
  return { action: { kind: 'unavailable', service }, upstreams: [], problem };
}

function refusedType(service: Service, options: TranslateOptions): ProblemText | null {
  if (service.type !== 'ExternalName' || options.externalNames.enabled) return null;
  return {
    severity: 'error',
    reason: 'NameRefused',
    field: 'service.name',
    message: `Service ${service.meta.key} is of type ExternalName, and those are switched off; requests are answered 503`,
  };
}

/** A Service without any declared port (headless, ExternalName) takes the number that the route gives. */
function missingPort(service: Service, wanted: PortRef, found: ServicePort | null): ProblemText | null {
  if (found !== null || (service.ports.length === 0 && wanted.kind === 'number')) return null;
  const offered = service.ports.map((port) =>
    port.name === '' ? `${port.port}` : `${port.port} ("${port.name}")`,
  );
  const isTarget = service.ports.find((port) => `${port.targetPort}` === portText(wanted));
  const hint =
    isTarget === undefined ? '' : `; ${portText(wanted)} is the targetPort of port ${isTarget.port}`;
  return {
    severity: 'error',
    reason: 'PortNotFound',
    field: `service.port.${wanted.kind}`,
    message:
      `Service ${service.meta.key} has no port ${portText(wanted)}, it has ${offered.join(', ') || 'none'}${hint}; ` +
      'requests are answered 503 until it has',
  };
}

function refusedPort(service: Service, port: ServicePort | null): ProblemText | null {
  if (port === null || port.protocol === 'TCP') return null;
  return {
    severity: 'error',
    reason: 'UnsupportedProtocol',
    field: 'service.port',
    message: `port ${port.port} of Service ${service.meta.key} is ${port.protocol}, an Ingress needs TCP; requests are answered 503`,
  };
}

function unknownProtocol(service: Service, port: ServicePort | null): ProblemText | null {
  const protocol = port?.appProtocol ?? null;
  if (protocol === null || schemeOf(protocol) !== null) return null;
  return {
    severity: 'warning',
    reason: 'UnsupportedProtocol',
    field: 'service.port',
    message: `port ${port!.port} of Service ${service.meta.key} has appProtocol "${protocol}", which is not known; HTTP/1.1 is spoken to it`,
  };
}

/** `ns/name:port`, and what the Ingress says of it where that is not the default: such routes need pools of their own. */
function upstreamKey(
  ref: ServiceRef,
  scheme: Scheme | null,
  tls: UpstreamTls,
  { balance, options }: BackendContext,
): UpstreamKey {
  const own = balanceText(balance);
  const parts = [describeService(ref)];
  if (own !== balanceText(options.defaultBalance)) parts.push(own);
  if (scheme !== null) parts.push(schemeText(scheme));
  if (tls !== UNVERIFIED_TLS) parts.push(`tls:${tls.id}`);
  return parts.join(';') as UpstreamKey;
}

function balanceText(balance: BalancePolicy): string {
  if (balance.kind !== 'hash') return balance.kind;
  const { by } = balance;
  return `hash:${by.kind}${'name' in by ? `:${by.name}` : ''}`;
}
