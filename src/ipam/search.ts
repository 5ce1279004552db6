/** Where the addresses of one Service come from: those it asks for, the pool it asks for, or any pool it may use. */
import type { IpAddress } from '../model/ip.ts';
import { formatIp } from '../model/ip-text.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { Namespace, Service } from '../model/snapshot.ts';
import type { AddressBook, Refusal } from './address-book.ts';
import { type Pool, type PoolSet, poolOf, poolServes } from './pools.ts';
import { type Family, type Fault, quote, type Request } from './request.ts';

/** Addresses of one pool, IPv4 first; the pool is null while it is not known. */
export interface Grant {
  readonly addresses: readonly IpAddress[];
  readonly pool: string | null;
}

export interface Found {
  /** The very grant from before when there is nothing better. */
  readonly grant: Grant | null;
  readonly fault: Fault | null;
}

/** Everything one search looks at. */
export interface Search {
  readonly service: Service;
  readonly request: Request;
  /** What the Service goes on with otherwise; the book has it entered. */
  readonly before: Grant | null;
  readonly pools: PoolSet;
  readonly namespaces: ReadonlyMap<ObjectKey, Namespace>;
  readonly book: AddressBook;
}

/** The best that can be granted; the caller enters it in the book. */
export function search(at: Search): Found {
  const { request, pools, before } = at;
  if (request.fault !== null) return { grant: before, fault: request.fault };
  if (pools.pools.length === 0) return { grant: before, fault: withoutPools(at) };
  if (request.addresses !== null) return byAddress(at, request.addresses);
  if (request.pool !== null) return byPoolName(at, request.pool);
  return anywhere(at);
}

/** Where nobody made a pool, nobody asked us to give addresses to Services that name no class. */
function withoutPools({ service, pools }: Search): Fault | null {
  if (pools.unreadable.size > 0)
    return {
      reason: 'NoPool',
      field: '',
      message: 'no address pool can be read: correct what is wrong with them',
    };
  if (service.loadBalancerClass === null) return null;
  return { reason: 'NoPool', field: '', message: 'there is no address pool: make an IPAddressPool' };
}

function byAddress(at: Search, wanted: readonly IpAddress[]): Found {
  const { request, before, pools } = at;
  if (before !== null && isSameSet(before.addresses, wanted) && (request.pool ?? before.pool) === before.pool)
    return { grant: before, fault: null };
  const pool = poolOf(pools, wanted[0]!); // a request has one address at least
  const message = addressFault(at, wanted, pool);
  if (message !== null || pool === null) {
    return {
      grant: before,
      fault: { reason: 'AddressUnavailable', field: request.field, message: message ?? '' },
    };
  }
  return { grant: { addresses: wanted.toSorted(ipv4First), pool: pool.name }, fault: null };
}

/** Why addresses that were asked for cannot be given; null when they can. */
function addressFault(at: Search, wanted: readonly IpAddress[], pool: Pool | null): string | null {
  const { request, before, pools, book } = at;
  const texts = wanted.map(formatIp).join(' and ');
  if (pool === null) return `${texts} is in no pool: add it to an IPAddressPool, or ask for another address`;
  if (wanted.some((ip) => poolOf(pools, ip) !== pool))
    return `${texts} are not in one pool: ask for addresses of one pool`;
  if (!poolServes(pool, at.service, at.namespaces))
    return `${texts} belongs to the pool ${quote(pool.name)}, which is not for this Service (spec.serviceAllocation)`;
  if (request.pool !== null && request.pool !== pool.name)
    return `${texts} belongs to the pool ${quote(pool.name)}, but the pool ${quote(request.pool)} is asked for as well: remove one of the two`;
  for (const ip of wanted) {
    if (before?.addresses.some((own) => isSame(own, ip))) continue;
    const refusal = book.refusal(ip, request.claim);
    if (refusal !== null) return `${formatIp(ip)} ${describeRefusal(refusal)}`;
  }
  return null;
}

