/** HPACK against the examples of RFC 7541 appendix C, a slow reference encoder, and garbage. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Field } from './field.ts';
import { HpackDecoder } from './hpack-decode.ts';
import { encodeField } from './hpack-encode.ts';
import { STATIC, STATIC_COUNT } from './hpack-table.ts';
import { CODES, huffmanDecode } from './huffman.ts';

type Pair = readonly [name: string, value: string];

function decodeWith(decoder: HpackDecoder, bytes: Buffer): Pair[] | null {
  const out: Pair[] = [];
  const sink = {
    onField: ({ name, value }: Field) => {
      out.push([name, value]);
      return true;
    },
  };
  return decoder.decode(bytes, 0, bytes.length, sink) ? out : null;
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const decodeHex = (decoder: HpackDecoder, text: string) => decodeWith(decoder, hex(text));

/** Huffman by a string of zeros and ones: slow and plain. */
function slowHuffman(text: string): Buffer {
  let bits = '';
  for (const c of Buffer.from(text, 'latin1'))
    bits += CODES[c]!.bits.toString(2).padStart(CODES[c]!.length, '0');
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

describe('the examples of RFC 7541', () => {
  const first: Pair[] = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];
  const third: Pair[] = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ];

  test('C.2: literals of all kinds', () => {
    assert.deepEqual(
      decodeHex(new HpackDecoder(), '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'),
      [['custom-key', 'custom-header']],
    );
    assert.deepEqual(decodeHex(new HpackDecoder(), '040c 2f73 616d 706c 652f 7061 7468'), [
      [':path', '/sample/path'],
    ]);
    assert.deepEqual(decodeHex(new HpackDecoder(), '1008 7061 7373 776f 7264 0673 6563 7265 74'), [
      ['password', 'secret'],
    ]);
  });

  test('C.3: three requests on one connection, without Huffman', () => {
    const decoder = new HpackDecoder();
    assert.deepEqual(decodeHex(decoder, '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'), first);
    assert.deepEqual(decodeHex(decoder, '8286 84be 5808 6e6f 2d63 6163 6865'), [
      ...first,
      ['cache-control', 'no-cache'],
    ]);
    assert.deepEqual(
      decodeHex(decoder, '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'),
      third,
    );
  });

  test('C.4: the same with Huffman', () => {
    const decoder = new HpackDecoder();
    assert.deepEqual(decodeHex(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), first);
    assert.deepEqual(decodeHex(decoder, '8286 84be 5886 a8eb 1064 9cbf'), [
      ...first,
      ['cache-control', 'no-cache'],
    ]);
    assert.deepEqual(
      decodeHex(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'),
      third,
    );
  });

  test('C.6: responses with a table of 256 bytes, where entries are evicted', () => {
    const decoder = new HpackDecoder();
    const date: Pair = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
    const rest: Pair[] = [['cache-control', 'private'], date, ['location', 'https://www.example.com']];
    // The size update stands for the settings of the example.
    assert.deepEqual(
      decodeHex(
        decoder,
        '3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      ),
      [[':status', '302'], ...rest],
    );
    assert.deepEqual(decodeHex(decoder, '4883 640e ffc1 c0bf'), [[':status', '307'], ...rest]);
    assert.deepEqual(
      decodeHex(
        decoder,
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      ),
      [
        [':status', '200'],
        ['cache-control', 'private'],
        ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
        ['location', 'https://www.example.com'],
        ['content-encoding', 'gzip'],
        ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
      ],
    );
  });
});

describe('what is no header block', () => {
  const refused: Readonly<Record<string, string>> = {
    'index 0': '80',
    'an index behind the tables': 'be',
    'an index that is cut off': 'ff',
    'an integer that never ends': 'ffffffffffffff01',
    'a string that is cut off': '400a6375',
    'a name without a value': '4001 61',
    'a size update over the limit': '3fe21f',
    'a size update behind a field': '8220',
    'three size updates': '202020',
    'Huffman with a padding of eight ones': '4001 61 82 1fff',
    'Huffman padded with zeros': '4001 61 81 18',
    'Huffman with the end-of-string symbol': '4001 61 84 ffffffff',
  };
  for (const [name, bytes] of Object.entries(refused)) {
    test(name, () => assert.equal(decodeHex(new HpackDecoder(), bytes), null));
  }

  test('bytes at random are refused or decoded, and never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder();
        for (const block of blocks) if (decodeWith(decoder, Buffer.from(block)) === null) return;
      }),
      { numRuns: 2000 },
    );
  });
});

