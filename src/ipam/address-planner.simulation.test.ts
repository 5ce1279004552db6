/** Seeded histories of a cluster: Services and pools come and go, leaders change, statuses are written late. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DUAL, loadBalancer, pool, snapshotWith } from '../../test/kit/load-balancer-objects.ts';
import type { ObjectKey } from '../model/keys.ts';
import type { IpAddressPool } from '../model/metallb.ts';
import type { Service, Snapshot } from '../model/snapshot.ts';
import { AddressPlanner } from './address-planner.ts';
import { readRequest } from './request.ts';

const OPTIONS = {
  ownership: { loadBalancerClass: 'x', withoutClass: true },
  poolNamespace: null,
  shareAcrossNamespaces: true,
};
const RANGES = [
  '192.0.2.0/30',
  '192.0.2.4/31 2001:db8::/126',
  '198.51.100.0/31',
  '203.0.113.8/30 2001:db8:1::/127',
];
const WISHES = ['', '', '', '192.0.2.1', '192.0.2.5', '198.51.100.1'];

type Event =
  | {
      readonly kind: 'add';
      readonly name: number;
      readonly wish: number;
      readonly key: string;
      readonly dual: boolean;
      readonly ports: string;
      readonly created: number;
    }
  | { readonly kind: 'delete'; readonly name: number }
  | { readonly kind: 'pool'; readonly at: number }
  | {
      readonly kind:
        | 'all-pools-away'
        | 'all-pools-back'
        | 'write-statuses'
        | 'new-leader'
        | 'demoted-for-a-moment';
    };

const events: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('add' as const),
        name: fc.nat(9),
        wish: fc.nat(WISHES.length - 1),
        key: fc.constantFrom('', '', 'k', 'l'),
        dual: fc.boolean(),
        ports: fc.constantFrom('TCP/80', 'TCP/81', 'TCP/82 UDP/82'),
        created: fc.nat(3),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), name: fc.nat(9) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('pool' as const), at: fc.nat(RANGES.length - 1) }),
    },
    {
      weight: 5,
      arbitrary: fc.constantFrom<Event>(
        { kind: 'write-statuses' },
        { kind: 'new-leader' },
        { kind: 'demoted-for-a-moment' },
        { kind: 'all-pools-away' },
        { kind: 'all-pools-back' },
      ),
    },
  ),
  { maxLength: 40 },
);

class Cluster {
  planner = new AddressPlanner(OPTIONS);
  readonly services = new Map<ObjectKey, Service>();
  readonly pools = new Map<string, IpAddressPool>();
  poolsAreThere = true;
  decided: ReadonlyMap<ObjectKey, { readonly addresses: readonly string[] }> = new Map();

  happen(event: Event): void {
    switch (event.kind) {
      case 'add': {
        const { name, wish, key, dual, ports, created } = event;
        const annotations: Record<string, string> = {};
        if (WISHES[wish] !== '') annotations['metallb.io/loadBalancerIPs'] = WISHES[wish]!;
        if (key !== '') annotations['metallb.io/allow-shared-ip'] = key;
        const one = loadBalancer(`s${name}`, { ...(dual ? DUAL : {}), annotations, ports, created });
        if (!this.services.has(one.meta.key)) this.services.set(one.meta.key, one);
        return;
      }
      case 'delete':
        this.services.delete(loadBalancer(`s${event.name}`).meta.key);
        return;
      case 'pool':
        this.pools.set(`p${event.at}`, pool(`p${event.at}`, RANGES[event.at]!, { created: event.at }));
        return;
      case 'all-pools-away':
      case 'all-pools-back':
        this.poolsAreThere = event.kind === 'all-pools-back';
        return;
      case 'write-statuses':
        for (const [key, one] of this.services) {
          const addresses = this.decided.get(key)?.addresses ?? [];
          const loadBalancer = addresses.map((ip) => ({ ip, hostname: '', ipMode: null }));
          this.services.set(key, { ...one, loadBalancer });
        }
        return;
      case 'new-leader':
        this.planner = new AddressPlanner(OPTIONS);
        return;
      case 'demoted-for-a-moment':
        this.planner.plan(this.#snapshot(), 'follows');
        return;
      default:
        return event satisfies never;
    }
  }

  plan(): void {
    this.decided = this.planner.plan(this.#snapshot(), 'decides').allocations;
  }

  #snapshot(): Snapshot {
    const pools = this.poolsAreThere ? [...this.pools.values()] : [];
    return snapshotWith(pools, { services: new Map(this.services) });
  }

  /** Nobody has what another has, unless both said so. */
  checkSharing(): void {
    const holders = new Map<string, Service[]>();
    for (const [key, { addresses }] of this.decided)
      for (const address of addresses)
        holders.set(address, [...(holders.get(address) ?? []), this.services.get(key)!]);
    for (const [address, sharers] of holders) {
      if (sharers.length < 2) continue;
      const claims = sharers.map((each) => readRequest(each, true).claim);
      assert.ok(
        claims.every(({ sharingKey }) => sharingKey !== '' && sharingKey === claims[0]?.sharingKey),
        address,
      );
      const ports = claims.flatMap((claim) => claim.ports);
      assert.equal(new Set(ports).size, ports.length, address);
    }
  }

  /** What stands in a status stays, unless the Service has got exactly the address it asks for. */
  checkStays(): void {
    for (const [key, { loadBalancer, meta }] of this.services) {
      const now = this.decided.get(key)?.addresses ?? [];
      const wish = meta.annotations.get('metallb.io/loadBalancerIPs');
      for (const { ip } of loadBalancer)
        assert.ok(
          now.includes(ip) || now.join() === wish,
          `${key} had ${ip} and has ${now.join() || 'nothing'}`,
        );
    }
  }
}

describe('whatever happens around them', () => {
  test('Services keep the addresses in their status, and no address is given twice', () => {
    fc.assert(
      fc.property(events, (history) => {
        const cluster = new Cluster();
        for (const event of history) {
          cluster.happen(event);
          cluster.plan();
          cluster.checkSharing();
          cluster.checkStays();
        }
      }),
      { numRuns: 300 },
    );
  });
});
