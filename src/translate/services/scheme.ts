/** What is spoken to a backend, and whether it is spoken over TLS. */
import type { UpstreamProtocol } from '../../model/routing-table.ts';

export interface Scheme {
  readonly protocol: UpstreamProtocol;
  readonly secure: boolean;
}

export const HTTP: Scheme = { protocol: 'http1', secure: false };
export const HTTPS: Scheme = { protocol: 'http1', secure: true };
export const GRPC: Scheme = { protocol: 'http2', secure: false };
export const GRPCS: Scheme = { protocol: 'http2', secure: true };

/** By `appProtocol` of Services and EndpointSlices (KEP-3726, IANA service names), upper and lower case as they are. */
const BY_APP_PROTOCOL: ReadonlyMap<string, Scheme> = new Map([
  ['http', HTTP],
  ['kubernetes.io/ws', HTTP],
  ['https', HTTPS],
  ['kubernetes.io/wss', HTTPS],
  ['kubernetes.io/h2c', GRPC],
  ['grpc', GRPC],
]);

/** null: not known here. */
export function schemeOf(appProtocol: string): Scheme | null {
  return BY_APP_PROTOCOL.get(appProtocol) ?? null;
}

/** `http`, `https`, `http2` or `https2`: how a scheme is named in keys. */
export function schemeText({ protocol, secure }: Scheme): string {
  return `${secure ? 'https' : 'http'}${protocol === 'http2' ? '2' : ''}`;
}
