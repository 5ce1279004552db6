import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamKey } from '../../model/keys.ts';
import type { BalancePolicy } from '../../model/routing-table.ts';
import type { UpstreamPatch } from '../../model/table-patch.ts';
import type { UpstreamTlsId, UpstreamTlsPatch } from '../../model/upstream-tls.ts';
import { TimerWheel } from '../timers.ts';
import type { Endpoint } from './endpoint.ts';
import { type LiveUpstream, Upstreams } from './upstreams.ts';

const FAILURES_TO_EJECT = 5;

function setUp(): { upstreams: Upstreams; pass: (ms: number) => void } {
  let now = 0;
  const wheel = new TimerWheel(() => now);
  const pass = (ms: number): void => {
    for (const end = now + ms; now < end; ) {
      now += 100;
      wheel.advance();
    }
  };
  return { upstreams: new Upstreams(wheel), pass };
}

function upstream(
  name: string,
  addresses: readonly string[],
  balance: BalancePolicy = { kind: 'round-robin' },
): UpstreamPatch {
  return {
    key: name as UpstreamKey,
    service: { namespace: 'ns', name, port: '80' },
    protocol: 'http1',
    tls: null,
    balance,
    endpoints: addresses.map((address) => ({ address, port: 80, zone: null })),
  };
}

/** Whom a number of requests go to. */
function chosen(live: LiveUpstream, times = 60): Set<string> {
  const keys = new Set<string>();
  for (let i = 0; i < times; i++) keys.add(live.pick(i)!.key);
  return keys;
}

function endpointOf(live: LiveUpstream, key: string): Endpoint {
  for (let i = 0; i < 100; i++) {
    const one = live.pick(i)!;
    if (one.key === key) return one;
  }
  throw new Error(`${key} is never chosen`);
}

function eject(endpoint: Endpoint): void {
  for (let i = 1; i < FAILURES_TO_EJECT; i++) assert.equal(endpoint.failed(), false, `failure ${i}`);
  assert.equal(endpoint.failed(), true);
}

const ABC = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];

test('an endpoint that fails five times in a row is left out for a while, longer each time', () => {
  const { upstreams, pass } = setUp();
  upstreams.set(upstream('web', ABC));
  const live = upstreams.get('web' as UpstreamKey)!;
  const one = endpointOf(live, '10.0.0.1:80');
  for (const seconds of [30, 60, 90]) {
    eject(one);
    assert.deepEqual(chosen(live), new Set(['10.0.0.2:80', '10.0.0.3:80']));
    pass(seconds * 1000 - 1000);
    assert.ok(!chosen(live).has(one.key), `still out before ${seconds} s`);
    pass(2000);
    assert.equal(chosen(live).size, 3, `back after ${seconds} s`);
  }
});

test('failures that are not in a row do not count together', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', ABC));
  const one = endpointOf(upstreams.get('web' as UpstreamKey)!, '10.0.0.1:80');
  for (let i = 0; i < 20; i++) {
    one.succeeded();
    for (let k = 1; k < FAILURES_TO_EJECT; k++) assert.equal(one.failed(), false);
  }
  assert.equal(one.ejected, false);
});

test('the last endpoint is never left out, and when most are out all are used', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('single', ['10.0.0.9']));
  const single = upstreams.get('single' as UpstreamKey)!;
  eject(single.pick(0)!);
  assert.deepEqual(chosen(single), new Set(['10.0.0.9:80']));

  upstreams.set(upstream('web', ABC));
  const live = upstreams.get('web' as UpstreamKey)!;
  const [one, two] = [endpointOf(live, '10.0.0.1:80'), endpointOf(live, '10.0.0.2:80')];
  eject(one);
  eject(two);
  assert.equal(chosen(live).size, 3, 'one of three in service: more likely wrong than right');
});

test('an endpoint that several upstreams name is one: its failures count for all of them', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('a', ABC));
  upstreams.set(upstream('b', ABC.slice(0, 2), { kind: 'least-request' }));
  const [a, b] = [upstreams.get('a' as UpstreamKey)!, upstreams.get('b' as UpstreamKey)!];
  const one = endpointOf(a, '10.0.0.1:80');
  assert.equal(endpointOf(b, '10.0.0.1:80'), one);
  eject(one);
  assert.deepEqual(chosen(b), new Set(['10.0.0.2:80']));
});

test('one address spoken to in another way is another endpoint, with connections and failures of its own', () => {
  const { upstreams } = setUp();
  const tls = (id: string): UpstreamTlsPatch => ({
    id: id as UpstreamTlsId,
    serverName: '',
    verify: null,
    authorities: null,
    identity: null,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: '',
  });
  const plain = upstream('plain', ['10.0.0.1']);
  upstreams.set(plain);
  upstreams.set({ ...plain, key: 'http2' as UpstreamKey, protocol: 'http2' });
  upstreams.set({ ...plain, key: 'old' as UpstreamKey, tls: tls('old') });
  upstreams.set({ ...plain, key: 'same' as UpstreamKey, tls: tls('old') });
  upstreams.set({ ...plain, key: 'new' as UpstreamKey, tls: tls('new') });
  const of = (key: string) => upstreams.get(key as UpstreamKey)!.pick(0)!;
  assert.equal(new Set(['plain', 'http2', 'old', 'new'].map(of)).size, 4);
  assert.equal(of('same'), of('old'));
  assert.deepEqual(
    ['plain', 'http2', 'old', 'new'].map((key) => of(key).key),
    Array(4).fill('10.0.0.1:80'),
  );
  // Other settings under the same key: new connections are made with them, and the old ones end.
  const before = of('old');
  upstreams.remove('same' as UpstreamKey);
  upstreams.set({ ...plain, key: 'old' as UpstreamKey, tls: tls('new') });
  upstreams.sweep();
  assert.equal(of('old'), of('new'));
  assert.ok(before.draining);
});

