import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ElectionWorld } from '../../../test/kit/election-world.ts';
import {
  advance,
  type ElectionAction,
  type ElectionConfig,
  type ElectionEvent,
  type ElectionState,
  type LeaseRecord,
  leads,
  NOT_STARTED,
} from './election.ts';

const CONFIG: ElectionConfig = {
  identity: 'me',
  leaseDuration: 15_000,
  renewDeadline: 10_000,
  retryPeriod: 2000,
};

/** One candidate, told event by event what happens. */
function candidate() {
  let state: ElectionState = NOT_STARTED;
  let wakeAt: number | null = null;
  return {
    at(now: number, event: ElectionEvent): string[] {
      const step = advance(state, event, CONFIG, now, 0);
      state = step.state;
      wakeAt = step.wakeAt;
      return step.actions.map(nameOf);
    },
    leadsAt: (now: number) => leads(state, now),
    wakeAt: () => wakeAt,
  };
}

function nameOf(action: ElectionAction): string {
  return action.kind === 'request' ? action.request.kind : action.kind;
}

function held(by: string, resourceVersion: string, more: Partial<LeaseRecord> = {}): LeaseRecord {
  return { holder: by, durationMs: 15_000, transitions: 0, acquireTime: null, resourceVersion, ...more };
}

const read = (lease: LeaseRecord | null): ElectionEvent => ({ kind: 'read', lease });
const written = (rv: string): ElectionEvent => ({ kind: 'written', lease: held('me', rv) });
const failed = (why: 'conflict' | 'missing' | 'other'): ElectionEvent => ({ kind: 'failed', why });
const wake: ElectionEvent = { kind: 'wake' };

/** A candidate that has led since 0, with version `1` of the Lease. */
function leader() {
  const me = candidate();
  me.at(0, wake);
  me.at(0, read(held('', '0')));
  assert.deepEqual(me.at(0, written('1')), ['elected']);
  return me;
}

describe('becoming leader', () => {
  test('a released Lease is taken at once', () => {
    const me = candidate();
    assert.deepEqual(me.at(0, wake), ['read']);
    assert.deepEqual(me.at(5, read(held('', '1', { durationMs: 1000 }))), ['acquire']);
    assert.deepEqual(me.at(10, written('2')), ['elected']);
    assert.equal(me.leadsAt(10), true);
  });
  test('who creates a Lease leads when it has held it for a whole duration', () => {
    const me = candidate();
    me.at(0, wake);
    assert.deepEqual(me.at(0, read(null)), ['create']);
    assert.deepEqual(me.at(0, written('1')), []);
    for (let now = 2000; now < 15_000; now += 2000) {
      assert.deepEqual(me.at(now, wake), ['renew']);
      assert.deepEqual(me.at(now, written(String(now))), [], String(now));
    }
    me.at(16_000, wake);
    assert.deepEqual(me.at(16_000, written('9')), ['elected']);
  });
  test('who stops before that leaves the Lease to expire, since an earlier leader may still be there', () => {
    const me = candidate();
    me.at(0, wake);
    me.at(0, read(null));
    me.at(0, written('1'));
    assert.deepEqual(me.at(1000, { kind: 'stop' }), ['stopped']);
  });
  test('a Lease that somebody holds is taken when it did not change for its own duration, by our clock', () => {
    const me = candidate();
    me.at(0, wake);
    assert.deepEqual(me.at(100, read(held('other', '7', { durationMs: 60_000 }))), []);
    for (let now = 2200; now < 60_100; now += 2200) {
      me.at(now, wake);
      assert.deepEqual(me.at(now, read(held('other', '7', { durationMs: 60_000 }))), [], String(now));
    }
    assert.equal(me.wakeAt(), 60_100);
    me.at(60_100, wake);
    assert.deepEqual(me.at(60_100, read(held('other', '7', { durationMs: 60_000 }))), ['acquire']);
  });
  test('each change of the Lease starts the wait anew', () => {
    const me = candidate();
    me.at(0, wake);
    me.at(0, read(held('other', '1')));
    me.at(14_000, wake);
    me.at(14_000, read(held('other', '2')));
    me.at(16_000, wake);
    assert.deepEqual(me.at(16_000, read(held('other', '2'))), []);
  });
  test('who loses the race for it waits', () => {
    const me = candidate();
    me.at(0, wake);
    me.at(0, read(held('', '1')));
    assert.deepEqual(me.at(1, failed('conflict')), []);
    assert.equal(me.wakeAt(), 2001);
  });
  test('an answer that comes after its deadline makes nobody a leader', () => {
    const me = candidate();
    me.at(0, wake);
    me.at(0, read(held('', '1')));
    assert.deepEqual(me.at(10_000, written('2')), []);
    assert.equal(me.leadsAt(10_000), false);
  });
  test('a Lease that names us, because an answer got lost, is held for a whole duration first', () => {
    const me = candidate();
    me.at(0, wake);
    me.at(0, read(held('', '1')));
    me.at(5000, failed('other'));
    me.at(7000, wake);
    assert.deepEqual(me.at(7000, read(held('me', '2'))), ['renew']);
    assert.deepEqual(me.at(7010, written('3')), []);
    me.at(22_000, wake);
    assert.deepEqual(me.at(22_000, written('4')), ['elected']);
  });
});

