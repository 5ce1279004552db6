import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS } from '../config.ts';
import { parseRequestHead } from '../http1/parse-request.ts';
import { RequestHead } from '../message/request-head.ts';
import { believedOrigin, forwardedLine, makePeer, TrustedProxies } from './peer.ts';

function head(fields: string): RequestHead {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: h.test:8080\r\n${fields}\r\n`, 'latin1');
  const out = new RequestHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, DEFAULT_LIMITS, out) > 0);
  return out;
}

const TRUSTED = new TrustedProxies(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
const peer = makePeer('10.1.2.3', 'http', 80, TRUSTED, false);

test('trusted are the addresses in the ranges and nobody else', () => {
  const table: [address: string, trusted: boolean][] = [
    ['10.0.0.0', true],
    ['10.255.255.255', true],
    ['11.0.0.0', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
    ['::1', false],
    ['', false],
    ['unknown', false],
    ['10.0.0.1:80', false],
    ['10.0.0', false],
    ['010.0.0.1', false],
  ];
  for (const [address, trusted] of table) assert.equal(TRUSTED.has(address), trusted, address);
  assert.equal(new TrustedProxies([]).has('10.0.0.1'), false);
});

test('an untrusted peer is told as itself, whatever it says', () => {
  const stranger = makePeer('203.0.113.9', 'http', 8080, TRUSTED, false);
  assert.equal(stranger.trusted, false);
  assert.equal(
    stranger.fields,
    'X-Forwarded-For: 203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n',
  );
});

test('the client is the last address of the chain that is no trusted proxy, counted from the right', () => {
  const table: [chain: string, client: string][] = [
    ['', '10.1.2.3'],
    ['203.0.113.1', '203.0.113.1'],
    ['203.0.113.1, 10.0.0.5', '203.0.113.1'],
    ['6.6.6.6, 203.0.113.1, 10.0.0.5, 192.0.2.7', '203.0.113.1'],
    ['10.0.0.9, 10.0.0.8', '10.0.0.9'],
    ['2001:db8::9', '2001:db8::9'],
    ['2001:db9::9 ,\t2001:db8::1', '2001:db9::9'],
    // What is no address ends the search: nothing left of it can be believed.
    ['203.0.113.1, unknown', '10.1.2.3'],
    ['203.0.113.1, unknown, 10.0.0.5', '10.0.0.5'],
    ['_hidden', '10.1.2.3'],
  ];
  for (const [chain, client] of table) {
    const lines = chain === '' ? '' : `X-Forwarded-For: ${chain}\r\n`;
    assert.equal(believedOrigin(head(lines), peer, TRUSTED).client, client, chain);
  }
  const twoLines = head('X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 10.0.0.5\r\n');
  assert.equal(believedOrigin(twoLines, peer, TRUSTED).client, '203.0.113.1');
});

test('an address may have a port behind it, and be written in more than one way', () => {
  const table: [chain: string, client: string][] = [
    ['203.0.113.1:5678', '203.0.113.1'],
    ['[2001:db9::1]:443', '2001:db9::1'],
    ['[2001:db9::1]', '2001:db9::1'],
    ['203.0.113.1:5678, 10.0.0.5:80, [2001:db8::1]:443', '203.0.113.1'],
    ['::ffff:203.0.113.1', '203.0.113.1'],
    ['203.0.113.1, ::ffff:10.0.0.5', '203.0.113.1'],
    ['fe80::1%eth0', 'fe80::1'],
    // An empty member of a list is none (RFC 9110 5.6.1).
    ['203.0.113.1,', '203.0.113.1'],
    [', 203.0.113.1, , 10.0.0.5,,', '203.0.113.1'],
    [',,', '10.1.2.3'],
    // No addresses, as nothing is repaired.
    ['203.0.113.1:', '10.1.2.3'],
    ['203.0.113.1:65536', '10.1.2.3'],
    ['203.0.113.1:http', '10.1.2.3'],
    ['203.0.113.1:80:80', '10.1.2.3'],
    ['203.0.113.1 :80', '10.1.2.3'],
    ['[203.0.113.1]:80', '10.1.2.3'],
    ['[2001:db9::1', '10.1.2.3'],
    ['[2001:db9::1]443', '10.1.2.3'],
    ['[2001:db9::1]:', '10.1.2.3'],
    ['[]:80', '10.1.2.3'],
    ['"203.0.113.1"', '10.1.2.3'],
    ['"[2001:db9::1]:443"', '10.1.2.3'],
    ['for=203.0.113.1', '10.1.2.3'],
    ['203.0.113.1, _hidden, 10.0.0.5', '10.0.0.5'],
  ];
  for (const [chain, client] of table) {
    const request = head(`X-Forwarded-For: ${chain}\r\n`);
    assert.equal(believedOrigin(request, peer, TRUSTED).client, client, chain);
  }
});

test('the client is never read from Forwarded: many proxies pass on what clients write there', () => {
  for (const value of [
    'for=203.0.113.1',
    'for="203.0.113.1:5678"',
    'for="[2001:db9::1]:443"',
    'for=_hidden',
    'for=unknown',
  ]) {
    assert.equal(believedOrigin(head(`Forwarded: ${value}\r\n`), peer, TRUSTED).client, '10.1.2.3', value);
  }
});

test('a trusted chain is passed on with the peer behind it; values that do not parse are replaced', () => {
  const told = believedOrigin(
    head(
      'X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Proto: HTTPS\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: a.test\r\n',
    ),
    peer,
    TRUSTED,
  );
  assert.equal(
    told.fields,
    'X-Forwarded-For: 203.0.113.1, 10.1.2.3\r\nX-Real-IP: 203.0.113.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n',
  );
  assert.equal(told.host, 'a.test');
  const wrong = believedOrigin(
    head('X-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 80a\r\nX-Forwarded-Host: a b\r\n'),
    peer,
    TRUSTED,
  );
  assert.match(wrong.fields, /X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n$/);
  assert.equal(wrong.host, 'h.test:8080');
});

test('whatever a trusted proxy passes on, nothing throws and no line is broken', () => {
  const element = fc.oneof(
    fc.constantFrom(
      '',
      '10.0.0.1',
      '::1',
      'fe80::1%eth0',
      '::ffff:10.0.0.1',
      '::ffff:0a00:1',
      '1.2.3.4:5',
      '[::1]',
      'unknown',
      '"',
      '999.1.1.1',
    ),
    fc.string({ unit: fc.constantFrom('1', ':', '.', 'f', '%', ' ', '\t', '\xff', '"', '/'), maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(element, { maxLength: 5 }), element, (chain, other) => {
      const request = head(
        `X-Forwarded-For: ${chain.join(',')}\r\nX-Forwarded-Proto: ${other}\r\nX-Forwarded-Port: ${other}\r\nX-Forwarded-Host: ${other}\r\nForwarded: ${other}\r\n`,
      );
      const origin = believedOrigin(request, peer, TRUSTED);
      assert.match(origin.fields, /^(?:X-[A-Za-z-]+: [^\r\n]*\r\n){4}$/);
      assert.ok(isIP(origin.client) !== 0 && !origin.client.includes('%'), origin.client);
      assert.ok(origin.client === peer.address || chain.some((one) => one.includes(origin.client)));
    }),
    { numRuns: 1000 },
  );
});

test('Forwarded names the peer and the host; an IPv6 address is quoted; what a trusted peer sent comes first', () => {
  const v6 = makePeer('2001:db9::1', 'http', 80, TRUSTED, true);
  assert.equal(
    forwardedLine(head('Forwarded: for=6.6.6.6\r\n'), v6),
    'Forwarded: for="[2001:db9::1]";proto=http;host="h.test:8080"\r\n',
  );
  const trusted = makePeer('10.0.0.1', 'https', 443, TRUSTED, true);
  assert.equal(
    forwardedLine(head('Forwarded: for=203.0.113.1\r\n'), trusted),
    'Forwarded: for=203.0.113.1, for=10.0.0.1;proto=https;host="h.test:8080"\r\n',
  );
  assert.equal(forwardedLine(head(''), peer), '');
});

test("of Forwarded everything is passed on whose quotes are in order, else our element would be in somebody's string", () => {
  const trusted = makePeer('10.0.0.1', 'https', 443, TRUSTED, true);
  const own = 'for=10.0.0.1;proto=https;host="h.test:8080"\r\n';
  for (const value of [
    'for=_hidden',
    'for=unknown, for="_SEVKISEK"',
    'For="[2001:db8:cafe::17]:4711";By=203.0.113.43',
    'for="a, b; c=\\"d\\\\", for=192.0.2.1 ; proto=http',
  ]) {
    assert.equal(forwardedLine(head(`Forwarded: ${value}\r\n`), trusted), `Forwarded: ${value}, ${own}`);
  }
  for (const value of ['for="', 'for="a\\"', 'for="a"b', 'for=a"b"', '"for=a"', 'for="a", for="', '"']) {
    assert.equal(forwardedLine(head(`Forwarded: ${value}\r\n`), trusted), `Forwarded: ${own}`, value);
  }
});
