import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PeerFsm } from './fsm.ts';
import type { FsmAction, FsmConfig, FsmEvent, Side } from './fsm-types.ts';
import { KEEPALIVE, type Message, type Open } from './message.ts';
import { cease, notification } from './notification.ts';

const CONFIG: FsmConfig = {
  localAs: 64512,
  peerAs: 64513,
  routerId: 10,
  holdSeconds: 90,
  keepaliveSeconds: null,
  connectSeconds: 4,
  passive: false,
  families: ['ipv4'],
  extendedNextHop: false,
  gracefulRestart: null,
};

const OPEN: Open = {
  type: 'open',
  as: 64513,
  holdTime: 30,
  routerId: 20,
  capabilities: {
    families: ['ipv4', 'ipv6'],
    fourOctetAs: true,
    routeRefresh: true,
    extendedNextHop: false,
    gracefulRestart: null,
  },
};

/** Actions as words: `dial`, `send out open`, `hang-up in`, `up out`, `down …`. */
function words(action: FsmAction): string {
  switch (action.type) {
    case 'send': {
      const { message } = action;
      const what = message.type === 'notification' ? `${message.code}/${message.subcode}` : message.type;
      return `send ${action.side} ${what}`;
    }
    case 'hang-up':
    case 'agreed':
    case 'up':
      return `${action.type} ${action.side}`;
    case 'down':
    case 'failed':
      return `${action.type}: ${action.reason}`;
    case 'refresh':
      return `refresh ${action.family}`;
    default:
      return action.type;
  }
}

class Bench {
  readonly fsm: PeerFsm;
  now = 0;

  constructor(config: Partial<FsmConfig> = {}) {
    this.fsm = new PeerFsm({ ...CONFIG, ...config }, () => 1);
  }

  on(event: FsmEvent): string[] {
    return this.fsm.handle(event, this.now).map(words);
  }
  receive(side: Side, message: Message): string[] {
    return this.on({ type: 'received', side, message });
  }
  /** Lets the time pass to the next deadline. */
  wait(): string[] {
    assert.notEqual(this.fsm.deadline, Number.POSITIVE_INFINITY);
    this.now = this.fsm.deadline;
    return this.on({ type: 'tick' });
  }
  establish(side: Side = 'out', open = OPEN): string[] {
    if (side === 'out') this.on({ type: 'start' });
    return [
      ...this.on({ type: 'connected', side }),
      ...this.receive(side, open),
      ...this.receive(side, KEEPALIVE),
    ];
  }
}

describe('the way to Established', () => {
  test('dial, OPEN, KEEPALIVE', () => {
    const bench = new Bench();
    assert.equal(bench.fsm.state, 'Idle');
    assert.deepEqual(bench.on({ type: 'start' }), ['dial']);
    assert.equal(bench.fsm.state, 'Connect');
    assert.deepEqual(bench.on({ type: 'connected', side: 'out' }), ['send out open']);
    assert.equal(bench.fsm.state, 'OpenSent');
    assert.deepEqual(bench.receive('out', OPEN), ['agreed out', 'send out keepalive']);
    assert.equal(bench.fsm.state, 'OpenConfirm');
    assert.deepEqual(bench.receive('out', KEEPALIVE), ['up out']);
    assert.equal(bench.fsm.state, 'Established');
  });
  test('a passive peer is waited for', () => {
    const bench = new Bench({ passive: true });
    assert.deepEqual(bench.on({ type: 'start' }), []);
    assert.equal(bench.fsm.state, 'Active');
    assert.equal(bench.fsm.deadline, Number.POSITIVE_INFINITY);
    assert.deepEqual(bench.establish('in').at(-1), 'up in');
  });
  test('without start every connection is refused', () => {
    const bench = new Bench();
    assert.equal(bench.fsm.acceptsInbound, false);
    assert.deepEqual(bench.on({ type: 'connected', side: 'in' }), ['hang-up in']);
  });
  test('a refused connection is tried again after the connect time', () => {
    const bench = new Bench();
    bench.on({ type: 'start' });
    assert.deepEqual(bench.on({ type: 'disconnected', side: 'out', reason: 'refused' }), ['failed: refused']);
    assert.equal(bench.fsm.state, 'Active');
    assert.equal(bench.fsm.deadline, 4000);
    assert.deepEqual(bench.wait(), ['dial']);
  });
  test('a SYN without answer is given up and sent anew', () => {
    const bench = new Bench();
    bench.on({ type: 'start' });
    assert.deepEqual(bench.wait(), ['hang-up out', 'failed: no answer to connecting']);
    assert.deepEqual(bench.wait(), ['dial']);
  });
  test('a peer that accepts and says nothing is left after a while', () => {
    const bench = new Bench();
    bench.on({ type: 'start' });
    bench.on({ type: 'connected', side: 'out' });
    assert.deepEqual(bench.wait(), ['send out 4/0', 'hang-up out', 'failed: no answer in OpenSent']);
  });
});

