/** What is to be written of the addresses of Services: their status, their pool's name, and how full pools are. */
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import { type Resource, resourcePath } from '../kubernetes/resource.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { ObjectMeta, Snapshot } from '../model/snapshot.ts';
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

/** Only differences; `now` in ms since the epoch. */
export function* addressWrites(snapshot: Snapshot, given: GivenInCluster, now: number): Generator<Write> {
  for (const [key, status] of planServiceStatuses(snapshot, given.services, now)) {
    const { service } = status;
    const target = targetOf(service.meta, 'status');
    yield apply(`Service ${key}`, service, resourcePath(SERVICES, target), serviceStatusObject(status));
  }
  for (const [key, { service, pool }] of planPoolAnnotations(snapshot, given.services)) {
    const path = resourcePath(SERVICES, targetOf(service.meta));
    yield apply(`Service ${key} annotation`, service, path, poolAnnotationObject(service, pool));
  }
  for (const status of planPoolStatuses(given.pools)) {
    const { object } = status;
    const path = resourcePath(POOLS, targetOf(object.meta, 'status'));
    yield apply(`IPAddressPool ${object.meta.key}`, object, path, poolStatusObject(status));
  }
}

function targetOf({ namespace, name }: ObjectMeta, subresource = '') {
  return { namespace, name, subresource };
}

/** Server-side apply; JSON is YAML. */
function apply(key: string, basis: unknown, path: string, body: object): Write {
  return {
    key,
    basis,
    request: {
      method: 'PATCH',
      path,
      query: { fieldManager: FIELD_MANAGER, force: true },
      contentType: 'application/apply-patch+yaml',
      body,
    },
  };
}
