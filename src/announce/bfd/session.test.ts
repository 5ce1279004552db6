import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../../../test/fuzz/random.ts';
import { type BfdPacket, decodePacket, encodePacket } from './packet.ts';
import { type BfdAction, BfdSession, type BfdSessionConfig } from './session.ts';

const CONFIG: BfdSessionConfig = {
  transmitMs: 100,
  receiveMs: 100,
  multiplier: 3,
  passive: false,
  discriminator: 7,
};

/** A packet of the peer. */
const from = (more: Partial<BfdPacket>): BfdPacket => ({
  diagnostic: 0,
  state: 'Down',
  poll: false,
  final: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 99,
  yourDiscriminator: 0,
  desiredMinTx: 1_000_000,
  requiredMinRx: 100_000,
  requiredMinEchoRx: 0,
  ...more,
});

const states = (actions: readonly BfdAction[]) =>
  actions.flatMap((action) => (action.type === 'state' ? [`${action.from}→${action.to}`] : []));
const sent = (actions: readonly BfdAction[]) =>
  actions.flatMap((action) => (action.type === 'send' ? [action.packet] : []));

function upSession(config: Partial<BfdSessionConfig> = {}): BfdSession {
  const session = new BfdSession({ ...CONFIG, ...config }, () => 0, 0);
  session.receive(from({}), 0);
  session.receive(from({ state: 'Init', yourDiscriminator: 7 }), 0);
  session.receive(from({ state: 'Up', yourDiscriminator: 7, final: true, desiredMinTx: 100_000 }), 0);
  return session;
}

describe('states (RFC 5880 section 6.2)', () => {
  test('Down, Init, Up', () => {
    const session = new BfdSession(CONFIG, () => 0, 0);
    assert.deepEqual(states(session.receive(from({}), 0)), ['Down→Init']);
    assert.deepEqual(states(session.receive(from({ state: 'Init', yourDiscriminator: 7 }), 1)), ['Init→Up']);
  });
  test('Up with a peer that was Down and says Init at once', () => {
    const session = new BfdSession(CONFIG, () => 0, 0);
    assert.deepEqual(states(session.receive(from({ state: 'Init', yourDiscriminator: 7 }), 0)), ['Down→Up']);
  });
  test('a peer that says Up to a session that is Down is waited for', () => {
    const session = new BfdSession(CONFIG, () => 0, 0);
    assert.deepEqual(states(session.receive(from({ state: 'Up', yourDiscriminator: 7 }), 0)), []);
  });
  test('a peer that goes down takes us with it; an administrator who does so is told apart', () => {
    const down = upSession().receive(from({ state: 'Down' }), 1);
    assert.deepEqual(
      down.filter(({ type }) => type === 'state'),
      [{ type: 'state', from: 'Up', to: 'Down', cause: 'peer-down' }],
    );
    const admin = upSession().receive(from({ state: 'AdminDown' }), 1);
    assert.deepEqual(
      admin.filter(({ type }) => type === 'state'),
      [{ type: 'state', from: 'Up', to: 'Down', cause: 'peer-admin-down' }],
    );
  });
  test('a peer that began another session is told apart from one that misses our packets', () => {
    const causes = (packet: BfdPacket) =>
      upSession()
        .receive(packet, 1)
        .flatMap((action) => (action.type === 'state' ? [action.cause] : []));
    assert.deepEqual(causes(from({ myDiscriminator: 100 })), ['peer-restarted']);
    assert.deepEqual(causes(from({ diagnostic: 3 })), ['peer-restarted']);
    assert.deepEqual(causes(from({ myDiscriminator: 100, diagnostic: 1 })), ['peer-down']);
    assert.deepEqual(causes(from({})), ['peer-down']);
  });
  test('the last packet says AdminDown with diagnostic 7', () => {
    const { state, diagnostic } = upSession().farewell();
    assert.deepEqual([state, diagnostic], ['AdminDown', 7]);
  });
});

