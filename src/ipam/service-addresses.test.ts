import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadBalancer, pool, snapshotWith } from '../../test/kit/load-balancer-objects.ts';
import type { Service } from '../model/snapshot.ts';
import { readPools } from './pools.ts';
import { type Books, exposedServices } from './service-addresses.ts';

function books(services: readonly Service[], more: Partial<Books> = {}): Books {
  return {
    services: new Map(services.map((each) => [each.meta.key, each])),
    namespaces: new Map(),
    pools: readPools(
      snapshotWith([
        pool('p', '192.0.2.0/24'),
        pool('x', '203.0.113.0/24', { serviceAllocation: { namespaces: ['x'] } }),
      ]),
      null,
    ),
    ownership: { loadBalancerClass: 'ours', withoutClass: true },
    decided: null,
    announceExternalIps: false,
    ...more,
  };
}

/** `name: address origin pool, …` of all. */
const listed = (given: Books) =>
  exposedServices(given).map(({ service: { meta }, addresses, nodePorts }) => {
    const texts = addresses.map(({ address, origin, pool: name }) => `${address} ${origin} ${name}`);
    return `${meta.name}: ${[...texts, ...(nodePorts ? ['node ports'] : [])].join(', ')}`;
  });

const status = (ip: string) => ({ loadBalancer: [{ ip, hostname: '', ipMode: null }] });

describe('the addresses on which a Service answers', () => {
  test('are those of its status; only ours, and only those of a pool that may serve it, are ours to announce', () => {
    const services = [
      loadBalancer('ours', status('192.0.2.1')),
      loadBalancer('theirs', { ...status('192.0.2.2'), loadBalancerClass: 'theirs' }),
      loadBalancer('no-pool', status('198.51.100.1')),
      loadBalancer('not-for-us', status('203.0.113.1')),
      loadBalancer('name', { loadBalancer: [{ ip: '', hostname: 'lb.example.com', ipMode: null }] }),
      loadBalancer('inside', { type: 'ClusterIP' }),
    ];
    assert.deepEqual(listed(books(services)), [
      'ours: 192.0.2.1 load-balancer p',
      'theirs: 192.0.2.2 load-balancer null',
      'no-pool: 198.51.100.1 load-balancer null',
      'not-for-us: 203.0.113.1 load-balancer null',
    ]);
  });

  test('are those that were decided on where there is no status', () => {
    const decided = new Map([[loadBalancer('a').meta.key, { addresses: ['192.0.2.7'] }]]);
    const services = [loadBalancer('a', status('192.0.2.1')), loadBalancer('b', status('192.0.2.2'))];
    assert.deepEqual(listed(books(services, { decided })), ['a: 192.0.2.7 load-balancer p']);
  });

  for (const announceExternalIps of [false, true]) {
    test(`are external IPs, too, ${announceExternalIps ? 'announced as far as a pool has them' : 'not announced'}`, () => {
      const services = [
        loadBalancer('a', { type: 'ClusterIP', externalIps: ['192.0.2.9', '203.0.113.9', '8.8.8.8'] }),
      ];
      const inPool = announceExternalIps ? 'p' : 'null';
      assert.deepEqual(listed(books(services, { announceExternalIps })), [
        `a: 192.0.2.9 external-ip ${inPool}, 203.0.113.9 external-ip null, 8.8.8.8 external-ip null`,
      ]);
    });
  }

  test('include those of all nodes when there are node ports', () => {
    const port = { ...loadBalancer('a').ports[0]!, nodePort: 30_080 };
    assert.deepEqual(listed(books([{ ...loadBalancer('a', { type: 'NodePort' }), ports: [port] }])), [
      'a: node ports',
    ]);
  });
});
