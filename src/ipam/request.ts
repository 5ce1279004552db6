/** What a Service asks for: families, addresses, pool and company, from its spec and annotations. */
import { type IpAddress, parseIp } from '../model/ip.ts';
import { formatIp } from '../model/ip-text.ts';
import type { ProblemReason } from '../model/problem.ts';
import type { Service } from '../model/snapshot.ts';

export type Family = 4 | 6;

export interface Request {
  /** Which families to try for, best first; the Service is content with the first one only. */
  readonly choices: readonly (readonly Family[])[];
  /** Addresses asked for by value; null for any. */
  readonly addresses: readonly IpAddress[] | null;
  /** Where those stand; '' without. */
  readonly field: string;
  /** Name of the pool asked for; null for any. */
  readonly pool: string | null;
  /** Where that stands; '' without. */
  readonly poolField: string;
  readonly claim: Claim;
  /** Why the request cannot be granted as it stands; null when nothing is wrong with it. */
  readonly fault: Fault | null;
}

/** With whom and with which ports a Service would share an address. */
export interface Claim {
  /** '' for not at all. */
  readonly sharingKey: string;
  /** Where packets go under policy Local: sharers must have the same endpoints. '' under Cluster. */
  readonly backends: string;
  /** `TCP/80`. */
  readonly ports: readonly string[];
}

/** Why a Service did not get what it asks for. */
export interface Fault {
  readonly reason: ProblemReason;
  readonly field: string;
  /** What is wrong and what to do; to be completed with what happens now. */
  readonly message: string;
}

/** Our own prefix first, then MetalLB's, then MetalLB's former one. */
const PREFIXES = ['tidegate.io', 'metallb.io', 'metallb.universe.tf'] as const;

/**
 * Reads the request of a Service of type LoadBalancer; `shareAcrossNamespaces`: one sharing key in two namespaces is
 * the same key.
 */
export function readRequest(service: Service, shareAcrossNamespaces: boolean): Request {
  const families = familiesOf(service);
  const pool = annotation(service, ADDRESS_POOL);
  const wanted = wantedAddresses(service);
  const base = {
    choices: familyChoices(service, families),
    pool: pool?.value ?? null,
    poolField: pool === null ? '' : annotationField(pool.key),
    claim: claimOf(service, shareAcrossNamespaces),
  };
  if ('reason' in wanted) return { ...base, addresses: null, field: wanted.field, fault: wanted };
  const { addresses, field } = wanted;
  return { ...base, addresses, field, fault: familyFault(service, families, addresses, field) };
}

/** Two claims with one text are the same. */
export function claimText({ sharingKey, backends, ports }: Claim): string {
  return JSON.stringify([sharingKey, backends, ports]);
}

const keysOf = (name: string) => PREFIXES.map((prefix) => `${prefix}/${name}`);
const ADDRESS_POOL = keysOf('address-pool');
const SHARING_KEY = keysOf('allow-shared-ip');
const ADDRESSES = keysOf('loadBalancerIPs');

/** The annotation under the first of its `keys` that is there. */
function annotation(
  { meta: { annotations } }: Service,
  keys: readonly string[],
): { readonly key: string; readonly value: string } | null {
  if (annotations.size === 0) return null;
  for (const key of keys) {
    const value = annotations.get(key)?.trim() ?? '';
    if (value !== '') return { key, value };
  }
  return null;
}

function annotationField(key: string): string {
  return `metadata.annotations[${key}]`;
}

/** Those of the cluster IPs, as in MetalLB; without (no Kubernetes is there) what the spec wants. */
function familiesOf(service: Service): readonly Family[] {
  if (service.clusterIps.length > 0) {
    const families = service.clusterIps.map((ip): Family => (ip.includes(':') ? 6 : 4));
    return [...new Set(families)];
  }
  const given = service.ipFamilies.map((name): Family => (name === 'IPv6' ? 6 : 4));
  const first: Family = given[0] ?? 4;
  if (given.length > 1 || service.ipFamilyPolicy !== 'SingleStack') return [first, first === 4 ? 6 : 4];
  return [first];
}

/** MetalLB's table: one family is one address; two are one of each, or with PreferDualStack one of either. */
function familyChoices(service: Service, families: readonly Family[]): readonly (readonly Family[])[] {
  if (families.length < 2) return [families];
  if (service.ipFamilyPolicy !== 'PreferDualStack') return [[4, 6]];
  const first: Family = service.ipFamilies[0] === 'IPv6' ? 6 : 4;
  return [[4, 6], [first], [first === 4 ? 6 : 4]];
}

function claimOf(service: Service, shareAcrossNamespaces: boolean): Claim {
  const key = annotation(service, SHARING_KEY)?.value ?? '';
  return {
    sharingKey: key === '' || shareAcrossNamespaces ? key : `${service.meta.namespace}/${key}`,
    backends: backendsOf(service),
    ports: service.ports.map(({ protocol, port }) => `${protocol}/${port}`),
  };
}

/** Selectors choose pods of the Service's own namespace: equal ones of two namespaces lead to different places. */
function backendsOf({ externalTrafficPolicy, selector, meta }: Service): string {
  if (externalTrafficPolicy !== 'Local') return '';
  return selector === '' ? `=${meta.key}` : `${meta.namespace} ${selector}`;
}

interface Wanted {
  readonly addresses: readonly IpAddress[] | null;
  readonly field: string;
}

function wantedAddresses(service: Service): Wanted | Fault {
  const given = annotation(service, ADDRESSES);
  const inSpec = service.loadBalancerIp?.trim() ?? '';
  if (given === null && inSpec === '') return { addresses: null, field: '' };
  const field = given === null ? 'spec.loadBalancerIP' : annotationField(given.key);
  const text = given?.value ?? inSpec;
  if (given !== null && inSpec !== '' && given.value !== inSpec) {
    return {
      reason: 'InvalidAnnotation',
      field,
      message: `${quote(text)} and spec.loadBalancerIP ${quote(inSpec)} both ask for addresses: remove one of them`,
    };
  }
  const parts = text.length > 256 ? [] : text.split(',').map((part) => parseIp(part.trim()));
  const addresses = parts.filter((ip) => ip !== null);
  if (addresses.length > 0 && addresses.length === parts.length) return { addresses, field };
  return {
    reason: given === null ? 'Invalid' : 'InvalidAnnotation',
    field,
    message: `${quote(text)} must be an IP address, or an IPv4 and an IPv6 address with a comma between`,
  };
}

function familyFault(
  service: Service,
  families: readonly Family[],
  addresses: readonly IpAddress[] | null,
  field: string,
): Fault | null {
  if (service.ipFamilyPolicy === 'RequireDualStack' && families.length < 2) {
    return {
      reason: 'Invalid',
      field: 'spec.ipFamilyPolicy',
      message:
        'is RequireDualStack, but the Service has cluster IPs of one family only: the cluster must have both',
    };
  }
  if (addresses === null) return null;
  const asked = new Set(addresses.map(({ family }) => family));
  if (
    asked.size === addresses.length &&
    asked.size === families.length &&
    families.every((f) => asked.has(f))
  )
    return null;
  const needed = families.length === 2 ? 'one IPv4 and one IPv6 address' : `one IPv${families[0]} address`;
  return {
    reason: field.startsWith('spec') ? 'Invalid' : 'InvalidAnnotation',
    field,
    message: `${quote(addresses.map(formatIp).join(','))} must be ${needed}, as the Service's own families are`,
  };
}

/** For messages; long texts are cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
