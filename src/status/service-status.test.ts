import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IpAddressPool } from '../model/metallb.ts';
import type { Service } from '../model/snapshot.ts';
import { decodeObject } from '../sources/decode/all.ts';
import {
  type GivenAddresses,
  planPoolAnnotations,
  planPoolStatuses,
  planServiceStatuses,
  poolAnnotationObject,
  poolStatusObject,
  serviceStatusObject,
} from './service-status.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const BEFORE = '2026-01-01T00:00:00Z';

/** A Service as the API server has it, with a status that this field manager has applied. */
function service(status: object = {}, annotations: object = {}, manager = 'kube-controller'): Service {
  const managedFields = [{ manager, operation: 'Apply', subresource: 'status' }];
  const metadata = { name: 'web', namespace: 'shop', uid: 'u', generation: 3, annotations, managedFields };
  const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
  const decoded = decodeObject({ apiVersion: 'v1', kind: 'Service', metadata, spec, status }, null);
  if (decoded.kind !== 'decoded') assert.fail(decoded.kind);
  return decoded.records[0] as Service;
}

const condition = (status: string, reason: string, message: string) => ({
  type: 'tidegate.io/AddressAllocated',
  status,
  reason,
  message,
  observedGeneration: 3,
  lastTransitionTime: BEFORE,
});
const ingress = (...ips: string[]) => ({ ingress: ips.map((ip) => ({ ip, ipMode: 'VIP' })) });
const given = (addresses: readonly string[], pool: string | null, reason = ''): GivenAddresses => ({
  addresses,
  pool,
  fault: reason === '' ? null : { reason, message: 'why' },
});

/** The object that is to be applied; null for none. */
function applied(present: Service, grant: GivenAddresses | null): unknown {
  const services = new Map([[present.meta.key, present]]);
  const grants = new Map(grant === null ? [] : [[present.meta.key, grant]]);
  const plan = planServiceStatuses({ services }, grants, 'tidegate', NOW).get(present.meta.key);
  return plan === undefined ? null : serviceStatusObject(plan);
}

const identity = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'web', uid: 'u' },
};

describe('the status of a Service', () => {
  test('gets addresses and a condition', () => {
    assert.deepEqual(applied(service(), given(['192.0.2.1', '2001:db8::1'], 'p')), {
      ...identity,
      status: {
        loadBalancer: { ingress: [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }] },
        conditions: [
          {
            ...condition('True', 'Allocated', 'from the pool p'),
            lastTransitionTime: '2026-01-02T03:04:05Z',
          },
        ],
      },
    });
  });

  const status = {
    loadBalancer: ingress('192.0.2.1'),
    conditions: [condition('True', 'Allocated', 'from the pool p')],
  };
  const settled = service(status, {}, 'tidegate');

  test('is not written when it says so already', () => {
    assert.equal(applied(settled, given(['192.0.2.1'], 'p')), null);
  });

  test('says since when, not since when in other words', () => {
    const loadBalancer = { ingress: [{ ip: '192.0.2.1' }] };
    assert.deepEqual(applied(settled, given(['192.0.2.1'], 'p', 'AddressUnavailable')), {
      ...identity,
      status: { loadBalancer, conditions: [condition('True', 'AddressUnavailable', 'why')] },
    });
  });

  test('loses the addresses that the Service has no more', () => {
    const written = applied(settled, given([], null, 'PoolExhausted')) as {
      status: { loadBalancer: object };
    };
    assert.deepEqual(written.status.loadBalancer, { ingress: [] });
  });

  test('is put right where it says more, less or something else', () => {
    for (const present of [
      { ingress: [{ ip: '192.0.2.1', ipMode: 'Proxy' }] },
      { ingress: [{ ip: '192.0.2.1' }, { hostname: 'x.example' }] },
      {},
    ]) {
      const conditions = [condition('True', 'Allocated', 'from the pool p')];
      const changed = service({ loadBalancer: present, conditions });
      assert.notEqual(applied(changed, given(['192.0.2.1'], 'p')), null, JSON.stringify(present));
    }
  });

  test('is taken back where it is not ours any more, and not touched where it never was', () => {
    assert.deepEqual(applied(settled, null), identity);
    assert.equal(applied(service({ loadBalancer: ingress('192.0.2.1') }), null), null);
  });

  test('of another installation of Tidegate is not touched', () => {
    assert.equal(applied(service(status, {}, 'tidegate:example.com/inner'), null), null);
  });

  test('is not touched while nobody knows what the Service shall have', () => {
    assert.equal(applied(service({ loadBalancer: ingress('192.0.2.1') }), given(['192.0.2.1'], null)), null);
    assert.equal(applied(service(), given([], null)), null);
  });
});

describe('the annotation that names the pool', () => {
  const NAME = 'metallb.io/ip-allocated-from-pool';
  const plan = (present: Service, grant: GivenAddresses | null) => {
    const services = new Map([[present.meta.key, present]]);
    const grants = new Map(grant === null ? [] : [[present.meta.key, grant]]);
    const change = planPoolAnnotations({ services }, grants, 'tidegate').get(present.meta.key);
    return change === undefined ? null : poolAnnotationObject(present, change.pool);
  };

  test('is written, once, and taken back', () => {
    assert.deepEqual(plan(service(), given(['192.0.2.1'], 'p')), {
      ...identity,
      metadata: { ...identity.metadata, annotations: { [NAME]: 'p' } },
    });
    assert.equal(plan(service({}, { [NAME]: 'p' }), given(['192.0.2.1'], 'p')), null);
    assert.deepEqual(plan(service({}, { [NAME]: 'p' }), given([], null, 'NoPool')), identity);
  });

  test('stays while the pool is not known, and on Services that are not ours', () => {
    assert.equal(plan(service({}, { [NAME]: 'p' }), given(['192.0.2.1'], null)), null);
    assert.equal(plan(service({}, { [NAME]: 'p' }), null), null);
  });
});

describe('the status of a pool', () => {
  const usage = { assignedIPv4: 1, assignedIPv6: 0, availableIPv4: 3, availableIPv6: 0 };
  const pool = (status: object): IpAddressPool => {
    const metadata = { name: 'p', namespace: 'metallb-system', uid: 'u' };
    const spec = { addresses: ['192.0.2.0/30'] };
    const object = { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata, spec, status };
    const decoded = decodeObject(object, null);
    if (decoded.kind !== 'decoded') assert.fail(decoded.kind);
    return decoded.records[0] as IpAddressPool;
  };

  test('is written when it counts differently', () => {
    const [status, ...more] = planPoolStatuses([{ object: pool({ assignedIPv4: 2 }), usage }]);
    assert.deepEqual(more, []);
    assert.deepEqual(poolStatusObject(status!), {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'IPAddressPool',
      metadata: { namespace: 'metallb-system', name: 'p', uid: 'u' },
      status: usage,
    });
    assert.deepEqual(planPoolStatuses([{ object: pool(usage), usage }]), []);
  });
});