describe('an OPEN that does not fit is refused (RFC 4271 section 6.2)', () => {
  const cases: readonly (readonly [string, Partial<FsmConfig>, Partial<Open>, string])[] = [
    ['another AS', {}, { as: 64999 }, '2/2'],
    ['our AS from an external peer', { peerAs: 'external' }, { as: 64512 }, '2/2'],
    ['another AS from an internal peer', { peerAs: 'internal' }, { as: 64513 }, '2/2'],
    ['our identifier within our AS', { peerAs: 64512 }, { as: 64512, routerId: 10 }, '2/3'],
    [
      'no 4-octet AS where ours needs it',
      { localAs: 70_000, peerAs: 70_000 },
      { as: 70_000, capabilities: { ...OPEN.capabilities, fourOctetAs: false } },
      '2/7',
    ],
    [
      'no family in common',
      { families: ['ipv6'] },
      { capabilities: { ...OPEN.capabilities, families: null } },
      '6/5',
    ],
  ];
  for (const [what, config, open, answer] of cases)
    test(`${what}: ${answer}`, () => {
      const bench = new Bench(config);
      bench.on({ type: 'start' });
      bench.on({ type: 'connected', side: 'out' });
      const [first, second] = bench.receive('out', { ...OPEN, ...open });
      assert.deepEqual([first, second], [`send out ${answer}`, 'hang-up out']);
    });
  for (const [peerAs, as] of [
    ['external', 65_000],
    ['internal', 64_512],
  ] as const)
    test(`a dynamic ${peerAs} AS takes ${as}`, () => {
      assert.equal(new Bench({ peerAs }).establish('out', { ...OPEN, as }).at(-1), 'up out');
    });
  test('our identifier in another AS is fine (RFC 6286)', () => {
    assert.equal(new Bench().establish('out', { ...OPEN, routerId: 10 }).at(-1), 'up out');
  });
});

describe('timers', () => {
  test('KEEPALIVEs go out at a third of the smaller hold time', () => {
    const bench = new Bench();
    bench.establish();
    assert.equal(bench.fsm.deadline, 10_000);
    assert.deepEqual(bench.wait(), ['send out keepalive']);
  });
  test('a keepalive time of our own is kept, but never more than a third', () => {
    const quick = new Bench({ keepaliveSeconds: 2 });
    quick.establish();
    assert.equal(quick.fsm.deadline, 2000);
    const slow = new Bench({ keepaliveSeconds: 60 });
    slow.establish();
    assert.equal(slow.fsm.deadline, 10_000);
  });
  test('silence for the hold time ends the session with 4/0', () => {
    const bench = new Bench();
    bench.establish();
    assert.deepEqual([bench.wait(), bench.wait()], [['send out keepalive'], ['send out keepalive']]);
    assert.deepEqual(bench.wait(), [
      'send out 4/0',
      'hang-up out',
      'down: heard nothing for the hold time of 30 s',
    ]);
  });
  test('what the peer sends restarts the hold timer', () => {
    const bench = new Bench();
    bench.establish();
    bench.wait();
    bench.wait();
    bench.receive('out', KEEPALIVE);
    assert.deepEqual(bench.wait(), ['send out keepalive']);
    assert.equal(bench.fsm.state, 'Established');
  });
  test('a hold time of 0 on either side means no timers at all', () => {
    const bench = new Bench();
    bench.establish('out', { ...OPEN, holdTime: 0 });
    assert.equal(bench.fsm.deadline, Number.POSITIVE_INFINITY);
  });
  test('a peer that reads nothing for eight minutes is left with 8/0 (RFC 9687)', () => {
    const bench = new Bench();
    bench.establish();
    bench.on({ type: 'blocked', side: 'out' });
    for (;;) {
      bench.receive('out', KEEPALIVE);
      const [first] = bench.wait();
      if (first === 'send out keepalive') continue;
      assert.equal(first, 'send out 8/0');
      break;
    }
    assert.equal(bench.now, 480_000);
  });
  test('repeated failures wait longer each time, up to a minute', () => {
    const bench = new Bench();
    const delays: number[] = [];
    bench.on({ type: 'start' });
    for (let i = 0; i < 8; i++) {
      bench.on({ type: 'connected', side: 'out' });
      bench.receive('out', notification(6, 5));
      delays.push(bench.fsm.deadline - bench.now);
      bench.wait();
    }
    assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });
  test('a session that lived for a while starts over with a short wait', () => {
    const bench = new Bench();
    bench.establish('out', { ...OPEN, holdTime: 0 });
    bench.on({ type: 'disconnected', side: 'out', reason: 'gone' });
    assert.equal(bench.fsm.deadline - bench.now, 1000);
    bench.wait();
    bench.establish('out', { ...OPEN, holdTime: 0 });
    bench.now += 40_000;
    bench.on({ type: 'disconnected', side: 'out', reason: 'gone' });
    assert.equal(bench.fsm.deadline - bench.now, 1000);
  });
});

