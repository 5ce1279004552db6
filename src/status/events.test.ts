import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { objectKey } from '../model/keys.ts';
import type { Problem } from '../model/problem.ts';
import { EMPTY_SNAPSHOT, type Ingress, type Snapshot } from '../model/snapshot.ts';
import { EventLedger, type EventLimits } from './events.ts';
import type { Write } from './write-queue.ts';

const MINUTE = 60_000;
const TIME = new Date('2026-07-16T12:00:00.123Z');
const REPORTER = { controller: 'tidegate.io/ingress-controller', instance: 'tidegate-abc' };

const web = {
  kind: 'Ingress',
  meta: { namespace: 'shop', name: 'web', key: objectKey('shop', 'web'), uid: 'uid-1' },
} as Ingress;
const snapshot: Snapshot = { ...EMPTY_SNAPSHOT, ingresses: new Map([[web.meta.key, web]]) };

function problem(more: Partial<Problem> = {}): Problem {
  return {
    severity: 'error',
    reason: 'ServiceNotFound',
    object: { kind: 'Ingress', namespace: 'shop', name: 'web' },
    field: 'spec.defaultBackend.service.name',
    message: 'there is no Service shop/web',
    position: null,
    ...more,
  };
}

function ledger(limits: Partial<EventLimits> = {}) {
  const events = new EventLedger(REPORTER, {
    entries: 100,
    perObject: 20,
    perUpdate: 100,
    laterMs: MINUTE,
    repeatMs: 30 * MINUTE,
    gapMs: 5 * MINUTE,
    ...limits,
  });
  return {
    events,
    at: (now: number, ...problems: Problem[]): Write[] => events.update(problems, snapshot, now, TIME),
  };
}

interface EventBody {
  readonly [field: string]: unknown;
  readonly metadata: { readonly name: string };
  readonly series: { readonly count: number };
  readonly note: string;
}
const bodyOf = (write: Write | undefined) => write!.request.body as EventBody;

describe('what an Event says', () => {
  test('the object with its uid, the reason, field and message; made anew it is continued instead', () => {
    const [write, ...more] = ledger().at(0, problem());
    assert.deepEqual(more, []);
    const { metadata, ...event } = bodyOf(write);
    assert.match(metadata.name, /^web\.[0-9a-f]{16}$/);
    assert.deepEqual(event, {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      eventTime: '2026-07-16T12:00:00.123000Z',
      reportingController: 'tidegate.io/ingress-controller',
      reportingInstance: 'tidegate-abc',
      action: 'Configure',
      reason: 'ServiceNotFound',
      regarding: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        namespace: 'shop',
        name: 'web',
        uid: 'uid-1',
      },
      note: 'spec.defaultBackend.service.name: there is no Service shop/web',
      type: 'Warning',
    });
    assert.equal(write!.request.path, '/apis/events.k8s.io/v1/namespaces/shop/events');
    assert.equal(write!.fallback?.status, 409);
    assert.equal(
      write!.fallback.request.path,
      `/apis/events.k8s.io/v1/namespaces/shop/events/${metadata.name}`,
    );
    assert.deepEqual(write!.fallback.request.body, {
      series: { count: 2, lastObservedTime: '2026-07-16T12:00:00.123000Z' },
    });
  });
  test('a cluster-scoped object has its Events in the namespace default', () => {
    const [write] = ledger().at(0, problem({ object: { kind: 'IngressClass', namespace: '', name: 'c' } }));
    assert.equal(write!.request.path, '/apis/events.k8s.io/v1/namespaces/default/events');
  });
  test('a long message is cut to what the API server takes, at a whole character', () => {
    const [write] = ledger().at(0, problem({ field: '', message: 'ä'.repeat(2000) }));
    const { note } = bodyOf(write);
    assert.ok(Buffer.byteLength(note) <= 1024);
    assert.match(note, /^ä{500,}…$/);
  });
  test('what belongs to no object is not told', () => {
    assert.deepEqual(ledger().at(0, problem({ object: null })), []);
  });
  test('another leader gives the same problem the same name, another problem another one', () => {
    const name = (...problems: Problem[]) => bodyOf(ledger().at(0, ...problems)[0]).metadata.name;
    assert.equal(name(problem()), name(problem()));
    assert.notEqual(name(problem()), name(problem({ field: 'spec.rules[0]' })));
  });
});

describe('how often it is said', () => {
  test('once, and every half hour as long as it lasts', () => {
    const { at, events } = ledger();
    assert.equal(at(0, problem()).length, 1);
    assert.equal(at(MINUTE, problem()).length, 0);
    assert.equal(events.repeatAt(), 30 * MINUTE);
    const [again] = at(30 * MINUTE, problem());
    assert.equal(again!.request.method, 'PATCH');
    assert.equal(bodyOf(again).series.count, 2);
    assert.equal(again!.fallback?.status, 404);
    assert.equal(events.repeatAt(), 60 * MINUTE);
  });
  test('what is mended stops', () => {
    const { at, events } = ledger();
    at(0, problem());
    assert.deepEqual(at(1), []);
    assert.equal(events.repeatAt(), null);
  });
  test('what comes and goes is counted, and told every five minutes at most', () => {
    const { at } = ledger();
    const written: number[] = [];
    for (let minute = 0; minute <= 12; minute++) {
      written.push(...at(minute * MINUTE, problem()).map(() => minute));
      at(minute * MINUTE + 1);
    }
    assert.deepEqual(written, [0, 5, 10]);
    const [last] = at(15 * MINUTE, problem());
    assert.equal(bodyOf(last).series.count, 14);
  });
});

describe('bounds', () => {
  const many = (count: number, object: Problem['object'] = problem().object) =>
    Array.from({ length: count }, (_, i) => problem({ object, field: `f${i}` }));
  test('an object with hundreds of problems has Events for the first ones', () => {
    assert.equal(ledger().at(0, ...many(500)).length, 20);
  });
  test('thousands of new problems are told bit by bit', () => {
    const { at, events } = ledger({ perObject: 1000, entries: 1000, perUpdate: 40 });
    const problems = many(100);
    assert.equal(at(0, ...problems).length, 40);
    assert.equal(events.repeatAt(), MINUTE);
    assert.equal(at(MINUTE, ...problems).length, 40);
    assert.equal(at(2 * MINUTE, ...problems).length, 20);
    assert.equal(events.repeatAt(), 30 * MINUTE);
  });
  test('no more problems are remembered than may be; those that are mended make room after an hour', () => {
    const { at } = ledger({ entries: 3 });
    assert.equal(at(0, ...many(5)).length, 3);
    at(1);
    assert.equal(at(2, problem({ field: 'new' })).length, 0);
    at(61 * MINUTE);
    assert.equal(at(61 * MINUTE + 1, problem({ field: 'new' })).length, 1);
  });
});
