import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type IpPrefix, parsePrefix } from '../../model/ip.ts';
import type { AsSegment, Capabilities, LargeCommunity, Message, NextHop, Open, Update } from './message.ts';
import { endOfRib, isEndOfRib, KEEPALIVE } from './message.ts';
import { MessageReader } from './message-reader.ts';
import { decodeMessage, encodeMessage, HEADER_BYTES, messageLength } from './messages.ts';
import { networkBits } from './nlri.ts';
import { cease, describeNotification, type Malformed, notification, shutdownText } from './notification.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const as = fc.integer({ min: 1, max: 0xffff_ffff });

function prefix(family: 4 | 6): fc.Arbitrary<IpPrefix> {
  const bits = family === 4 ? 32 : 128;
  return fc
    .tuple(fc.bigInt(0n, (1n << BigInt(bits)) - 1n), fc.integer({ min: 0, max: bits }))
    .map(([value, length]) => ({ family, length, value: networkBits(family, value, length) }));
}
const prefixes = (family: 4 | 6) => fc.array(prefix(family), { maxLength: 40 });
const families = fc.constantFrom('ipv4' as const, 'ipv6' as const);
const six = fc.bigInt(0n, (1n << 128n) - 1n);

const capabilities: fc.Arbitrary<Capabilities> = fc.record({
  families: fc.option(fc.uniqueArray(families, { minLength: 1 })),
  fourOctetAs: fc.constant(true),
  routeRefresh: fc.boolean(),
  extendedNextHop: fc.boolean(),
  gracefulRestart: fc.option(
    fc.record({
      restarting: fc.boolean(),
      seconds: fc.integer({ min: 0, max: 4095 }),
      families: fc.uniqueArray(fc.record({ family: families, forwarding: fc.boolean() }), {
        selector: ({ family }) => family,
      }),
    }),
  ),
});
const open: fc.Arbitrary<Open> = fc.record({
  type: fc.constant('open' as const),
  as,
  holdTime: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 65_535 })),
  routerId: fc.integer({ min: 1, max: 0xffff_ffff }),
  capabilities,
});

const segment: fc.Arbitrary<AsSegment> = fc.record({
  kind: fc.constantFrom('set' as const, 'sequence' as const),
  as: fc.array(as, { minLength: 1, maxLength: 10 }),
});
const large: fc.Arbitrary<LargeCommunity> = fc.tuple(u32, u32, u32);
const attributes = fc.record({
  origin: fc.integer({ min: 0, max: 2 }),
  asPath: fc.array(segment, { maxLength: 3 }),
  nextHop: fc.bigInt(0n, 0xffff_ffffn).map((value): bigint | null => value),
  med: fc.option(u32),
  localPref: fc.option(u32),
  communities: fc.array(u32, { maxLength: 70 }),
  largeCommunities: fc.array(large, { maxLength: 30 }),
});
const nextHop6: fc.Arbitrary<NextHop> = fc.record({
  family: fc.constant(6 as const),
  value: six,
  linkLocal: fc.option(six),
});
const update: fc.Arbitrary<Update> = fc.record({
  type: fc.constant('update' as const),
  withdrawn: prefixes(4),
  unreachable: fc.option(fc.record({ family: fc.constant('ipv6' as const), prefixes: prefixes(6) })),
  attributes,
  reachable: fc.option(
    fc.oneof(
      fc.record({ family: fc.constant('ipv6' as const), nextHop: nextHop6, prefixes: prefixes(6) }),
      fc.record({ family: fc.constant('ipv4' as const), nextHop: nextHop6, prefixes: prefixes(4) }),
    ),
  ),
  announced: fc.array(prefix(4), { minLength: 1, maxLength: 40 }),
});
const message: fc.Arbitrary<Message> = fc.oneof(
  open,
  update,
  fc.constant(KEEPALIVE),
  families.map((family) => ({ type: 'route-refresh' as const, family })),
  fc
    .tuple(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 255 }),
      fc.uint8Array({ maxLength: 200 }),
    )
    .map(([code, subcode, data]) => notification(code, subcode, data)),
);

function readAll(bytes: Buffer, sizes: readonly number[] = [bytes.length]): (Message | Malformed)[] {
  const reader = new MessageReader();
  const out: (Message | Malformed)[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    reader.feed(bytes.subarray(at, at + size), (message) => {
      out.push(message);
      return true;
    });
    at += size;
  }
  return out;
}