test('Huffman decodes what the code says for every byte and every string', () => {
  const out = Buffer.alloc(1 << 12);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      const encoded = slowHuffman(text);
      const end = huffmanDecode(encoded, 0, encoded.length, out, 0);
      assert.equal(out.toString('latin1', 0, end), text);
    }),
  );
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const encoded = slowHuffman(all.toString('latin1'));
  assert.deepEqual(out.subarray(0, huffmanDecode(encoded, 0, encoded.length, out, 0)), all);
});

/** An encoder that makes every choice the RFC leaves open by a number it is given, with lists for tables. */
class SlowEncoder {
  #table: Pair[] = [];
  #limit = 4096;

  encode(name: string, value: string, choice: number): Buffer {
    const known = [...STATIC.slice(1).map((entry): Pair => [entry.name, entry.value]), ...this.#table];
    const whole = known.findIndex(([n, v]) => n === name && v === value);
    if (whole >= 0 && choice & 1) return integer(128, 7, whole + 1);
    const index = choice & 2 ? known.findIndex(([n]) => n === name) + 1 : 0;
    const form = (choice >> 2) % 3;
    const head = form === 0 ? integer(64, 6, index) : integer(form === 1 ? 16 : 0, 4, index);
    if (form === 0) this.#add(name, value);
    const literals = index === 0 ? [string(name, choice & 16)] : [];
    return Buffer.concat([head, ...literals, string(value, choice & 32)]);
  }

  resize(limit: number): Buffer {
    this.#limit = limit;
    this.#evict();
    return integer(32, 5, limit);
  }

  #add(name: string, value: string): void {
    this.#table.unshift([name, value]);
    this.#evict();
  }

  #evict(): void {
    const size = () => this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.#limit) this.#table.pop();
  }
}

function integer(flags: number, bits: number, value: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([flags | value]);
  const out = [flags | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  return Buffer.from([...out, rest]);
}

function string(text: string, huffman: number): Buffer {
  const bytes = huffman ? slowHuffman(text) : Buffer.from(text, 'latin1');
  return Buffer.concat([integer(huffman ? 128 : 0, 7, bytes.length), bytes]);
}

test('decodes what a slow reference encoder makes of any fields, over many blocks', () => {
  const latin1 = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const name = fc.oneof(
    fc.integer({ min: 1, max: STATIC_COUNT }).map((i) => STATIC[i]!.name),
    fc.constantFrom('x-a', 'x-b', 'x-long-name-of-a-field'),
    latin1.filter((text) => text !== ''),
  );
  const value = fc.oneof(
    latin1,
    fc.constantFrom('', 'gzip, deflate', '200', 'GET', 'v'.repeat(3000), 'w'.repeat(5000)),
  );
  const block = fc.record({
    limit: fc.option(fc.integer({ min: 0, max: 4096 })),
    fields: fc.array(fc.tuple(name, value, fc.nat(63)), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 6 }), (blocks) => {
      const encoder = new SlowEncoder();
      const decoder = new HpackDecoder();
      for (const { limit, fields } of blocks) {
        const parts = limit === null ? [] : [encoder.resize(limit)];
        for (const [n, v, choice] of fields) parts.push(encoder.encode(n, v, choice));
        assert.deepEqual(
          decodeWith(decoder, Buffer.concat(parts)),
          fields.map(([n, v]) => [n, v]),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('what we encode decodes to the same on any connection', () => {
  const token = fc.stringMatching(/^[a-z-]{1,20}$/);
  const text = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(token, fc.constantFrom('set-cookie', 'date')), text)),
      (fields) => {
        const block = fields.map(([name, value]) => encodeField(name, value)).join('');
        assert.deepEqual(decodeWith(new HpackDecoder(), Buffer.from(block, 'latin1')), fields);
      },
    ),
  );
});

test('a sink that has had enough stops the decoding', () => {
  const block = Buffer.alloc(1000, 0x82);
  let seen = 0;
  const sink = { onField: () => ++seen < 10 };
  assert.equal(new HpackDecoder().decode(block, 0, block.length, sink), false);
  assert.equal(seen, 10);
});
