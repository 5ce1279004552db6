/** The endpoint set of one Service port, from its EndpointSlices. */
import type { Endpoint } from '../../model/routing-table.ts';
import type {
  EndpointSlice,
  PortRef,
  Service,
  ServicePort,
  SliceEndpoint,
  SlicePort,
} from '../../model/snapshot.ts';

export interface EndpointSet {
  /** Sorted by address and port, without duplicates. */
  readonly endpoints: readonly Endpoint[];
  /** How many were looked at, usable or not: says why a set is empty. */
  readonly seen: number;
}

/** Which endpoints serve: the first of these that is not empty. */
const READY = 0;
/** What kube-proxy falls back to as well: on its way out, but still answering. */
const SERVING_WHILE_TERMINATING = 1;
/** Only with publishNotReadyAddresses, which forces `ready`. */
const READY_WHILE_TERMINATING = 2;
const UNUSABLE = 3;

interface Candidate {
  readonly endpoint: Endpoint;
  readonly tier: number;
  readonly family: 'IPv4' | 'IPv6';
  readonly podUid: string | null;
  readonly sliceGeneration: number;
}

/**
 * Takes the Service, its port (null when it declares none and the route gives a number) and all its slices,
 * the ones made of core/v1 Endpoints included. An endpoint that two slices hold (slices are rebalanced while
 * we look) counts as the newer slice says, but a disagreement never empties the set.
 */
export function endpointSet(
  service: Service,
  port: ServicePort | null,
  wanted: PortRef,
  slices: readonly EndpointSlice[],
): EndpointSet {
  const real = slices.filter((slice) => !slice.fromEndpoints);
  const used = (real.length > 0 ? real : slices).toSorted((a, b) => (a.meta.key < b.meta.key ? -1 : 1));
  const copies = used.flatMap((slice) => candidates(slice, port, wanted));
  const preferred = service.ipFamilies[0] ?? 'IPv4';
  let chosen = bestTier(newestCopies(copies));
  if (chosen.length === 0) chosen = bestTier(copies);
  const endpoints = onePerAddress(oneFamilyPerPod(chosen, preferred));
  return { endpoints, seen: copies.length };
}

function candidates(slice: EndpointSlice, port: ServicePort | null, wanted: PortRef): Candidate[] {
  const { addressType } = slice;
  const slicePort = slice.ports.find((each) => isSlicePort(each, port, wanted));
  const number = slicePort?.port ?? port?.port;
  if (addressType === 'FQDN' || slicePort === undefined || number === undefined) return [];
  return slice.endpoints.flatMap((each) => {
    // The addresses of one endpoint are interchangeable; consumers use the first (discovery.k8s.io/v1).
    const address = each.addresses[0];
    if (address === undefined) return [];
    const endpoint = { address, port: number, zone: each.zone };
    const { generation } = slice.meta;
    return [
      {
        endpoint,
        tier: tierOf(each),
        family: addressType,
        podUid: each.targetUid,
        sliceGeneration: generation,
      },
    ];
  });
}

/** Slices name their ports as the Service does; the number is the slice's own (a named targetPort may differ by pod). */
export function isSlicePort(slicePort: SlicePort, port: ServicePort | null, wanted: PortRef): boolean {
  if (port !== null) return slicePort.name === port.name && slicePort.protocol === port.protocol;
  return wanted.kind === 'number' && slicePort.port === wanted.number && slicePort.protocol === 'TCP';
}

function tierOf({ ready, serving, terminating }: SliceEndpoint): number {
  if (ready) return terminating ? READY_WHILE_TERMINATING : READY;
  return serving && terminating ? SERVING_WHILE_TERMINATING : UNUSABLE;
}

function newestCopies(copies: readonly Candidate[]): Candidate[] {
  const newest = new Map<string, Candidate>();
  for (const copy of copies) {
    const key = addressKey(copy.endpoint);
    const known = newest.get(key);
    if (known === undefined || isNewer(copy, known)) newest.set(key, copy);
  }
  return [...newest.values()];
}

function isNewer(a: Candidate, b: Candidate): boolean {
  if (a.sliceGeneration !== b.sliceGeneration) return a.sliceGeneration > b.sliceGeneration;
  return a.tier < b.tier;
}

function bestTier(from: readonly Candidate[]): Candidate[] {
  const best = from.reduce((least, each) => Math.min(least, each.tier), UNUSABLE);
  return best === UNUSABLE ? [] : from.filter((each) => each.tier === best);
}

/** A dual-stack pod appears once per family; both would give it double weight. */
function oneFamilyPerPod(from: readonly Candidate[], preferred: 'IPv4' | 'IPv6'): Candidate[] {
  const inPreferred = new Set<string>();
  for (const { podUid, family } of from) if (podUid !== null && family === preferred) inPreferred.add(podUid);
  return from.filter(
    ({ podUid, family }) => podUid === null || family === preferred || !inPreferred.has(podUid),
  );
}

/** Sorted, so that a slice that is rewritten without real change moves nothing. */
function onePerAddress(from: readonly Candidate[]): Endpoint[] {
  const byKey = new Map(from.map(({ endpoint }) => [addressKey(endpoint), endpoint] as const));
  return [...byKey.values()].sort((a, b) =>
    a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port,
  );
}

function addressKey({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}
