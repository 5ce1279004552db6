/** What holds for any pools and Services, and how long a large allocation takes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DUAL, loadBalancer, pool, snapshotWith } from '../../test/kit/load-balancer-objects.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { IpAddressPool } from '../model/metallb.ts';
import type { Service } from '../model/snapshot.ts';
import { type Allocations, allocate, type Previous } from './allocate.ts';
import { readPools } from './pools.ts';
import { readRequest } from './request.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Few addresses, keys and ports, so that wishes collide. */
const arbitraryService = (name: string) =>
  fc
    .record({
      sharing: fc.constantFrom('', '', 'x', 'y'),
      request: fc.constantFrom('', '', '', '192.0.2.1', '192.0.2.2', '198.51.100.1', '192.0.2.1,2001:db8::1'),
      pool: fc.constantFrom('', '', '', 'p', 'q', 'absent'),
      ports: fc.constantFrom('TCP/80', 'TCP/443', 'TCP/53', 'UDP/53'),
      local: fc.boolean(),
      created: fc.integer({ min: 0, max: 2 }),
      dual: fc.constantFrom(null, 'PreferDualStack', 'RequireDualStack'),
    })
    .map(({ sharing, request, pool: wanted, ports, local, created, dual }): Service => {
      const annotations: Record<string, string> = {};
      if (sharing !== '') annotations['metallb.io/allow-shared-ip'] = sharing;
      if (request !== '') annotations['metallb.io/loadBalancerIPs'] = request;
      if (wanted !== '') annotations['metallb.io/address-pool'] = wanted;
      const families = dual === null ? {} : { ...DUAL, ipFamilyPolicy: dual as 'PreferDualStack' };
      return loadBalancer(name, {
        ...families,
        annotations,
        ports,
        created,
        externalTrafficPolicy: local ? 'Local' : 'Cluster',
        selector: 'app=same',
      });
    });

const services = fc
  .subarray(NAMES, { minLength: 1 })
  .chain((names) => fc.tuple(...names.map(arbitraryService)) as fc.Arbitrary<Service[]>);

const pools = fc.constantFrom<readonly IpAddressPool[]>(
  [pool('p', '192.0.2.0/30')],
  [pool('p', '192.0.2.0/31 2001:db8::/126'), pool('q', '203.0.113.0/31')],
  [pool('p', '192.0.2.0/29', { avoidBuggyIps: true }), pool('q', '198.51.100.1/32', { autoAssign: false })],
  [pool('p', '192.0.2.0/30', { serviceAllocation: { priority: 1 } }), pool('q', '2001:db8::/64')],
  [],
);

function run(
  given: readonly IpAddressPool[],
  wanting: readonly Service[],
  previous: ReadonlyMap<ObjectKey, Previous> = new Map(),
): Allocations {
  const set = readPools(snapshotWith(given), null);
  return allocate({
    pools: set,
    services: wanting,
    namespaces: new Map(),
    reserved: new Map(),
    previous,
    shareAcrossNamespaces: true,
  });
}

/** As a new leader sees it: the addresses in the status, nothing about sharing. */
function statusOf(result: Allocations): Map<ObjectKey, Previous> {
  return new Map([...result.byService].map(([key, { addresses }]) => [key, { addresses, claim: null }]));
}

const plain = (result: Allocations) =>
  [...result.byService.values()].map(({ service: key, addresses, pool: name }) => [key, addresses, name]);

