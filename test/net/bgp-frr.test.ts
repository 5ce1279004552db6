/** Our BGP beside FRRouting: both families, options of TCP, timers, restarts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually, type Scope } from '../kit/waiting.ts';
import { Frr } from './kit/frr.ts';
import { cannotRun, link, Namespace, stop } from './kit/namespaces.ts';
import { Speaker } from './kit/speaker.ts';

const skip = cannotRun('ip', 'sysctl', 'vtysh');

/** bgpd's configuration for us as its neighbour. */
const bgp = (neighbour: string, lines: readonly string[] = [], families: readonly string[] = ['ipv4']) =>
  [
    // Changed route maps are otherwise applied five seconds later, and these count as changed at the start.
    'bgp route-map delay-timer 0',
    'router bgp 64513',
    ' bgp router-id 10.0.0.2',
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ...lines.map((line) => ` ${line}`),
    ...families.flatMap((family) => [
      ` address-family ${family} unicast`,
      `  neighbor ${neighbour} activate`,
      `  neighbor ${neighbour} route-map IN in`,
      ' exit-address-family',
    ]),
    // Zebra takes the global next hop of IPv6 routes, not the link-local one, so that tests can name it.
    'route-map IN permit 10',
    ' set ipv6 next-hop prefer-global',
    '',
  ].join('\n');

const OURS4 = '192.0.2.1';
const FRR4 = '192.0.2.2';
const OURS6 = '2001:db8::1';
const FRR6 = '2001:db8::2';
const EXTERNAL = [`neighbor ${OURS4} remote-as 64512`, `neighbor ${OURS4} timers connect 1`];
const PEER = { name: 'frr', address: FRR4 };
const ROUTE = { prefix: '203.0.113.1/32' };

async function network(t: Scope) {
  const ours = await Namespace.make(t, 'ours');
  const theirs = await Namespace.make(t, 'frr');
  await link(
    { in: ours, name: 'eth0', addresses: [`${OURS4}/24`, `${OURS6}/64`] },
    { in: theirs, name: 'eth0', addresses: [`${FRR4}/24`, `${FRR6}/64`] },
  );
  return { ours, theirs };
}

async function pair(t: Scope, config: string, bfd = '') {
  const { ours, theirs } = await network(t);
  const [frr, speaker] = await Promise.all([Frr.start(t, theirs, config, bfd), Speaker.start(t, ours)]);
  return { ours, theirs, frr, speaker };
}

const hasRoute = (frr: Frr, prefix: string, family: 'ipv4' | 'ipv6' = 'ipv4') =>
  eventually(async () => {
    const [path] = (await frr.routes(family))[prefix] ?? [];
    assert.ok(path, `${prefix} is not in the table`);
    return path;
  });
const lacksRoute = (frr: Frr, prefix: string) =>
  eventually(async () => assert.equal((await frr.routes('ipv4'))[prefix], undefined));

