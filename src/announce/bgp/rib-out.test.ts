import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parsePrefix } from '../../model/ip.ts';
import { formatPrefix } from '../../model/ip-text.ts';
import { isEndOfRib, type Update } from './message.ts';
import { encodeMessage, LONGEST_MESSAGE } from './messages.ts';
import { type RibContext, RibOut, type Route } from './rib-out.ts';

const HOP4 = { family: 4, value: 0xc0000201n, linkLocal: null } as const;
const HOP6 = { family: 6, value: 1n, linkLocal: null } as const;
const CONTEXT: RibContext = {
  families: ['ipv4', 'ipv6'],
  fourOctetAs: true,
  internal: false,
  localAs: 64512,
  nextHop4: HOP4,
  nextHop6: HOP6,
};

const route = (text: string, more: Partial<Route> = {}): Route => ({
  prefix: parsePrefix(text)!,
  localPref: null,
  communities: [],
  largeCommunities: [],
  ...more,
});

function drain(rib: RibOut): Update[] {
  const updates: Update[] = [];
  for (let update = rib.next(); update !== null; update = rib.next()) updates.push(update);
  return updates;
}

/** What a peer that applies the messages has: prefix → communities and preference. */
class Peer {
  readonly table = new Map<string, string>();
  endsOfRib = 0;
  apply(updates: readonly Update[]): void {
    for (const update of updates) {
      if (isEndOfRib(update)) this.endsOfRib++;
      for (const prefix of [...update.withdrawn, ...(update.unreachable?.prefixes ?? [])])
        this.table.delete(formatPrefix(prefix));
      for (const prefix of [...update.announced, ...(update.reachable?.prefixes ?? [])])
        this.table.set(formatPrefix(prefix), JSON.stringify(update.attributes?.communities));
    }
  }
}

describe('a peer that asks for everything again and again (RFC 2918)', () => {
  test('hears nothing of a family that was not agreed on', () => {
    const rib = new RibOut();
    rib.set([route('192.0.2.1/32')]);
    rib.open({ ...CONTEXT, families: ['ipv4'] });
    drain(rib);
    rib.refresh('ipv6');
    assert.deepEqual(drain(rib), []);
  });

  test('gets it once more after what is under way, however often it asked', () => {
    const rib = new RibOut();
    const routes = Array.from({ length: 2000 }, (_, i) => route(`10.0.${i >> 8}.${i & 255}/32`));
    rib.set(routes);
    rib.open(CONTEXT);
    drain(rib);
    rib.refresh('ipv4');
    const first = rib.next();
    for (let i = 0; i < 1000; i++) rib.refresh('ipv4');
    const updates = [first!, ...drain(rib)];
    const peer = new Peer();
    peer.apply(updates);
    assert.equal(peer.endsOfRib, 2);
    assert.equal(peer.table.size, 2000);
    const announced = updates.reduce((sum, update) => sum + update.announced.length, 0);
    assert.equal(announced, 2 * 2000);
    assert.ok(rib.settled);
  });
});

describe('the difference between what a peer has and should have', () => {
  test('nothing is sent without a session; all of it and End-of-RIB once there is one', () => {
    const rib = new RibOut();
    rib.set([route('192.0.2.1/32'), route('2001:db8::1/128')]);
    assert.equal(rib.next(), null);
    rib.open(CONTEXT);
    const updates = drain(rib);
    assert.deepEqual(
      updates.map((update) => isEndOfRib(update)),
      [false, false, true, true],
    );
    assert.equal(rib.announced, 2);
    assert.equal(rib.settled, true);
  });
  test('no End-of-RIB before the caller has said what it wants: peers would drop what they still hold', () => {
    const rib = new RibOut();
    rib.open(CONTEXT);
    assert.deepEqual(drain(rib), []);
    rib.set([]);
    assert.equal(drain(rib).filter(isEndOfRib).length, 2);
  });
  test('only changes are sent, withdrawals first', () => {
    const rib = new RibOut();
    rib.open(CONTEXT);
    rib.set([route('192.0.2.1/32'), route('192.0.2.2/32')]);
    drain(rib);
    rib.set([route('192.0.2.2/32'), route('192.0.2.3/32')]);
    const [first, second, ...rest] = drain(rib);
    assert.deepEqual(first?.withdrawn, [parsePrefix('192.0.2.1/32')]);
    assert.deepEqual(second?.announced, [parsePrefix('192.0.2.3/32')]);
    assert.deepEqual(rest, []);
  });
  test('a change of mind before anything went out costs nothing', () => {
    const rib = new RibOut();
    rib.open(CONTEXT);
    rib.set([]);
    drain(rib);
    rib.set([route('192.0.2.1/32')]);
    rib.set([]);
    assert.deepEqual(drain(rib), []);
  });
  test('a refresh repeats one family and its End-of-RIB', () => {
    const rib = new RibOut();
    rib.open(CONTEXT);
    rib.set([route('192.0.2.1/32'), route('2001:db8::1/128')]);
    drain(rib);
    rib.refresh('ipv6');
    const updates = drain(rib);
    assert.equal(updates[0]?.reachable?.prefixes.length, 1);
    assert.equal(updates.length, 2);
  });
  test('a new session gets everything again', () => {
    const rib = new RibOut();
    rib.set([route('192.0.2.1/32')]);
    rib.open(CONTEXT);
    drain(rib);
    rib.close();
    assert.equal(rib.announced, 0);
    rib.open(CONTEXT);
    assert.equal(drain(rib)[0]?.announced.length, 1);
  });

  const anyRoutes = fc.array(
    fc.tuple(fc.nat(40), fc.nat(2), fc.boolean()).map(([host, community, six]) =>
      route(six ? `2001:db8::${host.toString(16)}/128` : `192.0.2.${host}/32`, {
        communities: [community],
      }),
    ),
    { maxLength: 60 },
  );
  test('whatever is asked for in whatever order, the peer ends with the last wish', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyRoutes, fc.constantFrom('all', 'some', 'refresh', 'lose'))),
        anyRoutes,
        (steps, last) => {
          const rib = new RibOut();
          let peer = new Peer();
          rib.open(CONTEXT);
          for (const [routes, what] of steps) {
            rib.set(routes);
            if (what === 'all') peer.apply(drain(rib));
            if (what === 'some') {
              const update = rib.next();
              if (update !== null) peer.apply([update]);
            }
            if (what === 'refresh') rib.refresh('ipv4');
            if (what === 'lose') {
              rib.close();
              peer = new Peer();
              rib.open(CONTEXT);
            }
          }
          rib.set(last);
          peer.apply(drain(rib));
          const wanted = last.map(
            ({ prefix, communities }) => [formatPrefix(prefix), JSON.stringify(communities)] as const,
          );
          assert.deepEqual(new Map([...peer.table].sort()), new Map([...new Map(wanted)].sort()));
        },
      ),
    );
  });
});