describe('messages that do not belong', () => {
  test('5/1 in OpenSent, 5/2 in OpenConfirm, 5/3 in Established (RFC 6608)', () => {
    const bench = new Bench();
    bench.on({ type: 'start' });
    bench.on({ type: 'connected', side: 'out' });
    assert.equal(bench.receive('out', KEEPALIVE)[0], 'send out 5/1');
    bench.wait();
    bench.on({ type: 'connected', side: 'out' });
    bench.receive('out', OPEN);
    assert.equal(bench.receive('out', { type: 'route-refresh', family: 'ipv4' })[0], 'send out 5/2');
    bench.wait();
    bench.establish();
    assert.equal(bench.receive('out', OPEN)[0], 'send out 5/3');
  });
  test('malformed bytes are answered with what they deserve', () => {
    const bench = new Bench();
    bench.establish();
    const message = { type: 'malformed', answer: notification(3, 1) } as const;
    assert.deepEqual(bench.on({ type: 'received', side: 'out', message }).slice(0, 2), [
      'send out 3/1',
      'hang-up out',
    ]);
  });
  test('a NOTIFICATION is not answered', () => {
    const bench = new Bench();
    bench.establish();
    assert.deepEqual(bench.receive('out', cease(2, 'night')), [
      'hang-up out',
      'down: the peer says: cease: administrative shutdown (6/2), "night"',
    ]);
  });
});

describe('two connections (RFC 4271 section 6.8)', () => {
  const both = (config: Partial<FsmConfig>, open: Open): Bench => {
    const bench = new Bench(config);
    bench.on({ type: 'start' });
    bench.on({ type: 'connected', side: 'in' });
    bench.on({ type: 'connected', side: 'out' });
    bench.receive('in', open);
    return bench;
  };
  test('the larger identifier is ours: our connection stays', () => {
    const bench = both({ routerId: 30 }, OPEN);
    assert.deepEqual(bench.receive('out', OPEN), [
      'send in 6/7',
      'hang-up in',
      'agreed out',
      'send out keepalive',
    ]);
  });
  test("the larger identifier is the peer's: its connection stays", () => {
    const bench = both({}, OPEN);
    assert.deepEqual(bench.receive('out', OPEN), ['send out 6/7', 'hang-up out']);
    assert.deepEqual(bench.receive('in', KEEPALIVE), ['up in']);
  });
  test('equal identifiers: the larger AS decides (RFC 6286)', () => {
    const bench = both({}, { ...OPEN, routerId: 10 });
    assert.deepEqual(bench.receive('out', { ...OPEN, routerId: 10 })[0], 'send out 6/7');
  });
  test('an established connection stays, whoever opened it', () => {
    const bench = both({ routerId: 30 }, OPEN);
    assert.deepEqual(bench.receive('in', KEEPALIVE), ['send out 6/7', 'hang-up out', 'up in']);
  });
  test('a connection that is still being made is given up', () => {
    const bench = new Bench();
    bench.on({ type: 'start' });
    assert.deepEqual(bench.establish('in').slice(-2), ['hang-up out', 'up in']);
  });
});