describe('messages', () => {
  test('every message comes back from its bytes, however these are cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        (messages, sizes) => {
          const bytes = Buffer.concat(messages.map((message) => encodeMessage(message, true)));
          // fast-check's records have no prototype.
          assert.deepEqual(readAll(bytes, sizes), structuredClone(messages));
        },
      ),
    );
  });
  test('an AS that does not fit 16 bits is AS_TRANS for a 2-octet speaker, with the real path beside it', () => {
    const path = [{ kind: 'sequence' as const, as: [4_200_000_000, 64512] }];
    const sent: Update = {
      ...endOfRib('ipv4'),
      announced: [parsePrefix('192.0.2.0/24')!],
      attributes: {
        origin: 0,
        asPath: path,
        nextHop: 1n,
        med: null,
        localPref: null,
        communities: [],
        largeCommunities: [],
      },
    };
    const bytes = encodeMessage(sent, false);
    const seen = decodeMessage(bytes, false);
    assert.equal(seen.type, 'update');
    assert.deepEqual(seen.type === 'update' && seen.attributes?.asPath, [
      { kind: 'sequence', as: [23456, 64512] },
    ]);
    // AS4_PATH: optional transitive, type 17, ten bytes.
    assert.ok(bytes.includes(Buffer.from('c0110a0202fa56ea000000fc00', 'hex')));
  });
  test('End-of-RIB has 23 bytes for IPv4 and an empty MP_UNREACH_NLRI for IPv6 (RFC 4724 section 2)', () => {
    assert.equal(encodeMessage(endOfRib('ipv4'), true).length, 23);
    assert.equal(encodeMessage(endOfRib('ipv6'), true).toString('hex').slice(38), '00000006800f03000201');
    for (const family of ['ipv4', 'ipv6'] as const) {
      const seen = decodeMessage(encodeMessage(endOfRib(family), true), true);
      assert.ok(seen.type === 'update' && isEndOfRib(seen));
    }
  });
});

/** A message of this type around these bytes. */
function framed(type: number, body: string): Buffer {
  const bytes = Buffer.from(body, 'hex');
  const head = Buffer.alloc(HEADER_BYTES, 0xff);
  head.writeUInt16BE(HEADER_BYTES + bytes.length, 16);
  head[18] = type;
  return Buffer.concat([head, bytes]);
}

function answerTo(bytes: Buffer): string {
  const [first] = readAll(bytes);
  if (first?.type !== 'malformed') return first?.type ?? 'nothing';
  const { code, subcode, data } = first.answer;
  return `${code}/${subcode} ${Buffer.from(data).toString('hex')}`.trim();
}

const OPEN_HEAD = '04fc00005a0a000001';
const ORIGIN = '40010100';
const PATH = '4002060201000' + '0fc00';
const HOP = '400304c0000201';
const attributesOf = (...parts: string[]) => {
  const all = parts.join('');
  return `0000${(all.length / 2).toString(16).padStart(4, '0')}${all}`;
};

