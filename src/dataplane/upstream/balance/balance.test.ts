/** What every balancer must do, and what makes each of them the one it is. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TimerWheel } from '../../timers.ts';
import { Endpoint } from '../endpoint.ts';
import { ConsistentHash, hashText } from './consistent-hash.ts';
import type { Balancer } from './policy.ts';
import { RoundRobin } from './round-robin.ts';
import { Ewma, LeastRequest } from './two-choices.ts';

/** Time stands still. */
const STILL = new TimerWheel(() => 0);

function endpoints(count: number, wheel = STILL): Endpoint[] {
  return Array.from({ length: count }, (_, i) => new Endpoint(`10.0.0.${i}`, 80, 'http1', null, wheel));
}

function picks(balancer: Balancer, times: number): Map<Endpoint, number> {
  const counts = new Map<Endpoint, number>();
  for (let i = 0; i < times; i++) {
    const one = balancer.pick(hashText(`key ${i}`));
    counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  return counts;
}

const POLICIES: readonly (readonly [name: string, make: () => Balancer])[] = [
  ['round robin', () => new RoundRobin()],
  ['least request', () => new LeastRequest()],
  ['ewma', () => new Ewma()],
  ['consistent hash', () => new ConsistentHash()],
];

for (const [name, make] of POLICIES) {
  describe(name, () => {
    test('picks members only, also right after the set has changed', () => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), (sizes) => {
          const all = endpoints(9);
          const balancer = make();
          for (const size of sizes) {
            const members = all.slice(0, size);
            balancer.update(members);
            for (const one of picks(balancer, 20).keys()) assert.ok(members.includes(one));
          }
        }),
        { numRuns: 100 },
      );
    });

    test('leaves nobody out among equals', () => {
      const members = endpoints(5);
      const balancer = make();
      balancer.update(members);
      const counts = picks(balancer, 5000);
      // A fifth each; the chance of less than a tenth is nil for all of them.
      for (const one of members) assert.ok((counts.get(one) ?? 0) > 500, `${one.key}: ${counts.get(one)}`);
    });
  });
}

test('round robin is exactly even', () => {
  const members = endpoints(7);
  const balancer = new RoundRobin();
  balancer.update(members);
  for (const count of picks(balancer, 700).values()) assert.equal(count, 100);
});

test('two choices never take the busiest, and mostly an idle one', () => {
  const members = endpoints(4);
  const [busy, other] = members as [Endpoint, Endpoint];
  busy.inFlight = 10;
  other.inFlight = 1;
  const balancer = new LeastRequest();
  balancer.update(members);
  const counts = picks(balancer, 3000);
  assert.equal(counts.get(busy), undefined);
  // The pairs of which it is the better: one of six.
  assert.ok(counts.get(other)! > 300 && counts.get(other)! < 700, `${counts.get(other)}`);
});

test('ewma spares a slow endpoint, and a fast one with too much to do', () => {
  const [slow, fast] = endpoints(2) as [Endpoint, Endpoint];
  slow.observeLatency(100, 0);
  fast.observeLatency(1, 0);
  const balancer = new Ewma();
  balancer.update([slow, fast]);
  assert.equal(picks(balancer, 100).get(fast), 100);
  fast.inFlight = 200;
  assert.equal(picks(balancer, 100).get(slow), 100);
});

/**
 * Of two endpoints under EWMA: the share of the first after 200 s of requests one after the other, 10 ms apart. `answersIn`
 * gives the ms that it takes at a time; the second answers in 5.
 */
function shareOfFirst(answersIn: (now: number) => number): number {
  let now = 0;
  const wheel = new TimerWheel(() => now);
  const members = endpoints(2, wheel);
  const balancer = new Ewma();
  balancer.update(members);
  let count = 0;
  for (; now < 200_000; now += 10) {
    wheel.advance();
    const one = balancer.pick();
    one.observeLatency(one === members[0] ? answersIn(now) : 5, now);
    if (one === members[0] && now >= 150_000) count++;
  }
  return count / 5000;
}

test('ewma: an endpoint that was slow for a moment has its share back some time later', () => {
  const share = shareOfFirst((now) => (now < 100 ? 1000 : 5));
  assert.ok(share > 0.4 && share < 0.6, `${share}`);
});

test('ewma: an endpoint that stays slow is asked now and then only', () => {
  const share = shareOfFirst(() => 100);
  assert.ok(share > 0 && share < 0.01, `${share}`);
});

test('ewma: an endpoint of which nothing is known gets one request until it has answered', () => {
  const members = endpoints(3);
  const fresh = members[2]!;
  for (const known of members.slice(0, 2)) known.observeLatency(20, 0);
  const balancer = new Ewma();
  balancer.update(members);
  for (let i = 0; i < 100; i++) balancer.pick().inFlight++;
  assert.equal(fresh.inFlight, 1);
  // When nothing is known of any, they share evenly.
  const all = endpoints(4);
  balancer.update(all);
  for (let i = 0; i < 400; i++) balancer.pick().inFlight++;
  for (const one of all) assert.ok(one.inFlight > 90 && one.inFlight < 110, `${one.inFlight} of 400`);
});

test('consistent hash: the same key, the same endpoint, whoever asks and in whatever order they stand', () => {
  const members = endpoints(6);
  const [one, two] = [new ConsistentHash(), new ConsistentHash()];
  one.update(members);
  two.update([...members].reverse());
  for (let i = 0; i < 500; i++) assert.equal(one.pick(hashText(`${i}`)), two.pick(hashText(`${i}`)));
});

test('consistent hash: an endpoint that leaves moves its own keys only, and one that comes takes its share', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(11), (count, leaving) => {
      const members = endpoints(count);
      const gone = members[leaving % count]!;
      const [before, after] = [new ConsistentHash(), new ConsistentHash()];
      before.update(members);
      after.update(members.filter((one) => one !== gone));
      let moved = 0;
      for (let i = 0; i < 1000; i++) {
        const key = hashText(`key ${i}`);
        const was = before.pick(key);
        if (was === gone) moved++;
        else assert.equal(after.pick(key), was);
      }
      const share = 1000 / count;
      assert.ok(
        moved > share * 0.5 && moved < share * 1.6,
        `${moved} of 1000 keys moved for one of ${count}`,
      );
    }),
    { numRuns: 60 },
  );
});

test('hashes of short, similar texts spread over all of 32 bits', () => {
  const buckets = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) buckets[hashText(`10.0.${i >> 8}.${i & 255}`) >>> 28]! += 1;
  for (const count of buckets) assert.ok(count > 800 && count < 1200, `${count} of 1000`);
});
