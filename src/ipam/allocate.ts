/**
 * Pools, Services and what they had before → who has which address. Pure, worked out from nothing each time, and
 * independent of the order of its input.
 *
 * An address is only given up for a better one: whoever has one keeps it as long as a pool that may serve the Service
 * has it, even while a new wish cannot be granted. First everybody keeps what they had, then wishes are granted, then
 * the rest gets what is free.
 */
import { type IpAddress, parseIp } from '../model/ip.ts';
import { formatIp } from '../model/ip-text.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import { problemOf } from '../model/problem-of.ts';
import type { Namespace, Service } from '../model/snapshot.ts';
import { AddressBook } from './address-book.ts';
import { type PoolSet, poolOf, poolServes } from './pools.ts';
import { claimText, type Fault, type Request, readRequest } from './request.ts';
import { type Grant, ipv4First, search } from './search.ts';

export interface AllocationInput {
  readonly pools: PoolSet;
  /** Those that want addresses from us. */
  readonly services: Iterable<Service>;
  readonly namespaces: ReadonlyMap<ObjectKey, Namespace>;
  /** Addresses (as text) that nobody may get, with what has them. */
  readonly reserved: ReadonlyMap<string, string>;
  readonly previous: ReadonlyMap<ObjectKey, Previous>;
  /** Whether one sharing key in two namespaces is the same key. */
  readonly shareAcrossNamespaces: boolean;
}

/** What a Service had: from its status, or from the allocation before. */
export interface Previous {
  readonly addresses: readonly string[];
  /** With whom it shared, as {@link Allocation.claim} says; null when that is not known (after a start). */
  readonly claim: string | null;
}

/** What one Service has now. */
export interface Allocation {
  readonly service: ObjectKey;
  /** IPv4 before IPv6; empty for none. */
  readonly addresses: readonly string[];
  /** The pool all of them belong to; null without addresses, or while the pool is not known. */
  readonly pool: string | null;
  /** Equal texts share on equal terms. */
  readonly claim: string;
  /** Why it is not all that was asked for, and what happens now; null when it is. */
  readonly fault: Fault | null;
}

export interface Allocations {
  readonly byService: ReadonlyMap<ObjectKey, Allocation>;
  /** Of Services and of pools. */
  readonly problems: readonly Problem[];
}

/** A Service with what it asks for. */
interface Applicant {
  readonly service: Service;
  readonly request: Request;
  readonly key: ObjectKey;
  readonly claimText: string;
}

/** Each round can free addresses that others wait for; more rounds than this nobody needs. */
const MAX_ROUNDS = 8;

/** Gives every Service of `services` its entry. */
export function allocate(input: AllocationInput): Allocations {
  const { shareAcrossNamespaces } = input;
  const applicants = Array.from(input.services, (one) => applicant(one, shareAcrossNamespaces)).sort(byAge);
  let previous = input.previous;
  for (let round = 1; ; round++) {
    const { allocations, moved } = allocateOnce(input, applicants, previous);
    const waiting = moved && [...allocations.values()].some(({ fault }) => fault !== null);
    if (!waiting || round === MAX_ROUNDS) {
      return {
        byService: allocations,
        problems: [...input.pools.problems, ...problemsOf(applicants, allocations)],
      };
    }
    previous = allocations;
  }
}

function applicant(service: Service, shareAcrossNamespaces: boolean): Applicant {
  const request = readRequest(service, shareAcrossNamespaces);
  return { service, request, key: service.meta.key, claimText: claimText(request.claim) };
}

interface Round {
  readonly allocations: Map<ObjectKey, Allocation>;
  /** Somebody changed from one address to another, so that one became free. */
  readonly moved: boolean;
}

function allocateOnce(
  input: AllocationInput,
  applicants: readonly Applicant[],
  previous: ReadonlyMap<ObjectKey, Previous>,
): Round {
  const book = new AddressBook(input.reserved);
  const kept = new Map<ObjectKey, Grant>();
  for (const one of inOrderOfKeeping(applicants, previous)) {
    const grant = keep(one, previous.get(one.key), input, book);
    if (grant !== null) kept.set(one.key, grant);
  }
  const granted = new Map<ObjectKey, Allocation>();
  let moved = false;
  for (const one of inOrderOfGranting(applicants)) {
    const before = kept.get(one.key) ?? null;
    const { service, request } = one;
    const { pools, namespaces } = input;
    const { grant, fault } = search({ service, request, before, pools, namespaces, book });
    if (grant !== before) {
      moved ||= before?.addresses.some((ip) => !grant?.addresses.includes(ip)) === true;
      exchange(one, before, grant, book);
    }
    granted.set(one.key, allocationOf(one, grant, fault));
  }
  return { allocations: new Map(applicants.map(({ key }) => [key, granted.get(key)!])), moved };
}