describe('packing', () => {
  test('1,000 routes of equal attributes take a few messages, none too long', () => {
    const rib = new RibOut();
    rib.set(Array.from({ length: 1000 }, (_, i) => route(`10.0.${i >> 8}.${i & 255}/32`)));
    rib.open(CONTEXT);
    const updates = drain(rib);
    assert.equal(updates.length, 2 + 2); // and two End-of-RIB
    for (const update of updates) assert.ok(encodeMessage(update, true).length <= LONGEST_MESSAGE);
    assert.equal(
      updates.reduce((sum, { announced }) => sum + announced.length, 0),
      1000,
    );
  });
  test('1,000 withdrawals of IPv6 routes fit as well', () => {
    const rib = new RibOut();
    rib.set(Array.from({ length: 1000 }, (_, i) => route(`2001:db8::${i.toString(16)}/128`)));
    rib.open(CONTEXT);
    for (const update of drain(rib)) assert.ok(encodeMessage(update, true).length <= LONGEST_MESSAGE);
    rib.set([]);
    const updates = drain(rib);
    assert.equal(updates.length, 5);
    for (const update of updates) assert.ok(encodeMessage(update, true).length <= LONGEST_MESSAGE);
  });
  test('the most communities that a route may have fit with many prefixes', () => {
    const rib = new RibOut();
    const largeCommunities = Array.from({ length: 63 }, (_, i) => [i, i, i] as const);
    rib.set(
      Array.from({ length: 800 }, (_, i) => route(`10.0.${i >> 8}.${i & 255}/32`, { largeCommunities })),
    );
    rib.open(CONTEXT);
    for (const update of drain(rib)) assert.ok(encodeMessage(update, true).length <= LONGEST_MESSAGE);
    assert.equal(rib.announced, 800);
  });
});

describe('attributes', () => {
  const first = (context: Partial<RibContext>, given: Route) => {
    const rib = new RibOut();
    rib.set([given]);
    rib.open({ ...CONTEXT, ...context });
    return rib.next();
  };
  test('an external peer sees our AS and no local preference', () => {
    const update = first({}, route('192.0.2.1/32', { localPref: 300 }));
    assert.deepEqual(update?.attributes?.asPath, [{ kind: 'sequence', as: [64512] }]);
    assert.equal(update?.attributes?.localPref, null);
    assert.equal(update?.attributes?.nextHop, HOP4.value);
  });
  test('an internal peer sees an empty path and a preference, 100 when none is given', () => {
    assert.deepEqual(first({ internal: true }, route('192.0.2.1/32'))?.attributes?.asPath, []);
    assert.equal(first({ internal: true }, route('192.0.2.1/32'))?.attributes?.localPref, 100);
    assert.equal(
      first({ internal: true }, route('192.0.2.1/32', { localPref: 0 }))?.attributes?.localPref,
      0,
    );
  });
  test('an IPv4 prefix with an IPv6 next hop goes into MP_REACH_NLRI (RFC 8950)', () => {
    const update = first({ nextHop4: HOP6 }, route('192.0.2.1/32'));
    assert.deepEqual(update?.reachable, {
      family: 'ipv4',
      nextHop: HOP6,
      prefixes: [parsePrefix('192.0.2.1/32')],
    });
    assert.equal(update?.attributes?.nextHop, null);
  });
  test('what has no next hop or a family that was not agreed on is counted, not sent', () => {
    const rib = new RibOut();
    rib.set([route('192.0.2.1/32'), route('2001:db8::1/128')]);
    rib.open({ ...CONTEXT, nextHop4: null });
    assert.equal(rib.unsendable, 1);
    drain(rib);
    assert.equal(rib.announced, 1);
    rib.open({ ...CONTEXT, families: ['ipv4'] });
    assert.equal(rib.unsendable, 1);
  });
});
