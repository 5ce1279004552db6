import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { grpcAnswer, grpcStatus, isGrpc, percentEncoded } from './grpc.ts';

describe('which requests are gRPC calls', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['APPLICATION/GRPC', true],
    ['application/grpc; x=y', true],
    ['application/grpc-web', false],
    ['application/grpc-web+proto', false],
    ['application/grpcx', false],
    ['text/plain; application/grpc', false],
    ['application/json', false],
  ];
  for (const [type, expected] of cases) {
    test(`${type}: ${expected ? 'yes' : 'no'}`, () => {
      assert.equal(isGrpc(`\r\na: b\r\ncontent-type: ${type}\r\nc: d\r\n`), expected);
    });
  }
  test('the value of another field says nothing', () => {
    assert.equal(isGrpc('\r\nx: content-type: application/grpc\r\n'), false);
  });
});

test('statuses follow the table of gRPC, all others are UNKNOWN', () => {
  const table = [400, 401, 403, 404, 408, 413, 429, 431, 500, 502, 503, 504].map(grpcStatus);
  assert.deepEqual(table, [13, 16, 7, 12, 2, 2, 14, 2, 2, 14, 14, 14]);
});

test('an answer is trailers only', () => {
  assert.deepEqual(grpcAnswer(503, 'abc'), {
    status: 200,
    contentType: 'application/grpc',
    body: '',
    fields:
      'grpc-status: 14\r\ngrpc-message: Service Temporarily Unavailable (HTTP 503, from the proxy)\r\n' +
      'X-Request-ID: abc\r\n',
  });
});

test('messages are percent-encoded to printable ASCII and decode to the same', () => {
  assert.equal(percentEncoded('50% \r\nü'), '50%25 %0D%0A%C3%BC');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = percentEncoded(text);
      assert.match(encoded, /^[ -~]*$/);
      assert.equal(decodeURIComponent(encoded), text);
    }),
  );
});
