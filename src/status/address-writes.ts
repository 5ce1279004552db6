/** What is to be written of the addresses of Services: their status, their pool's name, and how full pools are. */
import { type Resource, resourcePath } from '../kubernetes/resource.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { ObjectMeta, Snapshot } from '../model/snapshot.ts';
import { applying } from './apply.ts';
import {
  type GivenAddresses,
  type PoolStatus,
  planPoolAnnotations,
  planPoolStatuses,
  planServiceStatuses,
  poolAnnotationObject,
  poolStatusObject,
  serviceStatusObject,
} from './service-status.ts';
import type { Write } from './write-queue.ts';

export interface GivenInCluster {
  readonly services: ReadonlyMap<ObjectKey, GivenAddresses>;
  /** Those whose status is ours to write. */
  readonly pools: readonly PoolStatus[];
}

const SERVICES: Resource = { group: '', version: 'v1', plural: 'services' };
const POOLS: Resource = { group: 'metallb.io', version: 'v1beta1', plural: 'ipaddresspools' };

/** Only differences, in the name of the field manager `manager`; `now` in ms since the epoch. */
export function* addressWrites(
  snapshot: Snapshot,
  given: GivenInCluster,
  manager: string,
  now: number,
): Generator<Write> {
  for (const [key, status] of planServiceStatuses(snapshot, given.services, manager, now)) {
    const { service } = status;
    const path = resourcePath(SERVICES, targetOf(service.meta, 'status'));
    yield applying(`Service ${key}`, service, path, serviceStatusObject(status), manager);
  }
  for (const [key, { service, pool }] of planPoolAnnotations(snapshot, given.services, manager)) {
    const path = resourcePath(SERVICES, targetOf(service.meta));
    const body = poolAnnotationObject(service, pool);
    yield applying(`Service ${key} annotation`, service, path, body, manager);
  }
  for (const status of planPoolStatuses(given.pools)) {
    const { object } = status;
    const path = resourcePath(POOLS, targetOf(object.meta, 'status'));
    yield applying(`IPAddressPool ${object.meta.key}`, object, path, poolStatusObject(status), manager);
  }
}

function targetOf({ namespace, name }: ObjectMeta, subresource = '') {
  return { namespace, name, subresource };
}
