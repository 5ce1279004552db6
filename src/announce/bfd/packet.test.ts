import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type BfdDiscard, type BfdPacket, decodePacket, encodePacket } from './packet.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const packet: fc.Arbitrary<BfdPacket> = fc
  .record({
    diagnostic: fc.integer({ min: 0, max: 31 }),
    state: fc.constantFrom('AdminDown' as const, 'Down' as const, 'Init' as const, 'Up' as const),
    poll: fc.boolean(),
    final: fc.boolean(),
    demand: fc.boolean(),
    multiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    desiredMinTx: u32,
    requiredMinRx: u32,
    requiredMinEchoRx: u32,
  })
  .map((fields) => ({ ...fields }));

/** FRR 8.4.4, session up at 3 × 100 ms. */
const FROM_FRR = '20c003180000000500000009000186a0000186a00000c350';

describe('BFD control packets (RFC 5880 section 4.1)', () => {
  test('every packet comes back from its bytes', () => {
    fc.assert(fc.property(packet, (given) => assert.deepEqual(decodePacket(encodePacket(given)), given)));
  });
  test('a packet as routers send it', () => {
    assert.deepEqual(decodePacket(Buffer.from(FROM_FRR, 'hex')), {
      diagnostic: 0,
      state: 'Up',
      poll: false,
      final: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 5,
      yourDiscriminator: 9,
      desiredMinTx: 100_000,
      requiredMinRx: 100_000,
      requiredMinEchoRx: 50_000,
    });
  });
  const changed = (at: number, value: number) => {
    const bytes = Buffer.from(FROM_FRR, 'hex');
    bytes[at] = value;
    return bytes;
  };
  const zeroed = (at: number) => Buffer.from(FROM_FRR, 'hex').fill(0, at, at + 4);
  const cases: readonly (readonly [string, Buffer, BfdDiscard])[] = [
    ['a short packet', Buffer.from(FROM_FRR, 'hex').subarray(0, 23), 'length'],
    ['version 0', changed(0, 0x00), 'version'],
    ['a length below 24', changed(3, 23), 'length'],
    ['a length beyond the payload', changed(3, 25), 'length'],
    ['a multiplier of 0', changed(2, 0), 'multiplier'],
    ['a multipoint packet', changed(1, 0xc1), 'multipoint'],
    ['no discriminator', zeroed(4), 'no-discriminator'],
    ['Up from somebody who does not know us', zeroed(8), 'state-without-discriminator'],
    ['an authenticated packet', changed(1, 0xc4), 'authenticated'],
  ];
  for (const [what, bytes, reason] of cases)
    test(`${what} is discarded: ${reason}`, () => assert.equal(decodePacket(bytes), reason));
  test('whatever the bytes, a packet or a reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const seen = decodePacket(Buffer.from(bytes));
        assert.ok(typeof seen === 'string' || seen.multiplier > 0);
      }),
    );
  });
});
