/** The routing table as JSON text, in pieces: 100,000 routes are tens of megabytes. */
import { type Certificate, EMPTY_TLS_TABLE, type TlsTable } from '../model/certificate.ts';
import { type Hostname, hostname } from '../model/keys.ts';
import type { HostTable, Route, RoutingTable, Upstream } from '../model/routing-table.ts';

const PIECE_CHARACTERS = 32_768;

/**
 * `{"generation", "hosts": {host: {"host", "paths": {key: route}, "fallback"}}, "upstreams": {key: upstream},
 * "tlsHosts": {host: {"host", "certificates": [id]}}, "certificates": {id: certificate}}`.
 * With `host`, only that host as it is written in the rules (`*.x` for a wildcard, '' for any host) and the
 * upstreams it uses.
 */
export function configText(table: RoutingTable, host: string | null): Generator<string> {
  return gathered(pieces(host === null ? table : onlyHost(table, host)));
}

function onlyHost(table: RoutingTable, host: string): RoutingTable {
  const found = table.hosts.get(hostname(host));
  if (!found) return { ...table, hosts: new Map(), upstreams: new Map(), tls: EMPTY_TLS_TABLE };
  const upstreams = new Map<Upstream['key'], Upstream>();
  for (const route of routesOf(found)) {
    if (route.action.kind !== 'forward') continue;
    const { upstream: inClear, upstreamOverTls = inClear } = route.action;
    for (const key of [inClear, upstreamOverTls]) {
      const upstream = table.upstreams.get(key);
      if (upstream) upstreams.set(upstream.key, upstream);
    }
  }
  return {
    ...table,
    hosts: new Map([[found.host, found]]),
    upstreams,
    tls: onlyTlsHost(table.tls, found.host),
  };
}

function onlyTlsHost(tls: TlsTable, host: Hostname): TlsTable {
  const found = tls.tlsHosts.get(host);
  if (!found) return EMPTY_TLS_TABLE;
  const certificates = found.certificates.map((id) => [id, tls.certificates.get(id)!] as const);
  return { tlsHosts: new Map([[host, found]]), certificates: new Map(certificates) };
}

export function* routesOf(host: HostTable): Generator<Route> {
  yield* host.paths.values();
  if (host.fallback) yield host.fallback;
}

function* pieces(table: RoutingTable): Generator<string> {
  yield `{"generation":${table.generation},"hosts":`;
  yield* objectPieces(table.hosts, hostPieces);
  yield ',"upstreams":';
  yield* objectPieces(table.upstreams, jsonPieces);
  yield ',"tlsHosts":';
  yield* objectPieces(table.tls.tlsHosts, jsonPieces);
  yield ',"certificates":';
  yield* objectPieces(table.tls.certificates, certificatePieces);
  yield '}\n';
}

function* hostPieces(host: HostTable): Generator<string> {
  yield `{"host":${JSON.stringify(host.host)},"paths":`;
  yield* objectPieces(host.paths, jsonPieces);
  yield `,"fallback":${JSON.stringify(host.fallback)}}`;
}

/** Chain and key are redacted by their type. */
function* certificatePieces({ notBefore, notAfter, ...certificate }: Certificate): Generator<string> {
  yield JSON.stringify({
    ...certificate,
    notBefore: new Date(notBefore).toISOString(),
    notAfter: new Date(notAfter).toISOString(),
  });
}

function* jsonPieces(value: unknown): Generator<string> {
  yield JSON.stringify(value);
}

/** Keys in order: two dumps can be compared. */
function* objectPieces<V>(
  map: ReadonlyMap<string, V>,
  valuePieces: (value: V) => Generator<string>,
): Generator<string> {
  let before = '{';
  for (const key of [...map.keys()].sort()) {
    const value = map.get(key)!;
    yield `${before}${JSON.stringify(key)}:`;
    yield* valuePieces(value);
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}

/** Joins small pieces, so that the event loop turns per 32 KiB and not per key. */
function* gathered(small: Iterable<string>): Generator<string> {
  let text = '';
  for (const piece of small) {
    text += piece;
    if (text.length < PIECE_CHARACTERS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
