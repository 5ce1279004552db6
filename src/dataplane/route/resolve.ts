/** From a request's head to its route and the target that goes upstream. Hot path. */
import type { RequestHead } from '../message/request-head.ts';
import { normalizePath } from './path.ts';
import type { LiveTable } from './table.ts';

/** What was found for a request; one object for all, valid until the next call. */
export interface Resolved<T> {
  route: T | null;
  /** The path that was matched, with the query as sent. */
  target: string;
}

const resolved: Resolved<unknown> = { route: null, target: '' };

/** Finds the route; null for a path that must be refused (400). */
export function resolveRoute<T extends object>(table: LiveTable<T>, head: RequestHead): Resolved<T> | null {
  const out = resolved as Resolved<T>;
  const { target } = head;
  if (target === '*') {
    out.route = null;
    out.target = target;
    return out;
  }
  const path = head.pathLength === target.length ? target : target.slice(0, head.pathLength);
  const host = requestHost(head.authority);
  if (head.plainPath) {
    out.route = table.match(host, path);
    out.target = target;
    return out;
  }
  const normal = normalizePath(path);
  if (normal === null) return null;
  out.route = table.match(host, normal.match);
  out.target = normal.forward === path ? target : normal.forward + target.slice(head.pathLength);
  return out;
}

/** The host of an authority in its one spelling: no port, lower case, no final dot. */
export function requestHost(authority: string): string {
  let end = authority.length;
  const colon = authority.lastIndexOf(':');
  if (colon >= 0 && colon > authority.lastIndexOf(']')) end = colon;
  if (end > 0 && authority.charCodeAt(end - 1) === 46) end--;
  return authority.slice(0, end).toLowerCase();
}
