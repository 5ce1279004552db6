import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../model/ip.ts';
import { announceNdp, type NdpIgnored, probeNdp, receiveNdp, solicitedNodeMac } from './ndp.ts';

const OURS = 0x0200_0000_0001;
const THEIRS = 0x0200_0000_0002;
const VIP = parseIp('2001:db8::100')!.value;
const view = { mac: OURS, owned: new Set([VIP]), watched: new Set([VIP]) };

/** As ndisc6 sends it: fe80::2 asks all of ff02::1:ff00:100, with its link-layer address. */
const SOLICITATION =
  '3333ff000100 020000000002 86dd 60000000 0020 3a ff fe800000000000000000000000000002' +
  'ff0200000000000000000001ff000100 8700 0000 00000000 20010db8000000000000000000000100 0101 020000000002';
const plain = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** Some bytes replaced, then with the checksum that it needs (RFC 1071, written apart from the code under test). */
function frame(changes: readonly (readonly [at: number, hex: string])[] = [], hex = SOLICITATION): Buffer {
  const made = plain(hex);
  for (const [at, bytes] of changes) plain(bytes).copy(made, at);
  made.writeUInt16BE(0, 56);
  const covered = Buffer.concat([
    made.subarray(22, 54),
    Buffer.from([0, 0, made[18]!, made[19]!, 0, 0, 0, 58]),
    made.subarray(54),
  ]);
  let sum = 0;
  for (let i = 0; i < covered.length; i++) sum += i % 2 === 0 ? covered[i]! * 256 : covered[i]!;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  made.writeUInt16BE(0xffff - sum, 56);
  return made;
}
const UNSPECIFIED = [22, '00'.repeat(16)] as const;
/** Without the option: the length in the header, too. */
const withoutOption = (changes: readonly (readonly [number, string])[] = []) =>
  frame([[18, '0018'], ...changes], SOLICITATION.replace(/0101 020000000002$/, ''));

describe('NDP', () => {
  test('a solicitation for an address of ours is answered to the asker: solicited, override, our MAC', () => {
    const { reply, address, claim, ignored } = receiveNdp(frame(), view);
    assert.deepEqual([address, claim, ignored], [VIP, null, null]);
    assert.equal(reply?.readUIntBE(0, 6), THEIRS);
    assert.equal(reply?.subarray(22, 38).toString('hex'), '20010db8000000000000000000000100');
    assert.equal(reply?.subarray(38, 54).toString('hex'), 'fe800000000000000000000000000002');
    assert.equal(reply?.[21], 255);
    assert.equal(reply?.readUInt16BE(54), 136 << 8);
    assert.equal(reply?.readUInt32BE(58), 0x6000_0000);
    assert.equal(reply?.subarray(78).toString('hex'), '0201020000000001');
    assert.deepEqual(reply, frame([], reply!.toString('hex')), 'the checksum is right');
  });

  test('a solicitation to us alone may come without its link-layer address', () => {
    const { reply } = receiveNdp(withoutOption([[0, '020000000001']]), view);
    assert.equal(reply?.readUIntBE(0, 6), THEIRS);
  });

  test('who checks for duplicates is told as all are: not solicited, override (RFC 4862)', () => {
    const { reply } = receiveNdp(withoutOption([UNSPECIFIED]), view);
    assert.deepEqual(reply, announceNdp(VIP, OURS));
    assert.equal(reply?.readUIntBE(0, 6), 0x3333_0000_0001);
    assert.equal(reply?.subarray(38, 54).toString('hex'), 'ff020000000000000000000000000001');
    assert.equal(reply?.readUInt32BE(58), 0x2000_0000);
  });

  test('our own question is one that others answer', () => {
    const { reply, probe } = receiveNdp(probeNdp(VIP, THEIRS), view);
    assert.deepEqual(probe, { address: VIP, mac: THEIRS });
    assert.deepEqual(reply, announceNdp(VIP, OURS));
    assert.equal(probeNdp(VIP, THEIRS).readUIntBE(0, 6), solicitedNodeMac(VIP));
  });

  test('who says that an address of ours is theirs is told of', () => {
    assert.deepEqual(receiveNdp(announceNdp(VIP, THEIRS), view).claim, { address: VIP, mac: THEIRS });
    const asks = frame([
      [22, '20010db8000000000000000000000100'],
      [62, '20010db8000000000000000000000101'],
    ]);
    assert.deepEqual(receiveNdp(asks, view).claim, { address: VIP, mac: THEIRS });
  });

  test('padding and options of other types change nothing', () => {
    const padded = Buffer.concat([frame(), Buffer.alloc(7, 0xaa)]);
    assert.deepEqual(receiveNdp(padded, view), receiveNdp(frame(), view));
    const nonce = frame([[18, '0028']], `${SOLICITATION}0e01aabbccddeeff`);
    assert.deepEqual(receiveNdp(nonce, view), receiveNdp(frame(), view));
  });

  const bad = frame();
  bad[56]! ^= 1;
  const ignored: readonly (readonly [string, Buffer, NdpIgnored])[] = [
    ['less than an Ethernet header', frame().subarray(0, 13), 'short'],
    ['less than an IPv6 header', frame().subarray(0, 53), 'short'],
    ['less than the header says', frame().subarray(0, 80), 'short'],
    ['another EtherType', frame([[12, '0800']]), 'not-ipv6'],
    ['another version', frame([[14, '45']]), 'not-ipv6'],
    ['a fragment', frame([[20, '2c']]), 'not-icmpv6'],
    ['a message without target', frame([[18, '0008']]), 'length'],
    ['an echo request', frame([[54, '80']]), 'type'],
    ['our own frame', frame([[6, '020000000001']]), 'own-frame'],
    ['our own link-layer address', frame([[80, '020000000001']]), 'own-frame'],
    ['a frame for another host', frame([[0, '020000000009']]), 'destination'],
    ['a packet from behind a router', frame([[21, 'fe']]), 'hop-limit'],
    ['a wrong checksum', bad, 'checksum'],
    ['another code', frame([[55, '01']]), 'code'],
    ['a target that is a group', frame([[62, 'ff02']]), 'multicast-target'],
    ['an option without length', frame([[79, '00']]), 'option-length'],
    ['an option past the end', frame([[79, '02']]), 'option-length'],
    ['a sender that is a group', frame([[80, 'ffffffffffff']]), 'sender'],
    ['no source, but a link-layer address', frame([UNSPECIFIED]), 'unspecified-source'],
    ['no source, and another group', withoutOption([UNSPECIFIED, [51, '000101']]), 'unspecified-source'],
    ['an address that is not ours', frame([[76, '0101']]), 'not-announced'],
    ['an advertisement of others', announceNdp(VIP + 1n, THEIRS), 'foreign-advertisement'],
  ];
  for (const [what, bytes, reason] of ignored)
    test(`${what} is ignored: ${reason}`, () => {
      const result = receiveNdp(bytes, view);
      assert.deepEqual(result, { reply: null, address: 0n, claim: null, probe: null, ignored: reason });
    });

  test('no bytes make it throw, whatever the checksum says', () => {
    const mutation = fc.tuple(fc.nat(85), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 4 }), fc.nat(90), (changes, length) => {
        const made = frame(
          changes.map(([at, value]) => [at, value.toString(16).padStart(2, '0')] as const),
        ).subarray(0, length);
        const { reply, claim, probe, ignored } = receiveNdp(made, view);
        assert.equal(ignored === null, reply !== null || claim !== null || probe !== null);
        if (reply !== null) assert.equal(reply.length, 86);
      }),
    );
  });
});
