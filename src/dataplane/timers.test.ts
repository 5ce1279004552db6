import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Timed, TimerWheel } from './timers.ts';

const TICK_MS = 100;

class Alarm implements Timed {
  deadline = 0;
  wheelSlot = -1;
  wheelPrevious: Timed | null = null;
  wheelNext: Timed | null = null;
  readonly name: number;
  readonly #ring: (alarm: Alarm) => void;

  constructor(name: number, ring: (alarm: Alarm) => void) {
    this.name = name;
    this.#ring = ring;
  }

  onDeadline(): void {
    this.#ring(this);
  }
}

type Action =
  | { kind: 'set'; alarm: number; ms: number }
  | { kind: 'remove'; alarm: number }
  | { kind: 'clear'; alarm: number }
  /** The clock moves and the wheel notices. */
  | { kind: 'pass'; ms: number }
  /** What the alarm does when it rings next: to another alarm, or to itself. */
  | { kind: 'when'; alarm: number; other: number; ms: number };

const alarm = fc.nat(7);
const ms = fc.oneof(
  fc.integer({ min: 1, max: 500 }),
  fc.integer({ min: 1, max: 130_000 }),
  fc.constantFrom(99, 100, 101, 102_300, 102_400, 102_500),
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), alarm, ms }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), alarm }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), alarm }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 250_000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('when' as const),
      alarm,
      other: alarm,
      ms: fc.oneof(fc.constant(0), ms),
    }),
  },
);

test('each alarm rings once, never early, at most two ticks late, whatever was set, removed and missed between', () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60 }),
      fc.double({ min: 0, max: 5000, noNaN: true }),
      (actions, start) => {
        let now = start;
        const wheel = new TimerWheel(() => now);
        /** What must ring, by alarm: not before this time. */
        const due = new Map<number, number>();
        const then = new Map<number, { other: number; ms: number }>();
        const set = (one: Alarm, time: number): void => {
          wheel.set(one, time);
          due.set(one.name, wheel.now + time);
        };
        const alarms: Alarm[] = Array.from(
          { length: 8 },
          (_, name) =>
            new Alarm(name, (one) => {
              const expected = due.get(name);
              assert.ok(expected !== undefined, `alarm ${name} was not set`);
              assert.ok(now >= expected, `alarm ${name} rings ${expected - now} ms early`);
              assert.equal(one.deadline, 0);
              due.delete(name);
              const next = then.get(name);
              then.delete(name);
              if (next === undefined) return;
              if (next.ms > 0) set(alarms[next.other]!, next.ms);
              else {
                wheel.remove(alarms[next.other]!);
                due.delete(next.other);
              }
            }),
        );
        const pass = (time: number): void => {
          now += time;
          wheel.advance();
          for (const [name, expected] of due) {
            const late = now - expected;
            assert.ok(late <= 2 * TICK_MS, `alarm ${name} is ${late} ms late`);
          }
        };
        for (const one of actions) {
          switch (one.kind) {
            case 'set':
              set(alarms[one.alarm]!, one.ms);
              break;
            case 'remove':
              wheel.remove(alarms[one.alarm]!);
              due.delete(one.alarm);
              break;
            case 'clear':
              wheel.set(alarms[one.alarm]!, 0);
              due.delete(one.alarm);
              break;
            case 'pass':
              pass(one.ms);
              break;
            case 'when':
              then.set(one.alarm, { other: one.other, ms: one.ms });
              break;
            default:
              one satisfies never;
          }
        }
        then.clear();
        for (let i = 0; i < 3000 && due.size > 0; i++) pass(TICK_MS);
        assert.equal(due.size, 0, 'all have rung');
        for (let i = 0; i < 1100; i++) pass(TICK_MS);
        for (const one of alarms) assert.equal(one.wheelSlot, -1, 'the wheel is empty');
      },
    ),
    { numRuns: 300 },
  );
});

test('moving a deadline later costs no move in the wheel', () => {
  let now = 0;
  const wheel = new TimerWheel(() => now);
  let rung = 0;
  const one = new Alarm(0, () => rung++);
  wheel.set(one, 1000);
  const slot = one.wheelSlot;
  for (let i = 0; i < 9; i++) {
    now += TICK_MS;
    wheel.advance();
    wheel.set(one, 1000);
    assert.equal(one.wheelSlot, slot);
  }
  assert.equal(rung, 0);
});

test('the wheel tells how late its clock was at worst', () => {
  let now = 0;
  const wheel = new TimerWheel(() => now);
  for (const step of [100, 350, 100]) {
    now += step;
    wheel.advance();
  }
  assert.equal(wheel.worstLagMs, 250);
});
