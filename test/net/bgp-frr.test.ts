/** Our BGP beside FRRouting. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually, type Scope } from '../kit/waiting.ts';
import { Frr } from './kit/frr.ts';
import { cannotRun, link, Namespace } from './kit/namespaces.ts';
import { Speaker } from './kit/speaker.ts';

const skip = cannotRun('ip', 'vtysh');

const BGP = `
router bgp 64513
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp 3 9
`;

async function pair(t: Scope, frr: string, bfd = '') {
  const ours = await Namespace.make(t, 'ours');
  const theirs = await Namespace.make(t, 'frr');
  await link(
    { in: ours, name: 'eth0', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
    { in: theirs, name: 'eth0', addresses: ['192.0.2.2/24', '2001:db8::2/64'] },
  );
  return { ours, theirs, frr: await Frr.start(t, theirs, frr, bfd), speaker: await Speaker.start(t, ours) };
}

describe('with FRR', { skip }, () => {
  test('an eBGP session over IPv4 brings a route into its table', async (t) => {
    const { frr, speaker } = await pair(
      t,
      `${BGP} neighbor 192.0.2.1 remote-as 64512
 address-family ipv4 unicast
  neighbor 192.0.2.1 activate
`,
    );
    speaker.apply([{ name: 'frr', address: '192.0.2.2' }], {
      frr: [{ prefix: '203.0.113.1/32', communities: ['64512:7'] }],
    });
    await speaker.state('frr', 'Established');
    await eventually(async () => {
      const routes = await frr.routes('ipv4');
      assert.equal(routes['203.0.113.1/32']?.[0]?.path, '64512');
    });
  });
});
