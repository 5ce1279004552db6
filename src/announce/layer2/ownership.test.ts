/** Single steps of the hand-over; what comes of them together is in hand-over.simulation.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Ownership } from './ownership.ts';
import type { Member, WantedAddress } from './wanted.ts';

const VIP = '192.0.2.100';
const TIMING = { detectMs: 400, probeMs: 100, retryMs: 500, releaseMs: 0 };
const wanted = (nodes: string): WantedAddress[] => [
  { address: VIP, candidates: [...nodes].map((node) => ({ node, interfaces: null })) },
];
const announce = { type: 'announce', address: VIP, interfaces: ['eth0'] };
const probe = { type: 'probe', address: VIP, interfaces: ['eth0'] };
const release = { type: 'release', address: VIP };
const retain = { type: 'retain', address: VIP };
const withdraw = { type: 'withdraw', address: VIP };

/** `b` has the address in hand when it is asked for as `b!`, and would hand it over as `b?`. */
const members = (...names: string[]) =>
  new Map(
    names.map((text): [string, Member] => {
      const name = text[0]!;
      const claims = new Map(text.length > 1 ? [[VIP, text.endsWith('?')]] : []);
      return [name, { name, interfaces: ['eth0'], claims, leaving: false }];
    }),
  );
/** Speaker b, elected, after it listened. */
function listened(nodes = 'ba', timing = TIMING) {
  const ownership = new Ownership('b', timing, 0);
  ownership.plan(wanted(nodes), 0);
  ownership.members(members('a', 'b'), 1);
  return ownership;
}
/** Speaker b, which announces. */
function announcing(timing = TIMING) {
  const ownership = listened('ba', timing);
  for (const now of [400, 450, 500]) ownership.tick(now);
  return ownership;
}
const state = (ownership: Ownership) => [...ownership.status()][0]?.state;

describe('an address that nobody claims', () => {
  test('is asked for twice after listening, then announced', () => {
    const ownership = listened();
    assert.deepEqual([ownership.deadline(), ownership.tick(399)], [400, []]);
    assert.deepEqual(ownership.tick(400), [probe]);
    assert.deepEqual([ownership.deadline(), ownership.tick(450)], [450, [probe]]);
    assert.deepEqual([ownership.deadline(), ownership.tick(500)], [500, [announce]]);
    assert.deepEqual([...ownership.claims()], [[VIP, false]]);
  });

  test('is left alone while somebody answers, and asked for again', () => {
    const ownership = listened();
    ownership.tick(400);
    assert.deepEqual(ownership.answered(VIP, null, 410), []);
    assert.deepEqual([state(ownership), ownership.tick(500)], ['in-use', []]);
    assert.deepEqual([ownership.deadline(), ownership.tick(910)], [910, [probe]]);
  });

  test('is left to the one with the lower MAC when two ask at once', () => {
    const ownership = listened();
    ownership.tick(400);
    ownership.probed(VIP, false, 405);
    assert.equal(state(ownership), 'probing');
    ownership.probed(VIP, true, 410);
    assert.equal(state(ownership), 'in-use');
  });
});

describe('an address that another speaker has', () => {
  test('is taken once that one would hand it over, without asking', () => {
    const ownership = listened();
    assert.deepEqual(ownership.members(members('a!', 'b'), 600), []);
    assert.equal(state(ownership), 'waiting');
    assert.deepEqual(ownership.members(members('a?', 'b'), 700), [announce]);
  });

  test('is not kept once the elected one has it, on the wire or by its word', () => {
    const ownership = announcing();
    ownership.plan(wanted('ab'), 600);
    assert.deepEqual([...ownership.claims()], [[VIP, true]], 'it would hand over');
    assert.deepEqual(ownership.members(members('a!', 'b'), 700), [withdraw]);
    const other = announcing();
    other.plan(wanted('ab'), 600);
    assert.deepEqual(other.answered(VIP, 'a', 650), [withdraw]);
  });

  test('is kept until then', () => {
    const ownership = announcing();
    assert.deepEqual(ownership.plan(wanted('ab'), 600), []);
    assert.deepEqual(ownership.tick(60_000), []);
  });
});