describe('routes', { skip }, () => {
  test('an external peer has both families over one session, in its kernel too', async (t) => {
    const { frr, speaker, theirs } = await pair(t, bgp(OURS4, EXTERNAL, ['ipv4', 'ipv6']));
    speaker.apply([{ ...PEER, families: ['ipv4', 'ipv6'] }], {
      frr: [
        { prefix: '203.0.113.1/32', communities: ['64512:7', 'large:64512:1:2'] },
        { prefix: '2001:db8:1::1/128' },
      ],
    });
    await speaker.state('frr', 'Established');
    const path = await hasRoute(frr, '203.0.113.1/32');
    assert.deepEqual([path.path, path.origin, path.nexthops[0]?.ip], ['64512', 'IGP', OURS4]);
    assert.equal((await hasRoute(frr, '2001:db8:1::1/128', 'ipv6')).nexthops[0]?.ip, OURS6);
    const detail = await frr.show('bgp ipv4 unicast 203.0.113.1/32');
    assert.match(detail, /Community: 64512:7/);
    assert.match(detail, /Large Community: 64512:1:2/);
    await eventually(async () =>
      assert.match(await theirs.run('ip', 'route', 'show', '203.0.113.1'), /via 192\.0\.2\.1/),
    );
    await eventually(async () =>
      assert.match(await theirs.run('ip', '-6', 'route', 'show', '2001:db8:1::1'), /via 2001:db8::1/),
    );
  });

  test('one address from two speakers is one route over both (ECMP), and over the other when one leaves', async (t) => {
    const switchboard = await Namespace.make(t, 'frr');
    const speakers: Speaker[] = [];
    const neighbours = ['192.0.2.1', '198.51.100.1'];
    const config = bgp('192.0.2.1', [
      'bgp bestpath as-path multipath-relax',
      ...neighbours.map((n) => `neighbor ${n} remote-as 64512`),
    ]);
    for (const [i, address] of neighbours.entries()) {
      const ours = await Namespace.make(t, `node-${i}`);
      const gateway = address.replace(/1$/, '2');
      await link(
        { in: ours, name: 'eth0', addresses: [`${address}/24`] },
        { in: switchboard, name: `eth${i}`, addresses: [`${gateway}/24`] },
      );
      const speaker = await Speaker.start(t, ours);
      speaker.apply([{ name: 'frr', address: gateway, routerId: i + 1 }], { frr: [ROUTE] });
      speakers.push(speaker);
    }
    const activate =
      ' address-family ipv4 unicast\n  neighbor 198.51.100.1 activate\n  maximum-paths 8\n exit-address-family\n';
    await Frr.start(t, switchboard, config.replace('route-map IN permit', `${activate}route-map IN permit`));
    const shown = () => switchboard.run('ip', 'route', 'show', '203.0.113.1');
    await eventually(async () => {
      const route = await shown();
      for (const address of neighbours) assert.ok(route.includes(`via ${address}`), route);
    });
    await speakers[0]!.stop({ do: 'shutdown', text: '' });
    await eventually(async () => {
      const route = await shown();
      assert.ok(route.includes('via 198.51.100.1') && !route.includes('via 192.0.2.1'), route);
    });
  });

  test('an internal peer gets the preference and an empty path', async (t) => {
    const { frr, speaker } = await pair(t, bgp(OURS4, [`neighbor ${OURS4} remote-as 64513`]));
    speaker.apply([{ ...PEER, localAs: 64513 }], { frr: [{ ...ROUTE, localPref: 250 }] });
    const path = await hasRoute(frr, ROUTE.prefix);
    assert.deepEqual([path.path, path.locPrf], ['', 250]);
  });

  test('IPv4 routes go over an IPv6 session with an IPv6 next hop (RFC 8950)', async (t) => {
    const { frr, speaker, theirs } = await pair(
      t,
      bgp(
        OURS6,
        [`neighbor ${OURS6} remote-as 64512`, `neighbor ${OURS6} capability extended-nexthop`],
        ['ipv4', 'ipv6'],
      ),
    );
    speaker.apply([{ name: 'frr', address: FRR6, families: ['ipv4', 'ipv6'], extendedNextHop: true }], {
      frr: [ROUTE, { prefix: '2001:db8:1::1/128' }],
    });
    assert.equal((await hasRoute(frr, ROUTE.prefix)).nexthops[0]?.afi, 'ipv6');
    await hasRoute(frr, '2001:db8:1::1/128', 'ipv6');
    await eventually(async () =>
      assert.match(await theirs.run('ip', 'route', 'show', '203.0.113.1'), /via inet6/),
    );
  });

  test('1,000 prefixes arrive, changes are withdrawn, a refresh brings all again', async (t) => {
    const { frr, speaker } = await pair(t, bgp(OURS4, EXTERNAL));
    const many = Array.from({ length: 1000 }, (_, i) => ({ prefix: `10.9.${i >> 8}.${i & 255}/32` }));
    speaker.apply([PEER], { frr: many });
    const { at } = await speaker.state('frr', 'Established');
    const count = async () => Object.keys(await frr.routes('ipv4')).length;
    await eventually(async () => assert.equal(await count(), 1000));
    const took = performance.now() - at;
    t.diagnostic(`1,000 routes in FRR's table ${took.toFixed(0)} ms after Established`);
    speaker.apply([PEER], { frr: many.slice(0, 10) });
    await eventually(async () => assert.equal(await count(), 10));
    const before = await frr.neighbour(OURS4);
    await frr.do(`clear bgp ipv4 unicast ${OURS4} in`);
    await eventually(async () => {
      const stats = (await frr.neighbour(OURS4))['messageStats'] as { updatesRecv: number };
      assert.ok(stats.updatesRecv > (before['messageStats'] as { updatesRecv: number }).updatesRecv);
    });
    assert.equal(await count(), 10);
  });
});

