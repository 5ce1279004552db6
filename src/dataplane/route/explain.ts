/**
 * What would happen to a request, and why: the reasoning of the matcher spelled out, for `tidegate explain`.
 * It follows the linear reference, not the fast table; a test keeps the two in agreement.
 */
import { domainToASCII } from 'node:url';
import { type Hostname, hostname, type PathKey } from '../../model/keys.ts';
import { describeObject, type ObjectRef, type Problem } from '../../model/problem.ts';
import type { HostTable, Route, RoutingTable } from '../../model/routing-table.ts';
import type { ListenerConfig } from '../config.ts';
import { isAuthority } from '../message/authority.ts';
import { askedFor, passedThrough, redirected, tlsHostOf, uncertified } from './explain-tls.ts';
import type { Considered, ConsideredPath, Explanation, Outcome } from './explanation.ts';
import { hostMatches, isMoreSpecific, owningHost, pathMatches } from './linear.ts';
import { normalizePath } from './path.ts';

export interface ExplainedRequest {
  readonly scheme: string;
  /** The value of Host: with port where there is one. */
  readonly authority: string;
  /** As it would be sent: with dot segments and escapes, without query. */
  readonly path: string;
}

/** Paths that do not match are listed up to this many: a host may have thousands. */
const MAX_MISSES = 20;

/**
 * Takes a URL as a client would type it; gives null when it is none. Keeps the path as it is, unlike `URL`, but for
 * letters that no request can have, which clients escape (and of a host write in Punycode).
 */