describe('the end', () => {
  test('a stop says why', () => {
    const bench = new Bench();
    bench.establish();
    const how = { kind: 'cease', subcode: 2, text: 'drained' } as const;
    assert.deepEqual(bench.on({ type: 'stop', how }), ['send out 6/2', 'hang-up out', 'down: stopped']);
    assert.equal(bench.fsm.state, 'Idle');
    assert.equal(bench.fsm.deadline, Number.POSITIVE_INFINITY);
  });
  test('a silent stop only closes, so that the peer keeps the routes', () => {
    const bench = new Bench();
    bench.establish();
    assert.deepEqual(bench.on({ type: 'stop', how: { kind: 'silent' } }), ['hang-up out', 'down: stopped']);
  });
  test('BFD down ends an established session with 6/10 (RFC 9384) and nothing else', () => {
    const bench = new Bench();
    bench.on({ type: 'start' });
    assert.deepEqual(bench.on({ type: 'bfd-down' }), []);
    bench.establish();
    assert.deepEqual(bench.on({ type: 'bfd-down' }).slice(0, 2), ['send out 6/10', 'hang-up out']);
  });
});

describe('keepalives (RFC 4271 section 4.4)', () => {
  test('a keepalive time of 0 beside a hold time is a third of it, not a flood', () => {
    const bench = new Bench({ keepaliveSeconds: 0 });
    bench.establish();
    assert.deepEqual(bench.wait(), ['send out keepalive']);
    assert.equal(bench.now, 10_000);
    assert.deepEqual(bench.wait(), ['send out keepalive']);
    assert.equal(bench.now, 20_000);
  });
});

describe('graceful restart (RFC 4724)', () => {
  const gracefulRestart = { restarting: true, seconds: 120, families: [] };
  const again: Open = { ...OPEN, capabilities: { ...OPEN.capabilities, gracefulRestart } };
  const graceful = { gracefulRestart: { seconds: 120, forwardingPreserved: true } };

  test('a peer that comes back has restarted: its new connection takes the place of the old one (section 5)', () => {
    const bench = new Bench(graceful);
    bench.establish('out', again);
    bench.now += 5000;
    assert.ok(bench.fsm.acceptsInbound);
    assert.deepEqual(bench.on({ type: 'connected', side: 'in' }), ['send in open']);
    assert.equal(bench.fsm.state, 'Established');
    assert.deepEqual(bench.receive('in', again), [
      'hang-up out',
      'down: the peer opened another connection: it has restarted',
      'agreed in',
      'send in keepalive',
    ]);
    assert.deepEqual(bench.receive('in', KEEPALIVE), ['up in']);
  });

  test('so does the connection of a peer that dials whenever it comes back', () => {
    const bench = new Bench({ ...graceful, passive: true });
    bench.on({ type: 'start' });
    bench.establish('in', again);
    assert.equal(bench.fsm.acceptsInbound, false);
    bench.now += 5000;
    bench.on({ type: 'tick' });
    assert.ok(bench.fsm.acceptsInbound);
  });

  test('two that dialled at the same time have not restarted', () => {
    const bench = new Bench(graceful);
    bench.establish('out', again);
    bench.on({ type: 'connected', side: 'in' });
    assert.deepEqual(bench.receive('in', again), ['send in 6/7', 'hang-up in']);
  });

  test('a peer that does not restart gracefully is told of the collision', () => {
    const bench = new Bench(graceful);
    bench.establish('out');
    bench.now += 5000;
    bench.on({ type: 'connected', side: 'in' });
    assert.deepEqual(bench.receive('in', again), ['send in 6/7', 'hang-up in']);
  });

  const openOf = (bench: Bench) => {
    const [action] = bench.fsm.handle({ type: 'connected', side: 'in' }, bench.now);
    return action?.type === 'send' && action.message.type === 'open' ? action.message : null;
  };
  test('the R bit is set until everything was announced once; F says that packets flow meanwhile', () => {
    const bench = new Bench({
      passive: true,
      gracefulRestart: { seconds: 120, forwardingPreserved: true },
    });
    bench.on({ type: 'start' });
    assert.deepEqual(openOf(bench)?.capabilities.gracefulRestart, {
      restarting: true,
      seconds: 120,
      families: [{ family: 'ipv4', forwarding: true }],
    });
    bench.receive('in', OPEN);
    bench.receive('in', KEEPALIVE);
    bench.on({ type: 'announced-all' });
    bench.on({ type: 'disconnected', side: 'in', reason: '' });
    assert.equal(openOf(bench)?.capabilities.gracefulRestart?.restarting, false);
  });
});