/** What of the previous addresses the Service may go on with; it is entered in the book. */
function keep(
  { service, request, key }: Applicant,
  previous: Previous | undefined,
  input: AllocationInput,
  book: AddressBook,
): Grant | null {
  if (previous === undefined || previous.addresses.length === 0) return null;
  const families = new Set(request.choices.flat());
  const addresses: IpAddress[] = [];
  let pool: string | null | undefined;
  for (const text of previous.addresses) {
    const ip = parseIp(text);
    if (ip === null || !families.has(ip.family) || book.refusal(ip, request.claim) !== null) continue;
    const home = homeOf(ip, service, input);
    if (home === undefined) continue;
    // Both stay although their pools are two by now; new ones would come from one.
    pool ??= home;
    families.delete(ip.family);
    book.take(key, ip, request.claim);
    addresses.push(ip);
  }
  return addresses.length === 0 ? null : { addresses: addresses.sort(ipv4First), pool: pool ?? null };
}

/**
 * The pool in which a Service may keep an address; undefined for none. While no pool is known, or one cannot be read,
 * an address of no pool stays: a slip in a pool must not take the addresses of all that use it.
 */
function homeOf(
  ip: IpAddress,
  service: Service,
  { pools, namespaces }: AllocationInput,
): string | null | undefined {
  const pool = poolOf(pools, ip);
  if (pool !== null) return poolServes(pool, service, namespaces, true) ? pool.name : undefined;
  return pools.unreadable.size > 0 || pools.pools.length === 0 ? null : undefined;
}

function exchange(
  { key, request }: Applicant,
  before: Grant | null,
  after: Grant | null,
  book: AddressBook,
): void {
  for (const ip of before?.addresses ?? []) book.release(key, ip);
  for (const ip of after?.addresses ?? []) book.take(key, ip, request.claim);
}

/**
 * Whoever changed with whom or on which ports it shares is looked at last, so that the change costs itself the
 * address and not those it shares with.
 */
function inOrderOfKeeping(
  applicants: readonly Applicant[],
  previous: ReadonlyMap<ObjectKey, Previous>,
): Applicant[] {
  const changed = ({ key, claimText }: Applicant): number => {
    const before = previous.get(key)?.claim ?? null;
    return before === null || before === claimText ? 0 : 1;
  };
  return inSteps(applicants, changed);
}

/** Who asks for an address by value is looked at before those who take any. */
function inOrderOfGranting(applicants: readonly Applicant[]): Applicant[] {
  const unspecific = ({ request }: Applicant): number =>
    request.addresses !== null ? 0 : request.pool !== null ? 1 : 2;
  return inSteps(applicants, unspecific);
}

/** By `step` (0, 1 or 2), otherwise as they stand: a sort that asks once for each. */
function inSteps(applicants: readonly Applicant[], step: (one: Applicant) => number): Applicant[] {
  const steps: Applicant[][] = [[], [], []];
  for (const one of applicants) steps[step(one)]?.push(one);
  return steps.flat();
}

function byAge({ service: { meta: a } }: Applicant, { service: { meta: b } }: Applicant): number {
  return a.creationTimestamp - b.creationTimestamp || (a.key < b.key ? -1 : 1);
}

function allocationOf({ key, claimText }: Applicant, grant: Grant | null, fault: Fault | null): Allocation {
  const addresses = grant?.addresses.map(formatIp) ?? [];
  const now = addresses.length > 0 ? `it keeps ${addresses.join(' and ')}` : 'it has no address';
  const told = fault && { ...fault, message: `${fault.message}; until then ${now}` };
  return { service: key, addresses, pool: grant?.pool ?? null, claim: claimText, fault: told };
}

function problemsOf(
  applicants: readonly Applicant[],
  allocations: ReadonlyMap<ObjectKey, Allocation>,
): Problem[] {
  return applicants.flatMap(({ service, key }) => {
    const { addresses, fault } = allocations.get(key)!;
    if (fault === null) return [];
    const severity = addresses.length > 0 ? 'warning' : 'error';
    return problemOf(service, { severity, ...fault });
  });
}