describe('connections', { skip }, () => {
  test('TCP MD5: the right password connects, a wrong one does not', async (t) => {
    const { frr, speaker } = await pair(t, bgp(OURS4, [...EXTERNAL, `neighbor ${OURS4} password hush`]));
    speaker.apply([{ ...PEER, password: 'wrong' }], { frr: [ROUTE] });
    await speaker.next(
      (event) => event.event === 'status' && event.lastError !== '',
      'an attempt that fails',
    );
    assert.notEqual((await frr.neighbour(OURS4)).bgpState, 'Established');
    speaker.apply([{ ...PEER, password: 'hush' }], { frr: [ROUTE] });
    await speaker.state('frr', 'Established');
    await hasRoute(frr, ROUTE.prefix);
    assert.ok(!JSON.stringify(speaker.events).includes('hush'));
  });

  test('TCP MD5 and TTL security when the peer dials', async (t) => {
    const { frr, speaker } = await pair(
      t,
      bgp(OURS4, [...EXTERNAL, `neighbor ${OURS4} password hush`, `neighbor ${OURS4} ttl-security hops 1`]),
    );
    speaker.command({
      do: 'listen',
      addresses: [
        { host: '0.0.0.0', port: 179 },
        { host: '::', port: 179 },
      ],
    });
    speaker.apply([{ ...PEER, passive: true, password: 'hush', ttlSecurity: true }], { frr: [ROUTE] });
    await speaker.state('frr', 'Established');
    await hasRoute(frr, ROUTE.prefix);
  });

  test('TTL security: direct neighbours only, over IPv6 as well', async (t) => {
    const { frr, speaker } = await pair(
      t,
      bgp(OURS6, [`neighbor ${OURS6} remote-as 64512`, `neighbor ${OURS6} ttl-security hops 1`], ['ipv6']),
    );
    const peer = { name: 'frr', address: FRR6, families: ['ipv6' as const], holdSeconds: 3 };
    // Without it our packets start with TTL 1, and the neighbour drops them.
    speaker.apply([peer], {});
    await speaker.next(
      (event) => event.event === 'status' && event.lastError !== '',
      'an attempt that fails',
    );
    assert.notEqual((await frr.neighbour(OURS6)).bgpState, 'Established');
    speaker.apply([{ ...peer, ttlSecurity: true }], { frr: [{ prefix: '2001:db8:1::1/128' }] });
    await hasRoute(frr, '2001:db8:1::1/128', 'ipv6');
  });

  test('both sides dial at once: one session is left and stays', async (t) => {
    const { frr, speaker } = await pair(t, bgp(OURS4, EXTERNAL));
    speaker.command({ do: 'listen', addresses: [{ host: '0.0.0.0', port: 179 }] });
    speaker.apply([{ ...PEER, routerId: 0x0a000003 }], { frr: [ROUTE] });
    await speaker.state('frr', 'Established');
    await hasRoute(frr, ROUTE.prefix);
    await frr.do(`clear bgp ${OURS4}`);
    const after = speaker.events.length;
    await speaker.state('frr', 'Established', after);
    await hasRoute(frr, ROUTE.prefix);
  });

  test('a chosen source address, and a dynamic external AS', async (t) => {
    const { ours, frr, speaker } = await pair(
      t,
      bgp('192.0.2.9', ['neighbor 192.0.2.9 remote-as 64512', 'neighbor 192.0.2.9 passive']),
    );
    await ours.run('ip', 'address', 'add', '192.0.2.9/24', 'dev', 'eth0');
    speaker.apply([{ ...PEER, sourceAddress: '192.0.2.9', peerAs: 'external' }], { frr: [ROUTE] });
    assert.equal((await hasRoute(frr, ROUTE.prefix)).nexthops[0]?.ip, '192.0.2.9');
  });

  test('a port that is taken is a clear problem, and the sessions work without', async (t) => {
    const { speaker, frr } = await pair(t, bgp(OURS4, EXTERNAL));
    speaker.command({ do: 'listen', addresses: [{ host: OURS4, port: 1790 }] });
    speaker.command({ do: 'listen', addresses: [{ host: OURS4, port: 1790 }] });
    speaker.apply([PEER], { frr: [ROUTE] });
    const problem = await speaker.next(({ event }) => event === 'problem', 'the problem', 0);
    assert.match(problem.event === 'problem' ? problem.text : '', /192\.0\.2\.1 port 1790: another program/);
    await hasRoute(frr, ROUTE.prefix);
  });
});