describe('being leader', () => {
  test('the Lease is renewed every retry period, without a look at it first', () => {
    const me = leader();
    assert.equal(me.wakeAt(), 2000);
    assert.deepEqual(me.at(2000, wake), ['renew']);
    assert.deepEqual(me.at(2001, written('2')), []);
    assert.equal(me.leadsAt(11_999), true);
    assert.equal(me.leadsAt(12_000), false);
  });
  test('who cannot renew leads until the deadline after the last renewal it sent, and no longer', () => {
    const me = leader();
    me.at(2000, wake);
    assert.deepEqual(me.at(7000, failed('other')), []);
    assert.deepEqual(me.at(9000, wake), ['renew']);
    assert.equal(me.wakeAt(), 10_000);
    assert.deepEqual(me.at(10_000, wake), ['lost']);
    assert.equal(me.leadsAt(10_000), false);
  });
  test('after a long pause of the process the first thing is to step down', () => {
    const me = leader();
    assert.equal(me.leadsAt(300_000), false);
    assert.deepEqual(me.at(300_000, wake), ['lost', 'renew']);
  });
  test('when somebody else holds the Lease it is lost at once', () => {
    const me = leader();
    me.at(2000, wake);
    assert.deepEqual(me.at(2001, failed('conflict')), ['read']);
    assert.deepEqual(me.at(2002, read(held('other', '9'))), ['lost']);
  });
  test('when somebody only edited it, it is renewed on top of that', () => {
    const me = leader();
    me.at(2000, wake);
    me.at(2001, failed('conflict'));
    assert.deepEqual(me.at(2002, read(held('me', '9'))), ['renew']);
    assert.deepEqual(me.at(2003, written('10')), []);
    assert.equal(me.leadsAt(11_000), true);
  });
  test('one conflict after the other is not answered with a storm of requests', () => {
    const me = leader();
    let requests = 0;
    let now = 2000;
    let version = 2;
    while (me.leadsAt(now)) {
      let [action] = me.at(now, wake);
      while (action !== undefined && action !== 'lost') {
        requests++;
        now += 10;
        [action] = me.at(now, action === 'read' ? read(held('me', String(version++))) : failed('conflict'));
      }
      now = Math.max(now, me.wakeAt()!);
    }
    assert.ok(requests <= 12, `${requests} requests in 8 s`);
  });
  test('a deleted Lease is put back, and who leads stays', () => {
    const me = leader();
    me.at(2000, wake);
    assert.deepEqual(me.at(2001, failed('missing')), ['create']);
    assert.deepEqual(me.at(2002, written('5')), []);
    assert.equal(me.leadsAt(11_000), true);
  });
});

