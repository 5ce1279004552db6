import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatIp } from '../../model/ip-text.ts';
import { SecretBytes } from '../../model/snapshot.ts';
import {
  CLAIMS_PER_PART,
  decodeHeartbeat,
  encodeHeartbeat,
  type Heartbeat,
  LONGEST_DATAGRAM,
} from './packet.ts';

const key = new SecretBytes(Buffer.from('a key that all share'));
const other = new SecretBytes(Buffer.from('another key'));
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const u32 = fc.nat(0xffff_ffff);

const heartbeat: Heartbeat = {
  name: 'node-a',
  boot: 7n,
  counter: 9n,
  presence: 'leaving',
  heard: new Map([[1, 2n]]),
  interfaces: [{ name: 'eth0', mac: 0x0200_0000_0001 }],
  claims: [
    ['192.0.2.1', false],
    ['2001:db8::1', true],
  ],
  part: 0,
  parts: 1,
};

describe('heartbeats as bytes', () => {
  test('what is encoded is decoded', () => {
    const address = fc.oneof(
      u32.map((value) => formatIp({ family: 4, value: BigInt(value) })),
      fc.bigInt({ min: 2n ** 100n, max: 2n ** 128n - 1n }).map((value) => formatIp({ family: 6, value })),
    );
    const any: fc.Arbitrary<Heartbeat> = fc.record(
      {
        name: fc.string({ minLength: 1, maxLength: 60 }),
        boot: u64,
        counter: u64,
        presence: fc.constantFrom('here', 'leaving', 'gone'),
        heard: fc.array(fc.tuple(u32, u64), { maxLength: 100 }).map((list) => new Map(list)),
        interfaces: fc.array(
          fc.record(
            { name: fc.string({ minLength: 1, maxLength: 15 }), mac: fc.nat(2 ** 48 - 1) },
            { noNullPrototype: true },
          ),
          { maxLength: 32 },
        ),
        claims: fc.array(fc.tuple(address, fc.boolean()), { maxLength: CLAIMS_PER_PART }),
        part: fc.nat(3),
        parts: fc.integer({ min: 4, max: 9 }),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(any, (made) => {
        const bytes = encodeHeartbeat(made, key);
        assert.ok(bytes.length <= LONGEST_DATAGRAM);
        assert.deepEqual(decodeHeartbeat(bytes, key), made);
      }),
    );
  });

  test('the bytes are these', () => {
    assert.equal(
      encodeHeartbeat(heartbeat, key).subarray(0, -32).toString('hex'),
      [
        '54474d42' + '01' + '01' + '0000000000000007' + '0000000000000009' + '00' + '01',
        `06${Buffer.from('node-a').toString('hex')}`,
        '01' + '00000001' + '0000000000000002',
        `0104${Buffer.from('eth0').toString('hex')}020000000001`,
        '0002' + '04c0000201' + '9020010db8000000000000000000000001',
      ].join(''),
    );
  });

  test('another key, or any byte that changed on the way, is refused', () => {
    const bytes = encodeHeartbeat(heartbeat, key);
    assert.equal(decodeHeartbeat(bytes, other), 'authentication');
    for (let at = 5; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      assert.equal(decodeHeartbeat(changed, key), 'authentication', `byte ${at}`);
    }
  });

  test('what is no heartbeat is refused without looking further', () => {
    const bytes = encodeHeartbeat(heartbeat, key);
    const changed = (at: number) => Buffer.from(bytes).fill(0xff, at, at + 1);
    assert.equal(decodeHeartbeat(Buffer.alloc(10), key), 'length');
    assert.equal(decodeHeartbeat(Buffer.alloc(LONGEST_DATAGRAM + 1), key), 'length');
    assert.equal(decodeHeartbeat(changed(0), key), 'magic');
    assert.equal(decodeHeartbeat(changed(4), key), 'version');
  });

  test('an authentic one in another form is malformed', () => {
    const malformed = [
      { ...heartbeat, name: '' },
      { ...heartbeat, part: 1 },
      { ...heartbeat, interfaces: Array.from({ length: 40 }, () => ({ name: 'x', mac: 1 })) },
    ];
    for (const made of malformed) assert.equal(decodeHeartbeat(encodeHeartbeat(made, key), key), 'malformed');
  });
});
