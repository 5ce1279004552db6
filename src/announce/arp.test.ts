import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ArpIgnored, announceArp, probeArp, receiveArp } from './arp.ts';

const OURS = 0x0200_0000_0001;
const THEIRS = 0x0200_0000_0002;
const VIP = 0xc0000264; // 192.0.2.100
const ASKER = 0xc0000201; // 192.0.2.1
const view = { mac: OURS, owned: new Set([VIP]), watched: new Set([VIP]) };

/** Captured with tcpdump -x from iputils arping: who has 192.0.2.100, tell 192.0.2.1. */
const REQUEST =
  'ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 c0000201 ffffffffffff c0000264';
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** The request with some bytes replaced. */
const changed = (at: number, hex: string) => {
  const frame = bytes(REQUEST);
  bytes(hex).copy(frame, at);
  return frame;
};

describe('ARP', () => {
  test('a request for an address of ours is answered to the asker alone', () => {
    const { reply, address, claim, probe, ignored } = receiveArp(bytes(REQUEST), view);
    assert.equal(
      reply?.toString('hex'),
      '020000000002020000000001080600010800060400020200000000' + '01c0000264020000000002c0000201',
    );
    assert.deepEqual([address, claim, probe, ignored], [VIP, null, null, null]);
  });

  test('padding up to the smallest Ethernet frame changes nothing', () => {
    const padded = Buffer.concat([bytes(REQUEST), Buffer.alloc(18, 0xaa)]);
    assert.deepEqual(receiveArp(padded, view), receiveArp(bytes(REQUEST), view));
  });

  test('a probe of another host is answered: the address is taken (RFC 5227)', () => {
    const { reply, claim, probe } = receiveArp(probeArp(VIP, THEIRS), view);
    assert.deepEqual(probe, { address: VIP, mac: THEIRS });
    assert.equal(reply?.readUIntBE(0, 6), THEIRS);
    assert.equal(reply?.readUInt32BE(28), VIP);
    assert.equal(claim, null);
  });

  test('a probe for an address that we asked about, and do not have, is told of', () => {
    const asking = { mac: OURS, owned: new Set<number>(), watched: new Set([VIP]) };
    const { reply, probe } = receiveArp(probeArp(VIP, THEIRS), asking);
    assert.deepEqual([reply, probe], [null, { address: VIP, mac: THEIRS }]);
  });

  test('who announces an address of ours is told of, and not answered', () => {
    for (const frame of announceArp(VIP, THEIRS))
      assert.deepEqual(receiveArp(frame, view), {
        reply: null,
        address: 0,
        claim: { address: VIP, mac: THEIRS },
        probe: null,
        ignored: null,
      });
  });

  test('who asks for an address of ours from another one of ours is answered and told of', () => {
    const both = { mac: OURS, owned: new Set([VIP]), watched: new Set([VIP, ASKER]) };
    const { reply, claim } = receiveArp(bytes(REQUEST), both);
    assert.notEqual(reply, null);
    assert.deepEqual(claim, { address: ASKER, mac: THEIRS });
  });

  test('announcements are a request and a reply to all, from the address to itself', () => {
    assert.deepEqual(
      announceArp(VIP, OURS).map((frame) => frame.toString('hex')),
      ['0001', '0002'].map((operation) =>
        `ffffffffffff02000000000108060001080006 04${operation}020000000001c0000264ffffffffffffc0000264`.replace(
          ' ',
          '',
        ),
      ),
    );
  });

  const ignored: readonly (readonly [string, Buffer, ArpIgnored])[] = [
    ['less than an Ethernet header', bytes(REQUEST).subarray(0, 13), 'short'],
    ['less than a packet', bytes(REQUEST).subarray(0, 41), 'short'],
    ['another EtherType', changed(12, '0800'), 'not-arp'],
    ['a VLAN tag', changed(12, '8100'), 'not-arp'],
    ['another hardware', changed(14, '0006'), 'hardware'],
    ['a hardware address of 8 bytes', changed(18, '08'), 'hardware'],
    ['another protocol', changed(16, '86dd'), 'protocol'],
    ['a protocol address of 16 bytes', changed(19, '10'), 'protocol'],
    ['RARP', changed(20, '0003'), 'operation'],
    ['a frame for another host', changed(0, '020000000009'), 'destination'],
    ['a frame for a group', changed(0, '333300000001'), 'destination'],
    ['our own frame', changed(22, '020000000001'), 'own-frame'],
    ['a frame that we sent', changed(6, '020000000001'), 'own-frame'],
    ['a sender that is a group', changed(22, 'ffffffffffff'), 'sender'],
    ['no sender', changed(22, '000000000000'), 'sender'],
    ['an address that is not ours', changed(38, 'c0000265'), 'not-announced'],
    ['a reply about others', changed(20, '0002'), 'foreign-reply'],
  ];
  for (const [what, frame, reason] of ignored)
    test(`${what} is ignored: ${reason}`, () => {
      assert.deepEqual(receiveArp(frame, view), {
        reply: null,
        address: 0,
        claim: null,
        probe: null,
        ignored: reason,
      });
    });

  test('no bytes make it throw, and a reply only ever goes to the asker, about an address of ours', () => {
    const mutated = fc
      .tuple(fc.array(fc.tuple(fc.nat(41), fc.nat(255)), { maxLength: 4 }), fc.nat(60))
      .map(([changes, length]) => {
        const frame = Buffer.concat([bytes(REQUEST), Buffer.alloc(18)]).subarray(0, length);
        for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
        return frame;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 }).map(Buffer.from)), (frame) => {
        const { reply, claim, probe, ignored } = receiveArp(frame as Buffer, view);
        assert.equal(ignored === null, reply !== null || claim !== null || probe !== null);
        if (reply !== null) {
          assert.equal(reply.length, 42);
          assert.equal(reply.readUInt32BE(28), VIP);
          assert.equal(reply.readUIntBE(0, 6), frame.readUIntBE(22, 6));
        }
      }),
    );
  });
});
