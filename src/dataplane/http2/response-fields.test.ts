import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeField } from './field.ts';
import { FINE, MALFORMED_RESPONSE, ResponseFields, TOO_LARGE } from './response-fields.ts';

const LIMITS = { responseHeadBytes: 1000, fieldCount: 3, trailerBytes: 500, trailerCount: 2 };

type Fields = readonly (readonly [string, string])[];

function read(fields: Fields, inTrailers = false): ResponseFields {
  const out = new ResponseFields();
  out.begin(inTrailers, LIMITS);
  for (const [name, value] of fields) if (!out.onField(makeField(name, value))) break;
  return out;
}

test('a head is what the HTTP/1 parser would make of it', () => {
  const out = read([
    [':status', '404'],
    ['content-length', '7'],
    ['x-a', 'b'],
  ]);
  assert.equal(out.finish(), FINE);
  const { status, reason, contentLength, fields, http2 } = out.head;
  assert.deepEqual([status, reason, contentLength, http2], [404, 'Not Found', 7, true]);
  assert.equal(fields.text, 'HTTP/2.0 404 \r\ncontent-length: 7\r\nx-a: b\r\n');
  assert.deepEqual([fields.count, fields.name(1), fields.value(1)], [2, 'x-a', 'b']);
});

describe('what may not be passed on', () => {
  const cases: readonly (readonly [string, Fields, number])[] = [
    ['no status', [['a', 'b']], MALFORMED_RESPONSE],
    [
      'a status behind a field',
      [
        ['a', 'b'],
        [':status', '200'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'two statuses',
      [
        [':status', '200'],
        [':status', '200'],
      ],
      MALFORMED_RESPONSE,
    ],
    ['a status of two digits', [[':status', '20']], MALFORMED_RESPONSE],
    ['a status that is no number', [[':status', '2x0']], MALFORMED_RESPONSE],
    [
      'a pseudo-field of requests',
      [
        [':status', '200'],
        [':path', '/'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'a field about the connection',
      [
        [':status', '200'],
        ['keep-alive', '5'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'TE',
      [
        [':status', '200'],
        ['te', 'gzip'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'capital letters',
      [
        [':status', '200'],
        ['A', 'b'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'a line break',
      [
        [':status', '200'],
        ['a', 'b\n'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'a length that is none',
      [
        [':status', '200'],
        ['content-length', '+1'],
      ],
      MALFORMED_RESPONSE,
    ],
    [
      'two lengths',
      [
        [':status', '200'],
        ['content-length', '1'],
        ['content-length', '2'],
      ],
      MALFORMED_RESPONSE,
    ],
    ['too many fields', [[':status', '200'], ...Array(4).fill(['a', 'b'])], TOO_LARGE],
    [
      'too many bytes',
      [
        [':status', '200'],
        ['a', 'b'.repeat(1000)],
      ],
      TOO_LARGE,
    ],
  ];
  for (const [what, fields, verdict] of cases) {
    test(what, () => assert.equal(read(fields).finish(), verdict));
  }
  test('far too many bytes stop the decoder', () => {
    assert.equal(read([['a', 'b'.repeat(3000)]]).overflowed, true);
  });
});

describe('trailers', () => {
  test('are lines, without those that frame a message; names with _ are kept', () => {
    const out = read(
      [
        ['grpc-status', '0'],
        ['content-length', '5'],
      ],
      true,
    );
    assert.deepEqual([out.finish(), out.trailers], [FINE, 'grpc-status: 0\r\n']);
    assert.equal(read([['x_y', 'z']], true).trailers, 'x_y: z\r\n');
  });
  test('have no pseudo-fields', () => {
    assert.equal(read([[':status', '200']], true).finish(), MALFORMED_RESPONSE);
  });
  test('are bounded', () => {
    assert.equal(read(Array(3).fill(['a', 'b']) as Fields, true).finish(), TOO_LARGE);
    assert.equal(read([['a', 'b'.repeat(500)]], true).finish(), TOO_LARGE);
  });
});