describe('for any pools and Services', () => {
  test('two have one address only if both allow it, with different ports and the same endpoints', () => {
    fc.assert(
      fc.property(pools, services, (given, wanting) => {
        const holders = new Map<string, Service[]>();
        for (const { service: key, addresses } of run(given, wanting).byService.values()) {
          const holder = wanting.find(({ meta }) => meta.key === key)!;
          for (const address of addresses) holders.set(address, [...(holders.get(address) ?? []), holder]);
        }
        for (const sharers of holders.values()) {
          if (sharers.length < 2) continue;
          const claims = sharers.map((each) => readRequest(each, true).claim);
          assert.ok(
            claims.every(({ sharingKey }) => sharingKey !== '' && sharingKey === claims[0]?.sharingKey),
          );
          assert.ok(claims.every(({ backends }) => backends === claims[0]?.backends));
          const ports = claims.flatMap((claim) => claim.ports);
          assert.equal(new Set(ports).size, ports.length);
        }
      }),
    );
  });

  test('nothing changes when nothing changed, neither later nor after a restart', () => {
    fc.assert(
      fc.property(pools, services, (given, wanting) => {
        const first = run(given, wanting);
        assert.deepEqual(plain(run(given, wanting, first.byService)), plain(first));
        assert.deepEqual(plain(run(given, wanting, statusOf(first))), plain(first));
      }),
    );
  });

  test('the order of the input does not matter', () => {
    fc.assert(
      fc.property(pools, services, services, (given, before, wanting) => {
        const previous = statusOf(run(given, before));
        const forwards = run(given, wanting, previous);
        const backwards = run(given.toReversed(), wanting.toReversed(), new Map([...previous].reverse()));
        assert.deepEqual(backwards, forwards);
      }),
    );
  });

  test('who comes later takes no address from who has one', () => {
    fc.assert(
      fc.property(pools, services, services, (given, before, added) => {
        const had = run(given, before);
        const names = new Set(before.map(({ meta }) => meta.key));
        const all = [...before, ...added.filter(({ meta }) => !names.has(meta.key))];
        const now = run(given, all, had.byService);
        for (const [key, { addresses }] of had.byService) {
          assert.deepEqual(now.byService.get(key)?.addresses, addresses);
        }
      }),
    );
  });

  test('what is given up can be had again', () => {
    fc.assert(
      fc.property(services, (wanting) => {
        const given = [pool('p', '192.0.2.0/29')];
        const full = run(given, wanting);
        const empty = run(given, [], full.byService);
        assert.equal(empty.byService.size, 0);
        assert.deepEqual(plain(run(given, wanting, empty.byService)), plain(run(given, wanting)));
      }),
    );
  });

  test('every address is of the pool it is said to be from, and of a family that is wanted once', () => {
    fc.assert(
      fc.property(pools, services, (given, wanting) => {
        for (const { addresses, pool: name } of run(given, wanting).byService.values()) {
          assert.equal(name === null, addresses.length === 0);
          const families = addresses.map((address) => address.includes(':'));
          assert.equal(new Set(families).size, families.length);
        }
      }),
    );
  });
});

describe('large allocations', () => {
  const many = Array.from({ length: 5000 }, (_, i) => loadBalancer(`s${String(i).padStart(4, '0')}`));
  const timed = (
    t: { diagnostic(message: string): void },
    what: string,
    work: () => Allocations,
  ): Allocations => {
    const start = performance.now();
    const result = work();
    t.diagnostic(`${what}: ${(performance.now() - start).toFixed(1)} ms`);
    return result;
  };

  test('5,000 Services get addresses of a /16 and keep them', (t) => {
    const given = [pool('p', '10.0.0.0/16', { avoidBuggyIps: true })];
    const first = timed(t, 'new', () => run(given, many));
    const addresses = new Set([...first.byService.values()].flatMap((each) => each.addresses));
    assert.equal(addresses.size, 5000);
    const second = timed(t, 'kept', () => run(given, many, statusOf(first)));
    assert.deepEqual(plain(second), plain(first));
  });

  test('5,000 Services of both families get addresses of a /64', (t) => {
    const given = [pool('p', '10.0.0.0/16 2001:db8::/64')];
    const dual = many.map((each) => ({ ...each, ...DUAL, ipFamilyPolicy: 'RequireDualStack' as const }));
    const result = timed(t, 'new', () => run(given, dual));
    assert.ok([...result.byService.values()].every(({ addresses }) => addresses.length === 2));
  });

  test('5,000 Services that share but all want one port get one address each', (t) => {
    const annotations = { 'metallb.io/allow-shared-ip': 'k' };
    const sharers = many.map(({ meta }) => loadBalancer(meta.name, { annotations }));
    const result = timed(t, 'new', () => run([pool('p', '10.0.0.0/16')], sharers));
    assert.equal(new Set([...result.byService.values()].flatMap((each) => each.addresses)).size, 5000);
  });

  test('the last free address of a range is found', (t) => {
    const had = many.map(({ meta }, index): [ObjectKey, Previous] => [
      meta.key,
      { addresses: [`10.0.${(index + 1) >> 8}.${(index + 1) & 255}`], claim: null },
    ]);
    const late = loadBalancer('z', { created: 1 });
    const result = timed(t, 'found', () =>
      run([pool('p', '10.0.0.1-10.0.19.137')], [...many, late], new Map(had)),
    );
    assert.deepEqual(result.byService.get(late.meta.key)?.addresses, ['10.0.19.137']);
  });
});