describe('malformed messages are answered as RFC 4271 section 6 and RFC 7606 say', () => {
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['a marker that is not all ones', Buffer.from(`00${'ff'.repeat(15)}001304`, 'hex'), '1/1'],
    ['a length below 19', Buffer.from(`${'ff'.repeat(16)}001204`, 'hex'), '1/2 0012'],
    ['a length above 4096', Buffer.from(`${'ff'.repeat(16)}100102`, 'hex'), '1/2 1001'],
    ['a KEEPALIVE with a body', framed(4, '00'), '1/2 0014'],
    ['an OPEN that is too short', framed(1, '04'), '1/2 0014'],
    ['an unknown type', framed(9, ''), '1/3 09'],
    ['version 3', framed(1, '03fc00005a0a00000100'), '2/1 0004'],
    ['AS 0', framed(1, '040000005a0a00000100'), '2/2'],
    ['identifier 0', framed(1, '04fc00005a0000000000'), '2/3'],
    ['a hold time of 2 s', framed(1, '04fc0000020a00000100'), '2/6'],
    ['an unknown optional parameter', framed(1, `${OPEN_HEAD}03010100`), '2/4'],
    ['parameters longer than the message', framed(1, `${OPEN_HEAD}05020100`), '2/0'],
    ['a capability longer than its parameter', framed(1, `${OPEN_HEAD}0402020105`), '2/0'],
    ['a 4-octet AS of 2 octets', framed(1, `${OPEN_HEAD}06020441020001`), '2/0'],
    ['withdrawn routes beyond the end', framed(2, '00050000'), '3/1'],
    ['attributes beyond the end', framed(2, '00000005'), '3/1'],
    ['a withdrawn prefix of 33 bits', framed(2, '000621c00002000000' + '00'), '3/10'],
    ['a prefix that ends early', framed(2, `${attributesOf(ORIGIN, PATH, HOP)}18c000`), '3/10'],
    ['an unknown well-known attribute', framed(2, attributesOf('40630100')), '3/2 40630100'],
    ['MP_UNREACH_NLRI twice', framed(2, attributesOf('800f03000201', '800f03000201')), '3/1'],
    ['MP_REACH_NLRI without next hop', framed(2, attributesOf('800e050002010000')), '3/9 800e050002010000'],
    [
      'MP_REACH_NLRI with the wrong flags',
      framed(2, attributesOf('400e050002010000')),
      '3/4 400e050002010000',
    ],
    [
      'MP_UNREACH_NLRI with a prefix of 129 bits',
      framed(2, attributesOf('800f0400020181')),
      '3/9 800f0400020181',
    ],
    ['a ROUTE-REFRESH of 5 bytes', framed(5, '0001000100'), '7/1'],
  ];
  for (const [what, bytes, expected] of cases)
    test(`${what}: ${expected}`, () => assert.equal(answerTo(bytes), expected));

  const withdrawals: readonly (readonly [string, string])[] = [
    ['ORIGIN 3', attributesOf('40010103', PATH, HOP)],
    ['ORIGIN of two bytes', attributesOf('4001020000', PATH, HOP)],
    ['ORIGIN with the wrong flags', attributesOf('c0010100', PATH, HOP)],
    ['an AS_PATH segment of unknown kind', attributesOf(ORIGIN, '40020605010000fc00', HOP)],
    ['an AS_PATH with AS 0 (RFC 7607)', attributesOf(ORIGIN, '4002060201000' + '00000', HOP)],
    ['NEXT_HOP of three bytes', attributesOf(ORIGIN, PATH, '400303c00002')],
    ['COMMUNITIES of five bytes', attributesOf(ORIGIN, PATH, HOP, 'c008050000000000')],
    ['no ORIGIN', attributesOf(PATH, HOP)],
    ['no NEXT_HOP', attributesOf(ORIGIN, PATH)],
    ['an attribute that overruns the list', attributesOf(ORIGIN, PATH, HOP, '8004ff00')],
  ];
  for (const [what, body] of withdrawals)
    test(`${what}: the routes are treated as withdrawn, the session lives`, () => {
      const [seen] = readAll(framed(2, `${body}18c00002`));
      assert.ok(seen?.type === 'update');
      assert.equal(seen.attributes, null);
      assert.deepEqual(seen.announced, [parsePrefix('192.0.2.0/24')]);
    });

  test('of a repeated attribute the first one counts', () => {
    const [seen] = readAll(framed(2, `${attributesOf(ORIGIN, '40010102', PATH, HOP)}18c00002`));
    assert.equal(seen?.type === 'update' && seen.attributes?.origin, 0);
  });

  test('whatever the bytes, the answer is a message or a NOTIFICATION of ours, never a throw', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.uint8Array({ maxLength: 400 }),
        fc.boolean(),
        (type, body, fourOctets) => {
          const bytes = framed(type, Buffer.from(body).toString('hex'));
          const length = messageLength(bytes, 0);
          if (length === null || typeof length !== 'number') return;
          const seen = decodeMessage(bytes, fourOctets);
          if (seen.type === 'malformed') assert.ok(seen.answer.code >= 1 && seen.answer.code <= 7);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('a valid message with bytes changed is decoded or refused, never a throw', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (message, changes) => {
          const bytes = encodeMessage(message, true);
          for (const [at, value] of changes) bytes[HEADER_BYTES + (at % bytes.length)] = value;
          const length = messageLength(bytes, 0);
          if (typeof length === 'number' && length === bytes.length) decodeMessage(bytes, true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('NOTIFICATION', () => {
  test('a shutdown carries text for the operator (RFC 9003)', () => {
    const sent = cease(2, 'node drained: see ticket 7');
    assert.equal(shutdownText(sent), 'node drained: see ticket 7');
    assert.equal(
      describeNotification(sent),
      'cease: administrative shutdown (6/2), "node drained: see ticket 7"',
    );
  });
  test('long text is cut between characters at 255 bytes', () => {
    const { data } = cease(2, `x${'ü'.repeat(200)}`);
    assert.equal(data[0], 255);
    assert.equal(shutdownText(cease(2, `x${'ü'.repeat(200)}`)), `x${'ü'.repeat(127)}`);
    assert.equal(shutdownText(cease(2, 'ü'.repeat(200))), 'ü'.repeat(127));
  });
  test('only shutdown and reset have text', () => {
    assert.equal(cease(7, 'collision').data.length, 0);
  });
  test('text that is no UTF-8 or longer than its message is no text', () => {
    assert.equal(shutdownText(notification(6, 2, Uint8Array.of(2, 0xff, 0xfe))), '');
    assert.equal(shutdownText(notification(6, 2, Uint8Array.of(9, 65))), '');
  });
  test('control characters of a stranger do not reach the log', () => {
    assert.equal(shutdownText(notification(6, 4, Uint8Array.of(3, 65, 10, 66))), 'A B');
  });
});