describe('intervals', () => {
  test('at most one packet a second before Up, jittered', () => {
    const session = new BfdSession(CONFIG, () => 0, 0);
    assert.equal(sent(session.tick(0))[0]?.desiredMinTx, 1_000_000);
    assert.equal(session.deadline, 750);
    const late = new BfdSession(CONFIG, () => 0.999_999, 0);
    late.tick(0);
    assert.ok(late.deadline > 999 && late.deadline < 1000);
  });
  test('a multiplier of 1 leaves room: never later than 90 % (section 6.8.7)', () => {
    const session = new BfdSession({ ...CONFIG, multiplier: 1 }, () => 0.999_999, 0);
    session.tick(0);
    assert.ok(session.deadline < 900.1);
  });
  test('on Up the configured pace is announced with a poll, which ends with the final packet', () => {
    const session = new BfdSession(CONFIG, () => 0, 0);
    session.receive(from({ state: 'Init', yourDiscriminator: 7 }), 0);
    const [first] = sent(session.tick(0));
    assert.equal(first?.poll, true);
    assert.equal(first?.desiredMinTx, 100_000);
    session.receive(from({ state: 'Up', yourDiscriminator: 7, final: true }), 5);
    const [next] = sent(session.tick(session.deadline));
    assert.equal(next?.poll, false);
  });
  test('the slower of what we want to send and the peer wants to get', () => {
    const session = upSession();
    assert.equal(session.transmitMs, 100);
    session.receive(from({ state: 'Up', yourDiscriminator: 7, requiredMinRx: 400_000 }), 1);
    assert.equal(session.transmitMs, 400);
  });
  test('a poll is answered at once', () => {
    const [answer] = sent(upSession().receive(from({ state: 'Up', yourDiscriminator: 7, poll: true }), 1));
    assert.equal(answer?.final, true);
    assert.equal(answer?.poll, false);
  });
  test('slower packets wait until the peer knows; faster ones do not (section 6.8.3)', () => {
    const session = upSession();
    session.configure({ ...CONFIG, transmitMs: 500 }, 10);
    assert.equal(session.transmitMs, 100);
    const [poll] = sent(session.tick(10));
    assert.deepEqual([poll?.poll, poll?.desiredMinTx], [true, 500_000]);
    session.receive(from({ state: 'Up', yourDiscriminator: 7, final: true }), 11);
    assert.equal(session.transmitMs, 500);
    session.configure({ ...CONFIG, transmitMs: 200 }, 12);
    assert.equal(session.transmitMs, 200);
  });
  test('a shorter detection time waits until the peer sends faster', () => {
    const session = upSession({ receiveMs: 300 });
    assert.equal(session.detectMs, 900);
    session.configure({ ...CONFIG, receiveMs: 100 }, 1);
    assert.equal(session.detectMs, 900);
    session.receive(from({ state: 'Up', yourDiscriminator: 7, final: true, desiredMinTx: 100_000 }), 2);
    assert.equal(session.detectMs, 300);
  });
  test('a peer that wants no packets gets none', () => {
    const session = upSession();
    session.receive(from({ state: 'Up', yourDiscriminator: 7, requiredMinRx: 0 }), 1);
    assert.deepEqual(sent(session.tick(session.deadline)), []);
  });
  test('a passive session speaks when spoken to', () => {
    const session = new BfdSession({ ...CONFIG, passive: true }, () => 0, 0);
    assert.equal(session.deadline, Number.POSITIVE_INFINITY);
    session.receive(from({}), 10);
    assert.equal(sent(session.tick(session.deadline)).length, 1);
  });
});

