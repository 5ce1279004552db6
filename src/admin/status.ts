/** What the dashboard shows, as one bounded JSON value. */
import { STATUS_CLASSES } from '../dataplane/messages.ts';
import { describeObject, type Problem } from '../model/problem.ts';
import { describeService, type Route, type RoutingTable } from '../model/routing-table.ts';
import { routesOf } from './config-dump.ts';
import type { AdminView, Readiness } from './view.ts';

export interface Status {
  readonly version: string;
  readonly readiness: Readiness;
  readonly uptimeSeconds: number;
  readonly generation: number;
  readonly hosts: number;
  readonly routes: number;
  readonly upstreams: number;
  readonly connections: number;
  readonly connectionsTotal: number;
  /** Totals since the start, of all series; `errors` are answers of 500 and above. */
  readonly requests: number;
  readonly errors: number;
  readonly workers: readonly { readonly worker: number; readonly gauges: Readonly<Record<string, number>> }[];
  readonly problems: {
    readonly errors: number;
    readonly warnings: number;
    readonly shown: readonly Problem[];
  };
  /** The busiest first, at most {@link MAX_ROWS}. */
  readonly rows: readonly StatusRow[];
  /** How many rows there are for the filter. */
  readonly rowsFound: number;
}

/** All paths of one host that one object sends to one service. */
export interface StatusRow {
  readonly host: string;
  readonly object: string;
  readonly service: string;
  readonly paths: readonly string[];
  readonly pathCount: number;
  readonly endpoints: number;
  /** Totals since the start; a client makes rates of them. */
  readonly requests: number;
  readonly errors: number;
  readonly durationSum: number;
}

const MAX_ROWS = 200;
const MAX_PATHS = 5;
const MAX_PROBLEMS = 100;

/** `filter` is a part of a host, object or service; '' for all. */
export function status(view: AdminView, filter: string): Status {
  const table = view.table();
  const problems = view.problems();
  const { rows: all, routes } = rowsOf(table);
  const wanted = filter.toLowerCase();
  const found = all.filter(
    (row) =>
      wanted === '' ||
      row.host.includes(wanted) ||
      row.object.includes(wanted) ||
      row.service.includes(wanted),
  );
  const rows = found.map((row) => withTraffic(row, view)).sort((a, b) => b.requests - a.requests);
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  return {
    version: view.version,
    readiness: view.readiness(),
    uptimeSeconds: Math.floor(process.uptime()),
    generation: table.generation,
    hosts: table.hosts.size,
    routes,
    upstreams: table.upstreams.size,
    connections: view.metrics.gauge('connections'),
    connectionsTotal: view.metrics.counters.get('connections_total') ?? 0,
    ...totals(view),
    workers: [...view.metrics.workers].map(([worker, gauges]) => ({ worker, gauges })),
    problems: { errors, warnings: problems.length - errors, shown: problems.slice(0, MAX_PROBLEMS) },
    rows: rows.slice(0, MAX_ROWS),
    rowsFound: found.length,
  };
}

function totals(view: AdminView): { requests: number; errors: number } {
  let requests = 0;
  let errors = 0;
  for (const series of view.metrics.series.values()) {
    requests += series.requests.reduce((sum, count) => sum + count, 0);
    errors += series.requests[SERVER_ERRORS]!;
  }
  return { requests, errors };
}

const SERVER_ERRORS = STATUS_CLASSES.indexOf('5xx');

interface TableRow {
  readonly host: string;
  readonly object: string;
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly paths: string[];
  pathCount: number;
  readonly endpoints: number;
}

interface Rows {
  readonly rows: readonly TableRow[];
  readonly routes: number;
}

/** A poll every two seconds must not walk 100,000 routes each time. */
const knownRows = new WeakMap<RoutingTable, Rows>();

function rowsOf(table: RoutingTable): Rows {
  const known = knownRows.get(table);
  if (known) return known;
  const rows = new Map<string, TableRow>();
  let routes = 0;
  for (const host of table.hosts.values()) {
    for (const route of routesOf(host)) {
      routes++;
      const fresh = rowFor(table, route);
      const key = `${fresh.host}\n${fresh.object}\n${fresh.service}`;
      const row = rows.get(key) ?? fresh;
      rows.set(key, row);
      row.pathCount++;
      if (row.paths.length < MAX_PATHS) row.paths.push(route.path === '' ? 'default' : route.path);
    }
  }
  const made = { rows: [...rows.values()], routes };
  knownRows.set(table, made);
  return made;
}

function rowFor(table: RoutingTable, route: Route): TableRow {
  const { action, origin, host } = route;
  const upstream = action.kind === 'forward' ? table.upstreams.get(action.upstream) : undefined;
  const service =
    action.kind === 'unavailable' ? action.service : upstream ? describeService(upstream.service) : '';
  return {
    host,
    object: describeObject(origin),
    namespace: origin.namespace,
    name: origin.name,
    service,
    paths: [],
    pathCount: 0,
    endpoints: upstream?.endpoints.length ?? 0,
  };
}

function withTraffic(row: TableRow, view: AdminView): StatusRow {
  const { host, object, service, paths, pathCount, endpoints, namespace, name } = row;
  const series = view.metrics.series.get({ host, namespace, ingress: name, service });
  const requests = series ? series.requests.reduce((sum, count) => sum + count, 0) : 0;
  const errors = series?.requests[SERVER_ERRORS] ?? 0;
  return {
    host,
    object,
    service,
    paths,
    pathCount,
    endpoints,
    requests,
    errors,
    durationSum: series?.durationSum ?? 0,
  };
}