describe('ends', { skip }, () => {
  test('a shutdown withdraws and tells the operator why (RFC 9003)', async (t) => {
    const { frr, speaker } = await pair(t, bgp(OURS4, EXTERNAL));
    speaker.apply([PEER], { frr: [ROUTE] });
    await hasRoute(frr, ROUTE.prefix);
    await speaker.stop({ do: 'shutdown', text: 'node drained for an upgrade' });
    await lacksRoute(frr, ROUTE.prefix);
    await frr.logged(/6\/2 \(Cease\/Administrative Shutdown\) "node drained for an upgrade"/);
  });

  test('a peer that leaves the configuration hears that it was de-configured', async (t) => {
    const { frr, speaker } = await pair(t, bgp(OURS4, EXTERNAL));
    speaker.apply([PEER], { frr: [ROUTE] });
    await hasRoute(frr, ROUTE.prefix);
    speaker.apply([]);
    await lacksRoute(frr, ROUTE.prefix);
    await frr.logged(/6\/3 \(Cease\/Peer De-configured\)/);
  });

  test('a peer that falls silent is left when the hold time is over', async (t) => {
    const { theirs, speaker } = await pair(t, bgp(OURS4, EXTERNAL));
    speaker.apply([{ ...PEER, holdSeconds: 3 }], {});
    await speaker.state('frr', 'Established');
    const after = speaker.events.length;
    // Packets vanish without a word, as behind a switch that lost its uplink.
    await theirs.run('ip', 'link', 'set', 'eth0', 'down');
    const down = (await speaker.next(
      (event) => event.event === 'status' && event.state !== 'Established',
      'the loss',
      after,
    )) as { lastError?: string };
    assert.match(down.lastError ?? '', /hold time of 3 s/);
    await theirs.run('ip', 'link', 'set', 'eth0', 'up');
    await speaker.state('frr', 'Established');
  });

  test('a speaker that restarts gracefully costs no route, and its leftovers go (RFC 4724)', async (t) => {
    const { ours, frr, speaker, theirs } = await pair(t, bgp(OURS4, ['bgp graceful-restart', ...EXTERNAL]));
    const peer = { ...PEER, gracefulRestart: { seconds: 30, forwardingPreserved: true } };
    speaker.apply([peer], { frr: [ROUTE, { prefix: '203.0.113.2/32' }] });
    await hasRoute(frr, ROUTE.prefix);
    const kernel = () => theirs.run('ip', 'route', 'show', 'proto', 'bgp');
    await eventually(async () => assert.match(await kernel(), /203\.0\.113\.1 [\s\S]*203\.0\.113\.2 /));
    // Every change of the kernel's table from here on.
    const monitor = theirs.start(t, 'ip', ['monitor', 'route']);
    let changes = '';
    monitor.stdout?.on('data', (text) => {
      changes += text;
    });
    await eventually(async () => {
      await theirs.run('ip', 'route', 'replace', 'blackhole', '198.51.100.99');
      await theirs.run('ip', 'route', 'del', 'blackhole', '198.51.100.99');
      assert.match(changes, /198\.51\.100\.99/);
    });
    await speaker.stop({ do: 'silent-stop' });
    assert.ok((await frr.routes('ipv4'))[ROUTE.prefix], 'the route outlives the speaker');
    const next = await Speaker.start(t, ours);
    next.apply([peer], { frr: [ROUTE] });
    await next.state('frr', 'Established');
    // What the new one does not announce any more goes at its End-of-RIB, not at the end of the restart time.
    await lacksRoute(frr, '203.0.113.2/32');
    await eventually(() => assert.match(changes, /Deleted 203\.0\.113\.2/));
    await stop(monitor);
    assert.doesNotMatch(changes, /203\.0\.113\.1\b/);
  });

  test('a killed peer that comes back is found within seconds', async (t) => {
    const { ours, theirs } = await network(t);
    const speaker = await Speaker.start(t, ours);
    speaker.apply([PEER], { frr: [ROUTE] });
    for (let round = 0; round < 3; round++) {
      const scope = { ended: [] as (() => void | Promise<void>)[] };
      const during: Scope = { after: (cleanUp) => void scope.ended.unshift(cleanUp) };
      const after = speaker.events.length;
      const frr = await Frr.start(during, theirs, bgp(OURS4, EXTERNAL));
      const ready = performance.now();
      const { at } = await speaker.state('frr', 'Established', after);
      t.diagnostic(`up ${(at - ready).toFixed(0)} ms after FRR answered`);
      await hasRoute(frr, ROUTE.prefix);
      for (const cleanUp of scope.ended) await cleanUp();
    }
  });
});