function byPoolName(at: Search, name: string): Found {
  const { pools, before, request } = at;
  const no = (message: string): Found => ({
    grant: before,
    fault: { reason: 'NoPool', field: request.poolField, message },
  });
  const pool = pools.byName.get(name);
  if (pool === undefined) {
    if (!pools.unreadable.has(name))
      return no(
        `there is no pool ${quote(name)}: make an IPAddressPool of this name, or ask for another one`,
      );
    return before !== null && before.pool === null
      ? { grant: before, fault: null }
      : no(`the pool ${quote(name)} cannot be read: correct it`);
  }
  if (!poolServes(pool, at.service, at.namespaces))
    return no(
      `the pool ${quote(name)} is not for this Service (spec.serviceAllocation): ask for another one`,
    );
  const grant = fromPools({ ...at, before: before?.pool === name ? before : null }, [[pool]]);
  return grant === null
    ? { grant: before, fault: exhausted(at, [pool], request.poolField) }
    : { grant, fault: null };
}

function anywhere(at: Search): Found {
  const usable = at.pools.pools.filter(
    (pool) => pool.object.autoAssign && poolServes(pool, at.service, at.namespaces),
  );
  const pinned = usable.filter(({ object }) => object.serviceAllocation !== null);
  const general = usable.filter(({ object }) => object.serviceAllocation === null);
  const grant = fromPools(at, [pinned, general]);
  return grant === null ? { grant: at.before, fault: exhausted(at, usable, '') } : { grant, fault: null };
}

/**
 * What is there already, completed from its own pool where a family is missing; else new addresses from the first pool
 * that has some, the pools of one group before those of the next. Null when nothing satisfies the request.
 */
function fromPools(at: Search, groups: readonly (readonly Pool[])[]): Grant | null {
  const { request, before, book } = at;
  if (before !== null) {
    const grant = completed(at, before);
    const families = grant.addresses.map(({ family }) => family);
    if (request.choices.some((choice) => isSameFamilies(choice, families))) return grant;
  }
  for (const group of groups) {
    for (const choice of request.choices) {
      for (const pool of group) {
        const addresses = book.find(pool, choice, request.claim);
        if (addresses !== null) return { addresses: addresses.toSorted(ipv4First), pool: pool.name };
      }
    }
  }
  return null;
}

function completed({ request, pools, book }: Search, before: Grant): Grant {
  const missing = (request.choices[0] ?? []).filter(
    (family) => !before.addresses.some((ip) => ip.family === family),
  );
  const home = before.pool === null ? undefined : pools.byName.get(before.pool);
  if (missing.length === 0 || home === undefined) return before;
  const added = book.find(home, missing, request.claim);
  return added === null
    ? before
    : { addresses: [...before.addresses, ...added].sort(ipv4First), pool: before.pool };
}

function exhausted({ request }: Search, pools: readonly Pool[], field: string): Fault {
  if (pools.length === 0) {
    const message =
      'no pool gives addresses to this Service: make an IPAddressPool that does (see its autoAssign and serviceAllocation)';
    return { reason: 'NoPool', field, message };
  }
  const names = pools.slice(0, 5).map(({ name }) => quote(name));
  const which =
    pools.length === 1
      ? `the pool ${names[0]} has`
      : `none of the pools ${names.join(', ')}${pools.length > 5 ? ', …' : ''} has`;
  const what = request.choices
    .map((choice) => choice.map((family) => `IPv${family}`).join(' and '))
    .join(' or ');
  const no = pools.length === 1 ? 'no free' : 'a free';
  const message = `${which} ${no} address (${what}): add addresses to a pool, or delete a Service that needs none`;
  return { reason: 'PoolExhausted', field, message };
}

function describeRefusal(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'reserved':
      return `belongs to ${refusal.by}: ask for another address`;
    case 'port':
      return `is in use by Service ${refusal.by}, which has the same port ${refusal.port}: change the port or ask for another address`;
    case 'held':
      return refusal.why === 'sharing-key'
        ? `is in use by Service ${refusal.by}: give both the same metallb.io/allow-shared-ip, or ask for another address`
        : `is in use by Service ${refusal.by} with another externalTrafficPolicy or, under Local, another selector: make them equal, or ask for another address`;
    default:
      return refusal satisfies never;
  }
}

export function ipv4First(a: IpAddress, b: IpAddress): number {
  return a.family - b.family;
}

function isSame(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.value === b.value;
}

function isSameSet(a: readonly IpAddress[], b: readonly IpAddress[]): boolean {
  return a.length === b.length && a.every((one) => b.some((other) => isSame(one, other)));
}

function isSameFamilies(a: readonly Family[], b: readonly Family[]): boolean {
  return a.length === b.length && a.every((family) => b.includes(family));
}
