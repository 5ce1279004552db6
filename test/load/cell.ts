/**
 * A cell is one manifest file: some hosts, the Services they lead to and who serves these, always changed as a
 * whole. A cell never changes; an edit gives the next version of it.
 */

import type { Random } from '../fuzz/random.ts';
import { ingress, type KubeObject, type PathRule, service, speaking } from '../kit/manifests.ts';

export const CELLS = 20;
export const HOSTS = 10;
/** Services of a cell. Each is served by backends that never serve another, so that a wrong route shows. */
export const SERVICES = 3;
/** The one whose backends speak HTTP/2. */
export const HTTP2_SERVICE = 2;

/** What is asked for, and the Service that the path leads to; null for the one that moves. */
export const PATHS = [
  { path: '/', pathType: 'Prefix', service: 0 },
  { path: '/api', pathType: 'Prefix', service: 1 },
  { path: '/api/exact', pathType: 'Exact', service: 2 },
  { path: '/moving', pathType: 'Prefix', service: null },
] as const;

export interface Cell {
  readonly index: number;
  /** Grows with each edit; written into the file, so that one can tell from a table which version it holds. */
  readonly version: number;
  /** For each host, the Service of its moving path. */
  readonly moving: readonly number[];
  /** For each Service, the names of its backends. */
  readonly backends: readonly (readonly string[])[];
  /** Hosts that come and go, which nobody asks for. */
  readonly strangers: readonly number[];
}

export type Edit = (cell: Cell) => Cell;

/** A route under test as one number. */
export function routeOf(cell: number, host: number, path: number): number {
  return (cell * HOSTS + host) * PATHS.length + path;
}

export const ROUTES = CELLS * HOSTS * PATHS.length;

/** The inverse of {@link routeOf}. */
export function placeOf(route: number): { cell: number; host: number; path: number } {
  const host = Math.floor(route / PATHS.length);
  return { cell: Math.floor(host / HOSTS), host: host % HOSTS, path: route % PATHS.length };
}

export function hostName(cell: number, host: number): string {
  return `host-${host}.cell-${cell}.test`;
}

/** The host whose only path says which version of the cell is live. */
export function versionHost(cell: number): string {
  return `version.cell-${cell}.test`;
}

/** Who is right to answer a route when this version is live. */
export function rightBackends(cell: Cell, route: number): readonly string[] {
  const { host, path } = placeOf(route);
  return cell.backends[PATHS[path]!.service ?? cell.moving[host]!]!;
}

/** The first version: `backends` by Service, the moving paths spread over the Services. */
export function firstCell(index: number, backends: readonly (readonly string[])[]): Cell {
  const moving = Array.from({ length: HOSTS }, (_, host) => host % SERVICES);
  return { index, version: 1, moving, backends, strangers: [] };
}

/** Some paths move to other Services, and a stranger comes or goes. */
export function randomEdit(random: Random): Edit {
  return (cell) => {
    const moving = [...cell.moving];
    for (let moves = random.int(1, 3); moves > 0; moves--)
      moving[random.int(0, HOSTS - 1)] = random.int(0, SERVICES - 1);
    const stranger = random.int(0, 9);
    const known = cell.strangers.includes(stranger);
    const strangers = known
      ? cell.strangers.filter((each) => each !== stranger)
      : [...cell.strangers, stranger];
    return { ...cell, version: cell.version + 1, moving, strangers };
  };
}

/** A backend begins to serve one of the Services. */
export function addBackend(index: number, name: string): Edit {
  return (cell) => ({
    ...cell,
    version: cell.version + 1,
    backends: cell.backends.map((names, at) => (at === index ? [...names, name] : names)),
  });
}

/** A backend serves none of the Services any more. */
export function removeBackend(name: string): Edit {
  return (cell) => ({
    ...cell,
    version: cell.version + 1,
    backends: cell.backends.map((names) => names.filter((each) => each !== name)),
  });
}

/** The same again, as a version of its own: mends a file that was broken. */
export const repeat: Edit = (cell) => ({ ...cell, version: cell.version + 1 });

/** The objects of a cell; `ports` says where backends listen. */
export function cellObjects(cell: Cell, ports: ReadonlyMap<string, number>): KubeObject[] {
  const serviceName = (index: number) => `cell-${cell.index}-service-${index}`;
  const rules = (host: number): PathRule[] =>
    PATHS.map((each) => ({
      path: each.path,
      pathType: each.pathType,
      service: serviceName(each.service ?? cell.moving[host]!),
    }));
  const name = (host: number | string) => `cell-${cell.index}-host-${host}`;
  return [
    ingress(`cell-${cell.index}-version`, versionHost(cell.index), [
      { path: `/${cell.version}`, service: serviceName(0) },
    ]),
    ...cell.moving.map((_, host) => ingress(name(host), hostName(cell.index, host), rules(host))),
    ...cell.strangers.map((stranger) =>
      ingress(name(`stranger-${stranger}`), `stranger-${stranger}.cell-${cell.index}.test`, rules(0)),
    ),
    ...cell.backends.flatMap((names, index) => {
      const objects = service(
        serviceName(index),
        names.map((each) => ports.get(each)!),
      );
      return index === HTTP2_SERVICE ? speaking('kubernetes.io/h2c', objects) : objects;
    }),
  ];
}