describe('BFD with FRR', { skip }, () => {
  const FAST = 'bfd\n profile fast\n  receive-interval 100\n  transmit-interval 100\n !\n';
  const bfd = { transmitMs: 100, receiveMs: 100, multiplier: 3, passive: false, minimumTtl: 254 };
  /**
   * Both sides have agreed on 100 ms (before the end of the first poll sequence they are slow), and FRR has its
   * final BFD session: when BGP comes up it replaces the one it had by one that knows the local address, and ends
   * the BGP session if the first one had just come up.
   */
  const upAtFullPace = async (frr: Frr, speaker: Speaker, oursAt: string) => {
    await speaker.next((event) => event.event === 'bfd' && event.state === 'Up', 'BFD to be up', 0);
    await eventually(async () => {
      const [peer] = JSON.parse(await frr.bfd('show bfd peers json')) as Record<string, unknown>[];
      assert.deepEqual(
        [peer?.['status'], peer?.['remote-transmit-interval'], peer?.['remote-receive-interval']],
        ['up', 100, 100],
      );
      assert.ok(peer?.['local'], 'FRR still has its first BFD session');
      const { bgpState } = await frr.neighbour(oursAt);
      assert.equal(bgpState, 'Established');
    });
  };
  const withBfd = (neighbour: string, family: string) =>
    bgp(
      neighbour,
      [`neighbor ${neighbour} remote-as 64512`, `neighbor ${neighbour} bfd profile fast`],
      [family],
    );

  for (const [family, oursAt, frrAt] of [
    ['ipv4', OURS4, FRR4],
    ['ipv6', OURS6, FRR6],
  ] as const)
    test(`${family}: comes up, and a loss is acted on while the main thread is busy`, async (t) => {
      const { frr, speaker } = await pair(t, withBfd(oursAt, family), FAST);
      speaker.apply([{ name: 'frr', address: frrAt, families: [family], bfd }], {});
      await speaker.state('frr', 'Established', 0);
      await upAtFullPace(frr, speaker, oursAt);
      const after = speaker.events.length;
      speaker.command({ do: 'block', ms: 3000 });
      await speaker.next(({ event }) => event === 'blocked', 'the main thread to be busy', after);
      const logged = frr.logLength;
      const stopped = performance.now();
      frr.daemons.get('bfdd')?.kill('SIGSTOP');
      await frr.logged(/6\/10/, logged);
      t.diagnostic(
        `NOTIFICATION 6/10 ${(performance.now() - stopped).toFixed(0)} ms after the last packet at most`,
      );
      // Had the main thread been asked, it would have told of it as well.
      assert.deepEqual(
        speaker.events.slice(after).map(({ event }) => event),
        ['blocked'],
      );
      frr.daemons.get('bfdd')?.kill('SIGCONT');
      const down = (await speaker.next(
        (event) => event.event === 'status' && event.state !== 'Established',
        'the report',
        after,
      )) as { lastError?: string };
      assert.match(down.lastError ?? '', /BFD/);
    });

  test('a changed profile is agreed on within the running session (RFC 5880 section 6.8.3)', async (t) => {
    const { frr, speaker } = await pair(t, withBfd(OURS4, 'ipv4'), FAST);
    speaker.apply([{ ...PEER, bfd }], { frr: [ROUTE] });
    await speaker.state('frr', 'Established', 0);
    await upAtFullPace(frr, speaker, OURS4);
    const { connectionsDropped } = await frr.neighbour(OURS4);
    const shown = async () => JSON.parse(await frr.bfd('show bfd peers json'))[0] as Record<string, unknown>;
    const { id, 'remote-id': ours } = await shown();
    speaker.apply([{ ...PEER, bfd: { ...bfd, transmitMs: 400, receiveMs: 250, multiplier: 5 } }], {
      frr: [ROUTE],
    });
    await eventually(async () => {
      const peer = await shown();
      const { 'remote-transmit-interval': transmit, 'remote-receive-interval': receive } = peer;
      assert.deepEqual([transmit, receive, peer['remote-detect-multiplier']], [400, 250, 5]);
    });
    const after = await shown();
    assert.deepEqual([after['status'], after['id'], after['remote-id']], ['up', id, ours]);
    assert.equal((await frr.neighbour(OURS4)).connectionsDropped, connectionsDropped);
  });

  test('an administrator who takes BFD down at the peer does not take the session down', async (t) => {
    const { frr, speaker } = await pair(t, withBfd(OURS4, 'ipv4'), FAST);
    speaker.apply([{ ...PEER, bfd }], { frr: [ROUTE] });
    await speaker.state('frr', 'Established', 0);
    await upAtFullPace(frr, speaker, OURS4);
    const { connectionsDropped } = await frr.neighbour(OURS4);
    const after = speaker.events.length;
    await frr.bfd('configure terminal', 'bfd', 'profile fast', 'shutdown');
    await speaker.next((event) => event.event === 'bfd' && event.state === 'Down', 'BFD to be down', after);
    speaker.apply([{ ...PEER, bfd }], { frr: [ROUTE, { prefix: '203.0.113.2/32' }] });
    await hasRoute(frr, '203.0.113.2/32');
    assert.equal((await frr.neighbour(OURS4)).connectionsDropped, connectionsDropped);
  });
});
