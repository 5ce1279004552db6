/** Our BGP beside BIRD, GoBGP and ExaBGP: both families with each, and what each is best at showing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually, type Scope } from '../kit/waiting.ts';
import { Bird } from './kit/bird.ts';
import { Exabgp } from './kit/exabgp.ts';
import { Gobgp } from './kit/gobgp.ts';
import { cannotRun, link, Namespace } from './kit/namespaces.ts';
import { Speaker } from './kit/speaker.ts';

const OURS4 = '192.0.2.1';
const THEIRS4 = '192.0.2.2';
const OURS6 = '2001:db8::1';
const THEIRS6 = '2001:db8::2';

async function network(t: Scope) {
  const ours = await Namespace.make(t, 'ours');
  const theirs = await Namespace.make(t, 'theirs');
  await link(
    { in: ours, name: 'eth0', addresses: [`${OURS4}/24`, `${OURS6}/64`] },
    { in: theirs, name: 'eth0', addresses: [`${THEIRS4}/24`, `${THEIRS6}/64`] },
  );
  return { theirs, speaker: await Speaker.start(t, ours) };
}

const BOTH = ['ipv4', 'ipv6'] as const;
const ROUTES = [
  { prefix: '203.0.113.1/32', communities: ['64512:7', 'large:64512:1:2'] },
  { prefix: '2001:db8:1::1/128' },
];

describe('BIRD', { skip: cannotRun('ip', 'sysctl', 'bird', 'birdc') }, () => {
  const bird = (name: string, ours: string, lines: readonly string[] = []) => `
protocol bgp ${name} {
  local as 64513;
  neighbor ${ours} as 64512;
  connect retry time 1;
  connect delay time 1;
  error wait time 1, 2;
  ${lines.join('\n  ')}
  ipv4 { import all; export none; extended next hop on; };
  ipv6 { import all; export none; };
}`;
  const HEAD = `
router id 10.0.0.2;
log stderr all;
protocol device { scan time 1; }
protocol kernel { ipv4 { export all; }; }
protocol kernel { ipv6 { export all; }; }
`;

  test('sessions over IPv4 and IPv6, routes of both families, next hops of either', async (t) => {
    const { theirs, speaker } = await network(t);
    const peer = await Bird.start(t, theirs, HEAD + bird('four', OURS4) + bird('six', OURS6));
    speaker.apply(
      [
        { name: 'four', address: THEIRS4, families: BOTH },
        { name: 'six', address: THEIRS6, families: BOTH, extendedNextHop: true },
      ],
      { four: ROUTES, six: ROUTES },
    );
    const four = await eventually(async () => {
      const shown = await peer.ask('show', 'route', 'protocol', 'four', 'all');
      assert.match(shown, /203\.0\.113\.1\/32/);
      assert.match(shown, /2001:db8:1::1\/128/);
      return shown;
    });
    assert.match(four, /BGP\.next_hop: 192\.0\.2\.1/);
    assert.match(four, /BGP\.as_path: 64512/);
    assert.match(four, /BGP\.community: \(64512,7\)/);
    assert.match(four, /BGP\.large_community: \(64512, 1, 2\)/);
    await eventually(async () => {
      const shown = await peer.ask('show', 'route', 'protocol', 'six', 'all');
      assert.match(shown, /203\.0\.113\.1\/32[\s\S]*BGP\.next_hop: 2001:db8::1/);
    });
    await eventually(async () => assert.match(await theirs.run('ip', 'route', 'show', '203.0.113.1'), /via/));
  });

  test('MD5 with TTL security over IPv6, the peer dialling', async (t) => {
    const { theirs, speaker } = await network(t);
    const peer = await Bird.start(
      t,
      theirs,
      HEAD + bird('six', OURS6, ['password "hush";', 'ttl security on;']),
    );
    speaker.command({ do: 'listen', addresses: [{ host: '::', port: 179 }] });
    speaker.apply(
      [
        {
          name: 'six',
          address: THEIRS6,
          families: ['ipv6'],
          password: 'hush',
          ttlSecurity: true,
          passive: true,
        },
      ],
      { six: ROUTES },
    );
    await speaker.state('six', 'Established', 0);
    await eventually(async () => assert.match(await peer.ask('show', 'route'), /2001:db8:1::1\/128/));
  });

  test('graceful restart: the table never lacks the route', async (t) => {
    const { theirs, speaker } = await network(t);
    const peer = await Bird.start(t, theirs, HEAD + bird('four', OURS4, ['graceful restart on;']));
    const gracefulRestart = { seconds: 60, forwardingPreserved: true };
    speaker.apply([{ name: 'four', address: THEIRS4, gracefulRestart }], { four: ROUTES });
    await eventually(async () => assert.match(await peer.ask('show', 'route'), /203\.0\.113\.1\/32/));
    await speaker.stop({ do: 'silent-stop' });
    assert.match(await peer.ask('show', 'route'), /203\.0\.113\.1\/32/);
    await eventually(async () =>
      assert.doesNotMatch(await peer.ask('show', 'protocols', 'four'), /Established/),
    );
    assert.match(await peer.ask('show', 'route'), /203\.0\.113\.1\/32/);
  });

  test('BFD comes up and a loss ends the session', async (t) => {
    const { theirs, speaker } = await network(t);
    const interval = 'interval 100 ms; idle tx interval 1 s; multiplier 3;';
    const bfdOf = `protocol bfd { interface "eth0" { ${interval} }; }`;
    const peer = await Bird.start(t, theirs, HEAD + bfdOf + bird('four', OURS4, ['bfd on;']));
    const bfd = { transmitMs: 100, receiveMs: 100, multiplier: 3, passive: false, minimumTtl: 254 };
    speaker.apply([{ name: 'four', address: THEIRS4, bfd }], {});
    await speaker.state('four', 'Established', 0);
    await speaker.next((event) => event.event === 'bfd' && event.state === 'Up', 'BFD to be up', 0);
    await eventually(async () => assert.match(await peer.ask('show', 'bfd', 'sessions'), /Up/));
    const after = speaker.events.length;
    await theirs.run('ip', 'link', 'set', 'eth0', 'down');
    const down = (await speaker.next(
      (event) => event.event === 'status' && event.lastError !== '',
      'the loss',
      after,
    )) as { lastError?: string };
    assert.match(down.lastError ?? '', /BFD/);
  });
});

describe('GoBGP', { skip: cannotRun('ip', 'sysctl', 'gobgpd', 'gobgp') }, () => {
  const gobgp = (neighbours: readonly string[]) => `
[global.config]
  as = 64513
  router-id = "10.0.0.2"
${neighbours
  .map(
    (address) => `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = 64512
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`,
  )
  .join('')}`;

  test('sessions over IPv4 and IPv6, and a shutdown with its text', async (t) => {
    const { theirs, speaker } = await network(t);
    const peer = await Gobgp.start(t, theirs, gobgp([OURS4, OURS6]));
    speaker.apply(
      [
        { name: 'four', address: THEIRS4, families: BOTH },
        { name: 'six', address: THEIRS6, families: BOTH, extendedNextHop: true },
      ],
      { four: ROUTES, six: [ROUTES[1]!] },
    );
    await eventually(async () => {
      const four = await peer.ask('global', 'rib', '-a', 'ipv4');
      assert.match(four, /203\.0\.113\.1\/32 +192\.0\.2\.1 +64512/);
      assert.match(four, /64512:7/);
      const six = await peer.ask('neighbor', OURS6, 'adj-in', '-a', 'ipv6');
      assert.match(six, /2001:db8:1::1\/128 +2001:db8::1 +64512/);
    });
    await speaker.stop({ do: 'shutdown', text: 'maintenance' });
    await eventually(async () =>
      assert.doesNotMatch(await peer.ask('global', 'rib', '-a', 'ipv4'), /203\.0\.113\.1/),
    );
  });
});

describe('ExaBGP', { skip: cannotRun('ip', 'sysctl', 'exabgp') }, () => {
  const exabgp = (ours: string, theirs: string, families: string) => `
neighbor ${ours} {
  router-id 10.0.0.2;
  local-address ${theirs};
  local-as 64513;
  peer-as 64512;
  hold-time 9;
  family { ${families} }
}`;
  for (const [family, oursAt, theirsAt, prefix] of [
    ['ipv4', OURS4, THEIRS4, '203.0.113.1/32'],
    ['ipv6', OURS6, THEIRS6, '2001:db8:1::1/128'],
  ] as const)
    test(`${family}: it dials us, and reads what we send`, async (t) => {
      const { theirs, speaker } = await network(t);
      speaker.command({
        do: 'listen',
        addresses: [{ host: family === 'ipv4' ? '0.0.0.0' : '::', port: 179 }],
      });
      speaker.apply([{ name: 'exa', address: theirsAt, families: [family], passive: true }], { exa: ROUTES });
      const peer = await Exabgp.start(t, theirs, exabgp(oursAt, theirsAt, `${family} unicast;`));
      const up = await speaker.state('exa', 'Established', 0);
      assert.equal(up.negotiated?.holdTime, 9);
      await peer.said(new RegExp(prefix.replaceAll('.', '\\.')));
      await peer.said(/EOR|End-of-RIB/i);
    });
});
