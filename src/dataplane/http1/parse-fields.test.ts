import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldIdOf, HOST, OTHER, UNDERSCORE } from '../message/field-names.ts';
import { FieldBlock } from '../message/fields.ts';
import {
  type ConnectionOptions,
  MALFORMED,
  parseContentLength,
  parseFields,
  readConnection,
  TOO_MANY,
  withoutProtected,
} from './parse-fields.ts';

function parse(text: string, most = 100): { next: number; out: FieldBlock } {
  const bytes = Buffer.from(text, 'latin1');
  const out = new FieldBlock();
  const next = parseFields(bytes, 0, bytes.length, 0, most, out);
  if (next > 0) out.text = text.slice(0, next);
  return { next, out };
}

test('each of the 256 bytes is allowed in a name or a value, or is not, as RFC 9110 5 says', () => {
  for (let byte = 0; byte < 256; byte++) {
    const c = String.fromCharCode(byte);
    const inName = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(c);
    assert.equal(parse(`a${c}b: 1\r\n\r\n`).next > 0, inName || c === ':', `byte ${byte} in a name`);
    const inValue = byte === 9 || (byte >= 32 && byte !== 127);
    assert.equal(parse(`a: b${c}c\r\n\r\n`).next > 0, inValue, `byte ${byte} in a value`);
  }
});

test('only SP and HTAB around a value are no part of it', () => {
  for (const c of ['\xa0', '\x85', '\xff']) {
    const { out } = parse(`a: \t${c}b${c}\t \r\n\r\n`);
    assert.equal(out.value(0), `${c}b${c}`);
  }
});

test('names are known whatever their case; those with an underscore never are', () => {
  const table: [name: string, id: number][] = [
    ['host', HOST],
    ['HOST', HOST],
    ['hOsT', HOST],
    ['hosts', OTHER],
    ['h\x4fst', HOST],
    ['x_forwarded_for', UNDERSCORE],
    ['Content_Length', UNDERSCORE],
    ['_', UNDERSCORE],
    // Bit 5 apart from the letter it must be, but no letter.
    ['Ho\x53t', HOST],
    ['ho~t', OTHER],
  ];
  for (const [name, id] of table) assert.equal(parse(`${name}: x\r\n\r\n`).out.ids[0], id, name);
  assert.equal(fieldIdOf(Buffer.from('a'.repeat(100)), 0, 100), OTHER);
});

test('the number of lines is bounded', () => {
  assert.ok(parse('a:\r\n'.repeat(3).concat('\r\n'), 3).next > 0);
  assert.equal(parse('a:\r\n'.repeat(4).concat('\r\n'), 3).next, TOO_MANY);
  // Whatever a configuration says, never more than the block holds.
  assert.ok(parse('a:\r\n'.repeat(256).concat('\r\n'), 1000).next > 0);
  assert.equal(parse('a:\r\n'.repeat(257).concat('\r\n'), 1000).next, TOO_MANY);
});

test('a line end is CR LF and nothing else', () => {
  for (const text of ['a: b\n\r\n', 'a: b\r\r\n\r\n', 'a: b\r\n\n', 'a: b\r\n\rx', '\n', '\rx'])
    assert.equal(parse(text).next, MALFORMED, JSON.stringify(text));
});

test('a length is 1*DIGIT up to 2^53-1', () => {
  const table: [text: string, length: number][] = [
    ['0', 0],
    ['42', 42],
    ['00042', 42],
    ['0'.repeat(100), 0],
    [`${'0'.repeat(100)}9`, 9],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', -1],
    ['9999999999999999', -1],
    ['00009007199254740992', -1],
    ['18446744073709551621', -1],
    ['', -1],
    ['+1', -1],
    ['-1', -1],
    ['1 ', -1],
    [' 1', -1],
    ['1,1', -1],
    ['1e3', -1],
    ['0x1', -1],
    ['1_0', -1],
    ['\xb2', -1],
    [`${'0'.repeat(100)}x`, -1],
  ];
  for (const [text, length] of table) {
    assert.equal(parseContentLength(text, 0, text.length), length, JSON.stringify(text));
    const inside = `9${text}9`;
    assert.equal(parseContentLength(inside, 1, inside.length - 1), length, `inside, ${JSON.stringify(text)}`);
  }
});

test('Connection lists options and names that end here, but never those that must go on', () => {
  const read = (...values: string[]): ConnectionOptions => {
    const out: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, listed: null };
    for (const value of values) readConnection(value, out);
    return { ...out, listed: withoutProtected(out.listed) };
  };
  const none = { close: false, keepAlive: false, upgrade: false, listed: null };
  const table: [values: string[], expected: ConnectionOptions][] = [
    [[''], none],
    [[', ,'], none],
    [['Keep-Alive'], { ...none, keepAlive: true }],
    [['KEEP-ALIVE ,\tclose'], { ...none, keepAlive: true, close: true }],
    [['closed'], { ...none, listed: ['closed'] }],
    [['X-A', 'upgrade,x-b'], { ...none, upgrade: true, listed: ['x-a', 'x-b'] }],
    [['Host, Transfer-Encoding, Content-Length, Authorization, Via, X-Forwarded-For, Forwarded'], none],
    [['x-real-ip, cookie, x-c'], { ...none, listed: ['x-c'] }],
  ];
  for (const [values, expected] of table) assert.deepEqual(read(...values), expected, values.join(' | '));
});

test('Connection lists so many names and no more, in one value or in several', () => {
  const names = (count: number) => Array(count).fill('x-a');
  for (const between of [',', ' ,,\t, ']) {
    const out: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, listed: null };
    assert.equal(readConnection(names(30).join(between), out), true);
    assert.equal(readConnection(names(2).join(between), out), true);
    assert.equal(readConnection('close', out), true, 'what is no name does not count');
    assert.equal(readConnection('x-b', out), false);
  }
});