describe('an address that is served here', () => {
  const serving = () => announcing({ ...TIMING, releaseMs: 1000 });

  test('is handed over once it has been let go', () => {
    const ownership = serving();
    assert.deepEqual(ownership.plan(wanted('ab'), 600), [release]);
    assert.deepEqual([[...ownership.claims()], ownership.tick(700)], [[[VIP, false]], []]);
    ownership.released(VIP);
    assert.deepEqual([...ownership.claims()], [[VIP, true]]);
    assert.deepEqual(ownership.members(members('a!', 'b'), 800), [withdraw]);
  });

  test('is handed over when that takes too long', () => {
    const ownership = serving();
    ownership.plan(wanted('ab'), 600);
    assert.deepEqual([ownership.deadline(), ownership.tick(1599)], [1600, []]);
    assert.deepEqual([...ownership.claims()], [[VIP, false]]);
    assert.deepEqual([ownership.tick(1600), [...ownership.claims()]], [[], [[VIP, true]]]);
    assert.equal(ownership.deadline(), Number.POSITIVE_INFINITY);
  });

  test('is served on when it is not handed over after all, and let go anew the next time', () => {
    const ownership = serving();
    ownership.plan(wanted('ab'), 600);
    assert.deepEqual(ownership.plan(wanted('ba'), 700), [retain]);
    ownership.released(VIP);
    assert.deepEqual([...ownership.claims()], [[VIP, false]]);
    assert.deepEqual(ownership.plan(wanted('ab'), 800), [release]);
    assert.deepEqual([...ownership.claims()], [[VIP, false]]);
  });

  test('goes at once when the next one has it already', () => {
    const ownership = serving();
    ownership.plan(wanted('ab'), 600);
    assert.deepEqual(ownership.answered(VIP, 'a', 650), [withdraw]);
  });

  test('is let go at leaving, too', () => {
    const ownership = serving();
    ownership.leave();
    assert.deepEqual(ownership.tick(600), [release]);
  });
});

describe('an address that two have', () => {
  test('is given up by the later name after a detection interval', () => {
    const ownership = announcing();
    assert.deepEqual(ownership.members(members('a!', 'b'), 1000), []);
    assert.deepEqual([ownership.deadline(), ownership.tick(1399)], [1400, []]);
    assert.deepEqual(ownership.tick(1400), [withdraw]);
  });

  test('is kept by the earlier name, and hosts are told again when the other one stopped', () => {
    const ownership = announcing();
    ownership.members(members('b', 'c!'), 1000);
    assert.deepEqual(ownership.tick(1400), []);
    assert.deepEqual(ownership.members(members('b', 'c'), 1500), [announce]);
  });

  test('is kept beside a foreign host', () => {
    const ownership = announcing();
    assert.deepEqual(ownership.answered(VIP, null, 1000), []);
    assert.deepEqual([state(ownership), ownership.tick(5000)], ['announcing', []]);
  });
});

describe('the end of an address', () => {
  test('comes when it is no longer wanted, or nobody may have it', () => {
    assert.deepEqual(announcing().plan([], 600), [withdraw]);
    assert.deepEqual(announcing().plan(wanted('z'), 600), [withdraw]);
  });

  test('at leaving comes when another one has it, not before', () => {
    const ownership = announcing();
    ownership.leave();
    const leaving = (other: string) => {
      const found = members(other, 'b');
      found.set('b', { ...found.get('b')!, leaving: true });
      return found;
    };
    assert.deepEqual(ownership.members(leaving('a'), 600), []);
    assert.deepEqual([...ownership.claims()], [[VIP, true]]);
    assert.deepEqual(ownership.members(leaving('a!'), 700), [withdraw]);
  });

  test('at leaving comes with the first word of the next one, before any heartbeat: hosts are not called back', () => {
    const ownership = announcing();
    ownership.leave();
    assert.deepEqual(ownership.answered(VIP, 'a', 600), [withdraw]);
  });
});
