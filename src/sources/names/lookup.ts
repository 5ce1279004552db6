/** One question to DNS about one name, and what follows from the answers. */
import { Resolver, lookup as systemLookup } from 'node:dns/promises';
import { readIp } from '../ip.ts';

export interface Answer {
  /** Canonical and sorted; empty when the name does not exist. */
  readonly addresses: readonly string[];
  /** Why there is no address, or why the addresses are old ones; null when all is well. */
  readonly error: string | null;
  /** How long the answer holds, in milliseconds. */
  readonly holdsMs: number;
}

export interface LookupOptions {
  /** `address` or `address:port`; those of the system when empty. */
  readonly servers: readonly string[];
  /** What knows the hosts file: gives the addresses, or rejects when there are none. */
  readonly hosts?: (name: string) => Promise<readonly string[]>;
  /** Of one attempt of two. */
  readonly timeoutMs?: number;
}

export type Lookup = (name: string, previous: Answer | undefined) => Promise<Answer>;

const SECOND = 1000;
/** Bounds for what a DNS server says: 0 would make us ask all the time, a week would make a move invisible. */
const MIN_TTL_S = 1;
const MAX_TTL_S = 300;
/** The hosts file has no TTL. */
const HOSTS_HOLD_MS = 30 * SECOND;
const RETRY_MS = 5 * SECOND;

/** What one record type (A or AAAA) gave. */
type Records =
  | { readonly kind: 'found'; readonly addresses: readonly string[]; readonly ttl: number }
  /** NXDOMAIN, or no record of this type: an answer, not a failure. */
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly code: string };

/**
 * Makes a function that resolves a name, A and AAAA together. A name that DNS does not know is looked up in the
 * hosts file; when DNS fails, the addresses of `previous` stay.
 */
export function createLookup({
  servers,
  hosts = systemHosts,
  timeoutMs = 2 * SECOND,
}: LookupOptions): Lookup {
  return async (name, previous) => {
    // One for each question, which takes 0.1 ms: after a malformed answer a resolver fails all it was asked so far.
    const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
    if (servers.length > 0) resolver.setServers(servers);
    const [v4, v6] = await Promise.all([
      records(resolver.resolve4(name, { ttl: true })),
      records(resolver.resolve6(name, { ttl: true })),
    ]);
    return judge(name, v4, v6, previous, hosts);
  };
}

async function judge(
  name: string,
  v4: Records,
  v6: Records,
  previous: Answer | undefined,
  hosts: (name: string) => Promise<readonly string[]>,
): Promise<Answer> {
  const failure = [v4, v6].find((records) => records.kind === 'failed');
  const old = previous?.addresses ?? [];
  const addresses = canonical([...addressesOf(v4, old, 'IPv4'), ...addressesOf(v6, old, 'IPv6')]);
  if (addresses.length > 0) {
    const ttls = [v4, v6].flatMap((records) => (records.kind === 'found' ? [records.ttl] : []));
    if (failure === undefined) return { addresses, error: null, holdsMs: clampTtl(Math.min(...ttls)) };
    const error = `${describe(name, failure.code)}; its last known addresses stay in use`;
    return { addresses, error: ttls.length > 0 ? null : error, holdsMs: RETRY_MS };
  }
  try {
    const addresses = canonical(await hosts(name));
    if (addresses.length > 0) return { addresses, error: null, holdsMs: HOSTS_HOLD_MS };
  } catch {
    // Not in the hosts file either: what DNS said is what the user should read.
  }
  const error = failure ? describe(name, failure.code) : `DNS knows no address of "${name}"`;
  return { addresses: [], error, holdsMs: RETRY_MS };
}

function clampTtl(seconds: number): number {
  return Math.min(Math.max(seconds, MIN_TTL_S), MAX_TTL_S) * SECOND;
}

async function records(query: Promise<{ address: string; ttl: number }[]>): Promise<Records> {
  try {
    const found = await query;
    if (found.length === 0) return { kind: 'none' };
    const ttl = Math.min(...found.map((record) => record.ttl));
    return { kind: 'found', addresses: found.map((record) => record.address), ttl };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return code === 'ENOTFOUND' || code === 'ENODATA' ? { kind: 'none' } : { kind: 'failed', code };
  }
}

/** A record type that failed keeps the addresses it had; the other one's answer must not cost them. */
function addressesOf(records: Records, old: readonly string[], family: 'IPv4' | 'IPv6'): readonly string[] {
  switch (records.kind) {
    case 'found':
      return records.addresses;
    case 'none':
      return [];
    case 'failed':
      return old.filter((address) => readIp(address)?.family === family);
    default:
      return records satisfies never;
  }
}

function canonical(addresses: readonly string[]): string[] {
  return [...new Set(addresses.flatMap((text) => readIp(text)?.address ?? []))].sort();
}

function describe(name: string, code: string): string {
  return `DNS could not be asked about "${name}" (${code.replace(/^E/, '')})`;
}

async function systemHosts(name: string): Promise<readonly string[]> {
  return (await systemLookup(name, { all: true })).map(({ address }) => address);
}