export function explainedRequest(url: string, hostHeader: string | null): ExplainedRequest | null {
  const parts = /^(https?):\/\/([^/?#@\s]+)([^?#\s]*)/i.exec(url);
  if (parts === null) return null;
  const [, scheme = '', typed = '', path = ''] = parts;
  const authority = hostHeader ?? typed.replace(/^[^:[]*[^\0-\x7f][^:]*/, domainToASCII);
  return {
    scheme: scheme.toLowerCase(),
    authority,
    path: path === '' ? '/' : path.replace(/[^\0-\x7f]+/g, (text) => encodeURIComponent(text.toWellFormed())),
  };
}

export function explain(
  table: RoutingTable,
  problems: readonly Problem[],
  listeners: readonly ListenerConfig[],
  request: ExplainedRequest,
): Explanation {
  const [host, port] = splitAuthority(request.authority);
  const owning = owningHost(table, host);
  const path = normalizePath(request.path);
  const refused = isAuthority(request.authority) ? (path === null ? REFUSED : null) : notAHost(request);
  const tlsHost = tlsHostOf(table.tls, host);
  const overTls = request.scheme === 'https';
  const passed = overTls ? passedThrough(tlsHost, table) : null;
  const found = path === null || refused !== null ? NOTHING_FOUND : findRoute(table, owning, path.match);
  const outcome =
    passed ??
    refused ??
    (overTls ? null : redirected(tlsHost, host, found.route, path)) ??
    uncertified(tlsHost, found.route, overTls) ??
    outcomeOf(table, host, owning, found.route, overTls);
  return {
    listener: chooseListener(listeners, request.scheme, port),
    host,
    hosts: considerHosts(table, host, owning),
    path,
    paths: passed === null ? found.paths : [],
    outcome,
    clientCertificate: overTls && passed === null ? askedFor(tlsHost) : null,
    problems: problemsAbout(problems, outcome),
  };
}

const NOTHING_FOUND = { route: null, paths: [] };

const REFUSED: Outcome = {
  kind: 'answered',
  status: 400,
  why: 'the path has a malformed escape or an encoded NUL, or climbs above the root',
  route: null,
};

function notAHost({ authority }: ExplainedRequest): Outcome {
  const why = `the Host "${authority}" is not a host with or without a port`;
  return { kind: 'answered', status: 400, why, route: null };
}

function splitAuthority(authority: string): [host: string, port: number | null] {
  const port = /:(\d+)$/.exec(authority)?.[1];
  const host = port === undefined ? authority : authority.slice(0, -port.length - 1);
  return [hostname(host), port === undefined ? null : Number(port)];
}

function chooseListener(
  listeners: readonly ListenerConfig[],
  scheme: string,
  port: number | null,
): Explanation['listener'] {
  const sameScheme = listeners.filter((listener) => listener.scheme === scheme);
  const first = sameScheme[0];
  if (first === undefined) return { chosen: null, why: `no listener speaks ${scheme}` };
  const samePort = sameScheme.find((listener) => listener.port === port);
  if (samePort !== undefined) return { chosen: samePort, why: `listens for ${scheme} on port ${port}` };
  if (port === null) return { chosen: first, why: `listens for ${scheme}` };
  const ports = sameScheme.map((listener) => listener.port).join(', ');
  return { chosen: first, why: `nothing listens on port ${port}; explained as if it came in on ${ports}` };
}

function considerHosts(table: RoutingTable, host: string, owning: HostTable | null): Considered[] {
  const matching = [...table.hosts.keys()].filter((name) => hostMatches(name, host));
  return matching.map((name) => {
    const chosen = name === owning?.host;
    const how =
      name === '' ? 'takes any host' : name.startsWith('*.') ? 'takes one label more' : 'is the same';
    return {
      name,
      chosen,
      why: chosen ? how : `${how}, but "${owning?.host}" is more specific and owns the request`,
    };
  });
}

interface Found {
  readonly route: Route | null;
  readonly paths: readonly ConsideredPath[];
}

function findRoute(table: RoutingTable, owning: HostTable | null, match: string): Found {
  const entries = [...(owning?.paths ?? [])].sort(
    ([a], [b]) => Number(isMoreSpecific(b, a)) - Number(isMoreSpecific(a, b)),
  );
  const hits = entries.filter(([key]) => pathMatches(key, match));
  const misses = entries.filter(([key]) => !pathMatches(key, match)).slice(0, MAX_MISSES);
  const paths = [
    ...hits.map(([key, route], i) => considered(key, route, i === 0, i === 0 ? WHY_HIT : WHY_LESS)),
    ...misses.map(([key, route]) => considered(key, route, false, whyMiss(key, match))),
  ];
  let route = hits[0]?.[1] ?? null;
  for (const source of new Set([owning, table.hosts.get('' as Hostname) ?? null])) {
    const fallback = source?.fallback ?? null;
    if (fallback === null) continue;
    paths.push(consideredFallback(fallback, route === null));
    route ??= fallback;
  }
  return { route, paths };
}

const WHY_HIT = 'the longest path that matches';
const WHY_LESS = 'matches, but a longer or exact path does too';

function considered(key: PathKey, route: Route, chosen: boolean, why: string): ConsideredPath {
  const kind = key.startsWith('=') ? 'exact' : 'prefix';
  return { name: route.path, chosen, why, kind, origin: route.origin };
}

function consideredFallback(route: Route, chosen: boolean): ConsideredPath {
  const of = route.host === '' ? 'the default backend of any host' : `the default backend of "${route.host}"`;
  return {
    name: '',
    chosen,
    why: chosen ? `${of}: no path matched` : `${of}, not needed`,
    kind: 'fallback',
    origin: route.origin,
  };
}

function whyMiss(key: PathKey, match: string): string {
  const rule = key.slice(1);
  if (key.startsWith('='))
    return match === `${rule}/` || `${match}/` === rule ? 'differs by the final slash' : 'is not the same';
  if (match.startsWith(rule)) return 'ends inside a path segment';
  if (match.toLowerCase().startsWith(rule.toLowerCase())) return 'differs in upper and lower case';
  return 'is not a prefix';
}

function outcomeOf(
  table: RoutingTable,
  host: string,
  owning: HostTable | null,
  route: Route | null,
  overTls: boolean,
): Outcome {
  if (route === null) {
    const why =
      owning === null
        ? `no route is for host "${host}"`
        : `no path of ${owning.host === '' ? 'any host' : `host "${owning.host}"`} matches, and there is no default backend`;
    return { kind: 'answered', status: 404, why, route };
  }
  if (route.action.kind === 'unavailable') {
    return { kind: 'answered', status: 503, why: `backend ${route.action.service} cannot be used`, route };
  }
  const { upstream: inClear, upstreamOverTls = inClear } = route.action;
  const upstream = table.upstreams.get(overTls ? upstreamOverTls : inClear)!; // a table names only upstreams that it has
  if (upstream.endpoints.length > 0) return { kind: 'forwarded', route, upstream };
  return { kind: 'answered', status: 503, why: `upstream ${upstream.key} has no endpoint`, route };
}

function problemsAbout(problems: readonly Problem[], outcome: Outcome): Problem[] {
  const { route } = outcome;
  if (route === null) return [];
  const { action, origin } = route;
  const service = (action.kind === 'forward' ? action.upstream : action.service).split(':')[0];
  const about = new Set([describeObject(origin), `Service ${service}`]);
  return problems.filter(({ object }) => object !== null && about.has(describeObject(object as ObjectRef)));
}
