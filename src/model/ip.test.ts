import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipScope, parseIp, parsePrefix, prefixContains } from './ip.ts';

test('an address is read as a number, whatever its spelling', () => {
  assert.deepEqual(parseIp('10.0.0.1'), { family: 4, value: 0x0a000001n });
  assert.deepEqual(parseIp('::1'), { family: 6, value: 1n });
  assert.deepEqual(parseIp('0:0:0:0:0:0:0:1'), parseIp('::1'));
  assert.deepEqual(parseIp('2001:DB8::'), parseIp('2001:db8:0:0::0'));
  assert.deepEqual(parseIp('64:ff9b::10.0.0.1'), parseIp('64:ff9b::a00:1'));
});

test('an IPv4-mapped address is its IPv4 address', () => {
  assert.deepEqual(parseIp('::ffff:127.0.0.1'), parseIp('127.0.0.1'));
  assert.deepEqual(parseIp('::ffff:7f00:1'), parseIp('127.0.0.1'));
});

test('what is not an address is null', () => {
  for (const text of [
    '',
    'localhost',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '[::1]',
    'fe80::1%eth0',
    '1::2::3',
  ]) {
    assert.equal(parseIp(text), null, text);
  }
});

test('what is not a prefix is null', () => {
  for (const text of [
    '',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '::/129',
    '10.0.0.0/8/8',
    '::ffff:10.0.0.0/8',
  ]) {
    assert.equal(parsePrefix(text), null, text);
  }
});

test('a prefix contains exactly the addresses that share its bits', () => {
  const table: [string, string, boolean][] = [
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['10.0.0.0/8', '::ffff:10.1.1.1', true],
    ['::ffff:10.0.0.0/104', '10.1.1.1', true],
  ];
  for (const [prefix, ip, expected] of table) {
    assert.equal(prefixContains(parsePrefix(prefix)!, parseIp(ip)!), expected, `${prefix} ${ip}`);
  }
});

test('the scope of an address follows the special-purpose registries', () => {
  const table: [string, string][] = [
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['10.0.0.1', 'unicast'],
    ['fd00::1', 'unicast'],
  ];
  for (const [ip, scope] of table) assert.equal(ipScope(parseIp(ip)!), scope, ip);
});

test('exactly the texts that Node.js takes for addresses are addresses', () => {
  const nearly = fc.array(
    fc.constantFrom('::', ':', '.', '0', '1', '10', '255', '256', 'ffff', 'g', 'abcde'),
    {
      maxLength: 16,
    },
  );
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    nearly.map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      assert.equal(parseIp(candidate) !== null, isIP(candidate) !== 0);
    }),
    { numRuns: 5000 },
  );
});
