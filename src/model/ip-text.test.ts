import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from './ip.ts';
import { formatIp, formatPrefix, formatSocketAddress, plainAddress } from './ip-text.ts';

describe('addresses have one spelling (RFC 5952)', () => {
  for (const [given, expected] of [
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:1:0:0:0:1:0', '0:0:1::1:0'],
  ] as const) {
    test(`${given} is ${expected}`, () => assert.equal(formatIp(parseIp(given)!), expected));
  }
  test('a prefix has its length behind it', () => {
    assert.equal(formatPrefix({ ...parseIp('2001:db8::')!, length: 32 }), '2001:db8::/32');
  });
  test('with a port, IPv6 stands in brackets', () => {
    assert.equal(formatSocketAddress('192.0.2.1', 80), '192.0.2.1:80');
    assert.equal(formatSocketAddress('::1', 80), '[::1]:80');
  });
  test('every address comes back from its text', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 128n) - 1n), (value) => {
        // An IPv4-mapped address parses as IPv4, so it is not one of ours.
        if (value >> 32n === 0xffffn) return;
        assert.deepEqual(parseIp(formatIp({ family: 6, value })), { family: 6, value });
      }),
    );
  });
});

test('an address is told without its zone, and IPv4 without its wrapping', () => {
  for (const [given, expected] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['fe80::1%', 'fe80::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:a', '::ffff:a'],
    ['::', '::'],
    ['', ''],
    ['50%', '50%'],
  ] as const) {
    assert.equal(plainAddress(given), expected);
  }
});
