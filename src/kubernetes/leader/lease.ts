/** The Lease object (coordination.k8s.io/v1) ↔ what the election knows of it. */
import type { Resource } from '../resource.ts';
import { isRecord } from '../result.ts';
import type { ElectionConfig, ElectionRequest, LeaseRecord } from './election.ts';

export const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };

export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

/** Takes JSON of any shape; null when it is no Lease that could be written back. */
export function readLease(value: unknown): LeaseRecord | null {
  if (!isRecord(value) || !isRecord(value['metadata'])) return null;
  const { resourceVersion } = value['metadata'];
  if (typeof resourceVersion !== 'string' || resourceVersion === '') return null;
  const spec = isRecord(value['spec']) ? value['spec'] : {};
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime } = spec;
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    durationMs:
      typeof leaseDurationSeconds === 'number' && leaseDurationSeconds > 0
        ? leaseDurationSeconds * 1000
        : null,
    transitions: typeof leaseTransitions === 'number' && leaseTransitions >= 0 ? leaseTransitions : 0,
    acquireTime: typeof acquireTime === 'string' ? acquireTime : null,
    resourceVersion,
  };
}

/**
 * The object that carries out a writing request. `time` is the wall clock, for people who look at the Lease: nobody
 * decides by it. A released Lease has no holder and lasts a second, as client-go leaves it.
 */
export function writeLease(
  request: Exclude<ElectionRequest, { kind: 'read' }>,
  { namespace, name }: LeaseName,
  config: ElectionConfig,
  time: Date,
): object {
  // MicroTime has six digits.
  const now = time.toISOString().replace('Z', '000Z');
  const before = request.kind === 'create' ? null : request.lease;
  const released = request.kind === 'release';
  const renewed = request.kind === 'renew' || released;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      namespace,
      name,
      ...(before === null ? {} : { resourceVersion: before.resourceVersion }),
    },
    spec: {
      holderIdentity: released ? '' : config.identity,
      leaseDurationSeconds: released ? 1 : Math.ceil(config.leaseDuration / 1000),
      acquireTime: renewed ? (before?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: before === null ? 0 : before.transitions + (request.kind === 'acquire' ? 1 : 0),
    },
  };
}