test('another endpoint is one that was not tried: in service if there is one, else out of it, else none', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', ABC));
  const live = upstreams.get('web' as UpstreamKey)!;
  const [one, two, three] = ABC.map((address) => endpointOf(live, `${address}:80`)) as [
    Endpoint,
    Endpoint,
    Endpoint,
  ];
  eject(three);
  for (let i = 0; i < 20; i++) assert.equal(live.pickOther([one]), two);
  assert.equal(live.pickOther([one, two]), three);
  assert.equal(live.pickOther([one, two, three]), null);
});

test('when the chosen endpoint is full, one with room is found', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', ABC.slice(0, 2)));
  const live = upstreams.get('web' as UpstreamKey)!;
  const [one, two] = [endpointOf(live, '10.0.0.1:80'), endpointOf(live, '10.0.0.2:80')];
  one.open = two.open = 5;
  assert.equal(live.pickFree(5), null);
  two.ready.push({ busy: false, retire() {} });
  assert.equal(live.pickFree(5), two);
  two.ready.pop();
  one.open = 4;
  assert.equal(live.pickFree(5), one);
});

test('what full endpoints cannot take is spread over all that have room', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', [...ABC, '10.0.0.4']));
  const live = upstreams.get('web' as UpstreamKey)!;
  endpointOf(live, '10.0.0.2:80').open = 5;
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const { key } = live.pickFree(5)!;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ['10.0.0.1:80', '10.0.0.3:80', '10.0.0.4:80']);
  // A quarter each, and the one behind the full one has its share too: less than an eighth would be no chance.
  for (const [key, count] of counts) assert.ok(count > 50, `${key}: ${count} of 400`);
});

test('connections outlive a swap, also of upstreams, as long as somebody names the endpoint; then it drains', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('old', ABC));
  const one = endpointOf(upstreams.get('old' as UpstreamKey)!, '10.0.0.1:80');
  let retired = 0;
  const idle = { busy: false, retire: () => retired++ };
  one.ready.push(idle, idle);

  upstreams.set(upstream('old', []));
  upstreams.set(upstream('new', ['10.0.0.1']));
  upstreams.remove('old' as UpstreamKey);
  upstreams.sweep();
  const live = upstreams.get('new' as UpstreamKey)!;
  assert.equal(live.pick(0), one);
  assert.deepEqual([retired, one.draining, one.ready.length], [0, false, 2]);

  upstreams.remove('new' as UpstreamKey);
  assert.equal(retired, 0, 'nothing drains before the swap is complete');
  upstreams.sweep();
  assert.deepEqual([retired, one.draining, one.ready.length], [2, true, 0]);
  assert.equal(upstreams.get('new' as UpstreamKey), undefined);
  assert.deepEqual(upstreams.connections(), { open: 0, idle: 0, ejected: 0 });
});

test('an upstream without endpoints gives none, and has them when they come', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', []));
  const live = upstreams.get('web' as UpstreamKey)!;
  assert.equal(live.pick(0), null);
  assert.equal(live.pickOther([]), null);
  assert.equal(live.pickFree(1), null);
  upstreams.set(upstream('web', ABC));
  assert.equal(upstreams.get('web' as UpstreamKey), live, 'whoever holds it sees the change');
  assert.equal(chosen(live).size, 3);
});

test('a change of policy is taken over with the members', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', ABC));
  const live = upstreams.get('web' as UpstreamKey)!;
  upstreams.set(upstream('web', ABC, { kind: 'hash', by: { kind: 'uri' } }));
  const first = live.pick(7);
  for (let i = 0; i < 10; i++) assert.equal(live.pick(7), first);
});

test('an IPv6 endpoint has brackets in its name', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', ['2001:db8::1']));
  assert.equal(upstreams.get('web' as UpstreamKey)!.pick(0)!.key, '[2001:db8::1]:80');
});

test('who waits gets its turn in order; who gave up gets none', () => {
  const { upstreams } = setUp();
  upstreams.set(upstream('web', ['10.0.0.1']));
  const one = upstreams.get('web' as UpstreamKey)!.pick(0)!;
  const turns: string[] = [];
  const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ onTurn: () => void turns.push(name) }));
  one.wait(a!);
  one.wait(b!);
  one.wait(c!);
  one.stopWaiting(b!);
  one.stopWaiting(b!);
  for (let i = 0; i < 4; i++) one.wake();
  assert.deepEqual(turns, ['a', 'c']);
});

test('a slower answer counts at once, a faster one by and by, and time heals too', () => {
  const { upstreams, pass } = setUp();
  upstreams.set(upstream('web', ['10.0.0.1']));
  const one = upstreams.get('web' as UpstreamKey)!.pick(0)!;
  one.observeLatency(10, 0);
  one.observeLatency(100, 1);
  assert.equal(one.expectedMs, 100);
  one.observeLatency(0, 5001);
  assert.ok(Math.abs(one.expectedMs - 50) < 1, `half is forgotten after the half-life: ${one.expectedMs}`);
  pass(15_000);
  assert.ok(Math.abs(one.expectedMs - 12.5) < 1, `and more while nobody asks: ${one.expectedMs}`);
});