describe('with a watch', () => {
  const watching: ElectionEvent = { kind: 'watching', on: true };
  const seen = (lease: LeaseRecord | null): ElectionEvent => ({ kind: 'seen', lease });

  test('nobody looks at the Lease while it is held, only when it may have expired', () => {
    const me = candidate();
    me.at(0, watching);
    me.at(0, wake);
    me.at(0, read(held('other', '1')));
    assert.equal(me.wakeAt(), 15_000);
    assert.deepEqual(me.at(2000, seen(held('other', '2'))), []);
    assert.equal(me.wakeAt(), 17_000);
    assert.deepEqual(me.at(17_000, wake), ['read']);
    assert.deepEqual(me.at(17_000, read(held('other', '2'))), ['acquire']);
  });
  test('a released Lease is taken at once', () => {
    const me = candidate();
    me.at(0, watching);
    me.at(0, wake);
    me.at(0, read(held('other', '1')));
    assert.deepEqual(me.at(5000, seen(held('', '2'))), ['acquire']);
    assert.deepEqual(me.at(5001, written('3')), ['elected']);
  });
  test('a watch that ended is replaced by looks', () => {
    const me = candidate();
    me.at(0, watching);
    me.at(0, wake);
    me.at(0, read(held('other', '1')));
    me.at(1000, { kind: 'watching', on: false });
    assert.equal(me.wakeAt(), 3000);
  });
  test('who leads, or asks just now, does not listen to it', () => {
    const me = leader();
    assert.deepEqual(me.at(1, seen(held('other', '0'))), []);
    assert.equal(me.leadsAt(2), true);
    me.at(2000, wake);
    assert.deepEqual(me.at(2001, seen(null)), []);
  });
});

describe('stopping', () => {
  test('a leader steps down first and then gives the Lease back', () => {
    const me = leader();
    assert.deepEqual(me.at(1000, { kind: 'stop' }), ['lost', 'release']);
    assert.deepEqual(me.at(1001, { kind: 'written', lease: held('', '2') }), ['stopped']);
    assert.equal(me.wakeAt(), null);
  });
  test('a renewal on its way is waited for, since it decides what is to be given back', () => {
    const me = leader();
    me.at(2000, wake);
    assert.deepEqual(me.at(2001, { kind: 'stop' }), ['lost']);
    assert.deepEqual(me.at(2002, written('2')), ['release']);
  });
  test('who does not lead leaves the Lease alone', () => {
    const me = candidate();
    me.at(0, wake);
    me.at(0, read(held('other', '1')));
    assert.deepEqual(me.at(1, { kind: 'stop' }), ['stopped']);
  });
});

describe('several candidates, in simulated worlds', () => {
  const seeds = fc.integer();
  test('there are never two leaders, whatever network, clocks and people do', () => {
    let terms = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const world = new ElectionWorld(seed, 3);
        world.run(900_000, { faults: true });
        assert.deepEqual(world.overlaps, []);
        terms += world.terms;
      }),
      { numRuns: 150 },
    );
    assert.ok(terms > 300, `only ${terms} terms: the worlds are too quiet to mean anything`);
  });
  test('when the trouble is over there is a leader again, and it stays', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const world = new ElectionWorld(seed, 3);
        world.run(60_000, { faults: true });
        world.run(60_000, { faults: false });
        const { terms } = world;
        assert.equal(world.leaders().length, 1);
        world.run(60_000, { faults: false });
        assert.equal(world.leaders().length, 1);
        assert.equal(world.terms, terms);
        assert.deepEqual(world.overlaps, []);
      }),
      { numRuns: 50 },
    );
  });
  test('of those that start at once exactly one leads, and another follows a release within three periods', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const world = new ElectionWorld(seed, 4);
        world.run(40_000, { faults: false });
        const [first, ...more] = world.leaders();
        assert.equal(more.length, 0);
        assert.ok(first !== undefined);
        world.stop(first);
        world.run(6000, { faults: false });
        assert.equal(world.leaders().length, 1);
        assert.notEqual(world.leaders()[0], first);
      }),
      { numRuns: 50 },
    );
  });
});