describe('detection', () => {
  test("silence of the peer's multiplier times the slower interval is a loss", () => {
    const session = upSession();
    session.receive(from({ state: 'Up', yourDiscriminator: 7, desiredMinTx: 200_000, multiplier: 4 }), 1000);
    assert.equal(session.detectMs, 800);
    assert.deepEqual(states(session.tick(1799)), []);
    const [down] = session.tick(1800).filter(({ type }) => type === 'state');
    assert.deepEqual(down, { type: 'state', from: 'Up', to: 'Down', cause: 'silence' });
    assert.equal(sent(session.tick(session.deadline))[0]?.diagnostic ?? 1, 1);
  });
  test('afterwards the peer is unknown again', () => {
    const session = upSession();
    const actions = session.tick(10_000);
    assert.equal(sent(actions)[0]?.yourDiscriminator, 0);
    assert.equal(sent(actions)[0]?.diagnostic, 1);
  });
});

/** Two sessions over a line that loses, doubles and swaps packets. */
function simulate(seed: number): void {
  const random = new Random(seed);
  const config = (discriminator: number, passive: boolean): BfdSessionConfig => ({
    transmitMs: random.pick([50, 100, 300]),
    receiveMs: random.pick([50, 100, 300]),
    multiplier: random.int(3, 5),
    passive,
    discriminator,
  });
  const ends = [
    new BfdSession(config(1, random.chance(0.3)), random.next, 0),
    new BfdSession(config(2, false), random.next, 0),
  ] as const;
  let lineUp = true;
  let lossy = true;
  let now = 0;
  const flying: { at: number; to: 0 | 1; bytes: Buffer }[] = [];
  const perform = (who: 0 | 1, actions: readonly BfdAction[]) => {
    for (const action of actions) {
      if (action.type !== 'send' || !lineUp || (lossy && random.chance(0.3))) continue;
      const bytes = encodePacket(action.packet);
      const copies = lossy && random.chance(0.1) ? 2 : 1;
      for (let i = 0; i < copies; i++)
        flying.push({ at: now + random.int(0, lossy ? 30 : 3), to: (1 - who) as 0 | 1, bytes });
    }
  };
  const run = (until: number) => {
    for (;;) {
      flying.sort((a, b) => a.at - b.at);
      const next = Math.min(flying[0]?.at ?? until, ends[0].deadline, ends[1].deadline);
      if (next >= until) break;
      now = Math.max(now, next);
      const packet = flying[0];
      if (packet !== undefined && packet.at <= now) {
        flying.shift();
        const decoded = decodePacket(packet.bytes);
        assert.ok(typeof decoded !== 'string', `seed ${seed}: ${decoded}`);
        perform(packet.to, ends[packet.to].receive(decoded, now));
        continue;
      }
      for (const who of [0, 1] as const) if (ends[who].deadline <= now) perform(who, ends[who].tick(now));
    }
    now = until;
  };
  const both = () => ends.map(({ state }) => state);
  run(20_000);
  lossy = false;
  run(30_000);
  assert.deepEqual(both(), ['Up', 'Up'], `seed ${seed}: up after the line got better`);
  const worst = Math.max(...ends.map(({ detectMs }) => detectMs));
  lineUp = false;
  run(now + worst + 10);
  assert.ok(!both().includes('Up'), `seed ${seed}: down within the detection time`);
  lineUp = true;
  run(now + 10_000);
  assert.deepEqual(both(), ['Up', 'Up'], `seed ${seed}: up again`);
  run(now + 60_000);
  assert.deepEqual(both(), ['Up', 'Up'], `seed ${seed}: stays up`);
}

test('two sessions find each other through losses, notice a cut in time, and stay up on a good line', () => {
  for (let seed = 1; seed <= 100; seed++) simulate(seed);
});

test('a peer that wanted no packets and fell silent is spoken to again, so that two of them find each other', () => {
  const session = new BfdSession(CONFIG, () => 0, 0);
  session.receive(from({ requiredMinRx: 0 }), 0);
  assert.deepEqual(sent(session.tick(1)), []);
  const silentAt = session.detectMs + 1;
  assert.equal(sent(session.tick(silentAt)).length, 1);
});
