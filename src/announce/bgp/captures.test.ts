/** OPENs as routers send them, recorded from the versions that Debian 12 has. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Open } from './message.ts';
import { decodeMessage, messageLength } from './messages.ts';

const CAPTURES: readonly (readonly [string, string, Open])[] = [
  [
    'FRR 8.4.4 with AS 4200000001: every capability in a parameter of its own, many of them unknown to us',
    'ffffffffffffffffffffffffffffffff007901045ba000b40a0000025c0206010400010001020601040002000102028000020202000202460002064104fa56ea0102020600020a450800010101000201010206490402766d00020c400ac07800010100000201000210470e0001018000000000020180000000',
    {
      type: 'open',
      as: 4_200_000_001,
      holdTime: 180,
      routerId: 0x0a000002,
      capabilities: {
        families: ['ipv4', 'ipv6'],
        fourOctetAs: true,
        routeRefresh: true,
        extendedNextHop: false,
        gracefulRestart: {
          restarting: true,
          seconds: 120,
          families: [
            { family: 'ipv4', forwarding: false },
            { family: 'ipv6', forwarding: false },
          ],
        },
      },
    },
  ],
  [
    'GoBGP 3.10.0: one parameter; IPv4 with IPv6 next hops',
    'ffffffffffffffffffffffffffffffff003b0104fc01005a0a0000021e021c0200490402766d0001040001000141040000fc010506000100010002',
    {
      type: 'open',
      as: 64513,
      holdTime: 90,
      routerId: 0x0a000002,
      capabilities: {
        families: ['ipv4'],
        fourOctetAs: true,
        routeRefresh: true,
        extendedNextHop: true,
        gracefulRestart: null,
      },
    },
  ],
  [
    'ExaBGP 4.2.21: no route refresh, extended messages',
    'ffffffffffffffffffffffffffffffff00390104fc0100b40a0000021c02060104000100010206010400020001020641040000fc0102020600',
    {
      type: 'open',
      as: 64513,
      holdTime: 180,
      routerId: 0x0a000002,
      capabilities: {
        families: ['ipv4', 'ipv6'],
        fourOctetAs: true,
        routeRefresh: false,
        extendedNextHop: false,
        gracefulRestart: null,
      },
    },
  ],
  [
    'BIRD 2.0.12: capabilities in no order, some empty',
    'ffffffffffffffffffffffffffffffff004b0104fc0100f00a0000022e022c01040001000101040002000102000506000100010002400a0078000101000002010041040000fc0146004700',
    {
      type: 'open',
      as: 64513,
      holdTime: 240,
      routerId: 0x0a000002,
      capabilities: {
        families: ['ipv4', 'ipv6'],
        fourOctetAs: true,
        routeRefresh: true,
        extendedNextHop: true,
        gracefulRestart: {
          restarting: false,
          seconds: 120,
          families: [
            { family: 'ipv4', forwarding: false },
            { family: 'ipv6', forwarding: false },
          ],
        },
      },
    },
  ],
];

describe('OPENs of real routers', () => {
  for (const [who, hex, expected] of CAPTURES)
    test(who, () => {
      const bytes = Buffer.from(hex, 'hex');
      assert.equal(messageLength(bytes, 0), bytes.length);
      assert.deepEqual(decodeMessage(bytes, true), expected);
    });
});
