import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Membership } from './membership.ts';
import { CLAIMS_PER_PART, type Claim, type Heartbeat } from './packet.ts';

const TIMING = { intervalMs: 100, missed: 4 };
const speaker = (name: string, boot: bigint) => {
  const made = new Membership(name, boot, TIMING);
  made.setPeers(['a', 'b']);
  made.setSelf({ interfaces: [{ name: 'eth0', mac: Number(boot) }], claims: [] });
  return made;
};
const one = (from: Membership, now: number) => from.heartbeats(now, false)[0]!;
const names = (membership: Membership, now: number) => [...membership.members(now).keys()];

/** Both have heard each other at time 0. */
function pair() {
  const [a, b] = [speaker('a', 1n), speaker('b', 2n)];
  a.receive(one(b, 0), 0);
  b.receive(one(a, 0), 0);
  const recorded = one(b, 0);
  a.receive(recorded, 0);
  return { a, b, recorded };
}

describe('who lives', () => {
  test('a speaker alone is a member', () => {
    assert.deepEqual(names(speaker('a', 1n), 0), ['a']);
  });

  test('one that is heard counts when it hears us; the first word is answered at once', () => {
    const [a, b] = [speaker('a', 1n), speaker('b', 2n)];
    assert.deepEqual(a.receive(one(b, 0), 0), { answer: true });
    assert.deepEqual(names(a, 0), ['a']);
    assert.deepEqual(b.receive(one(a, 0), 0), { answer: true });
    assert.deepEqual(names(b, 0), ['b', 'a'], 'what it answers names us');
    assert.deepEqual(a.receive(one(b, 0), 0), { answer: false });
    assert.deepEqual(names(a, 0), ['a', 'b']);
  });

  test('one that is not heard for the detection time is lost, and not before', () => {
    const { a } = pair();
    assert.equal(a.deadline(0), 400);
    assert.deepEqual(names(a, 399), ['a', 'b']);
    assert.deepEqual(names(a, 400), ['a']);
    assert.equal(a.deadline(400), Number.POSITIVE_INFINITY);
  });

  test('one that no longer hears us is lost as well, though we hear it', () => {
    const { a, b } = pair();
    for (let now = 100; now <= 900; now += 100) a.receive(one(b, now), now);
    assert.deepEqual(names(a, 900), ['a']);
  });

  test('what we slept through is not held against others', () => {
    const { a } = pair();
    a.forgive(1000);
    assert.deepEqual(names(a, 1399), ['a', 'b']);
  });

  test('one that leaves is a member that says so; one that is gone is none', () => {
    const { a, b } = pair();
    b.setPresence('leaving');
    a.receive(one(b, 10), 10);
    assert.equal(a.members(10).get('b')?.leaving, true);
    b.setPresence('gone');
    a.receive(one(b, 20), 20);
    assert.deepEqual(names(a, 20), ['a']);
  });

  test('names that nobody told us, our own too, are refused', () => {
    const { a } = pair();
    assert.equal(a.receive(one(speaker('c', 3n), 0), 0), 'unknown-name');
    assert.equal(a.receive(one(speaker('a', 3n), 0), 0), 'own-name');
    a.setPeers([]);
    assert.deepEqual(names(a, 0), ['a']);
  });

  test('the MAC of a speaker that was lost is still known as its own', () => {
    const { a } = pair();
    assert.deepEqual([a.speakerOf(2), a.speakerOf(99)], ['b', null]);
  });
});

describe('replayed heartbeats', () => {
  test('an older one of the same start does not count', () => {
    const { a, recorded } = pair();
    assert.equal(a.receive(recorded, 5), 'replayed');
    assert.deepEqual(names(a, 400), ['a']);
  });

  test('one of an earlier start does not count', () => {
    const { a, recorded } = pair();
    const again = speaker('b', 3n);
    again.receive(one(a, 10), 10);
    a.receive(one(again, 10), 10);
    assert.equal(a.receive({ ...recorded, counter: 1000n }, 20), 'retired-boot');
  });

  test('to a speaker that started since, they do not bring the dead back', () => {
    const { recorded } = pair();
    const fresh = speaker('a', 9n);
    fresh.receive(recorded, 0);
    assert.deepEqual(names(fresh, 0), ['a']);
  });
});

describe('claims', () => {
  const many = Array.from(
    { length: CLAIMS_PER_PART + 5 },
    (_, i): Claim => [`198.51.${i >> 8}.${i & 255}`, i % 2 === 0],
  );

  test('more than fit one datagram go in turn, or all at once', () => {
    const { a, b } = pair();
    b.setSelf({ interfaces: [], claims: many });
    const [first, second] = b.heartbeats(10, true) as [Heartbeat, Heartbeat];
    a.receive(first, 10);
    assert.equal(a.members(10).get('b')?.claims.size, 0, 'half of them would look like a loss');
    a.receive(second, 10);
    assert.deepEqual([...a.members(10).get('b')!.claims], many);
    const turns = [one(b, 20), one(b, 30), one(b, 40)].map(({ part }) => part);
    assert.deepEqual(turns, [0, 1, 0]);
  });

  test('what is claimed no more is gone with the next heartbeat', () => {
    const { a, b } = pair();
    b.setSelf({ interfaces: [], claims: [['192.0.2.1', true]] });
    a.receive(one(b, 10), 10);
    assert.deepEqual([...a.members(10).get('b')!.claims], [['192.0.2.1', true]]);
    b.setSelf({ interfaces: [], claims: [] });
    a.receive(one(b, 20), 20);
    assert.deepEqual([...a.members(20).get('b')!.claims], []);
  });
});
