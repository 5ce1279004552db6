/** RFC 9112 sections 6 and 7: one reading of where a request body ends, or no request at all. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';

const fixture = await startHttp1Fixture({ after });

const post = (fields: string, body: string) => `POST / HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n${body}`;
const chunked = (body: string) => post('Transfer-Encoding: chunked', body);

describe('Content-Length and Transfer-Encoding are refused', () => {
  const refused: readonly [what: string, fields: string, ...statuses: number[]][] = [
    ['together', 'Content-Length: 5\r\nTransfer-Encoding: chunked', 400],
    ['together, the other way round', 'Transfer-Encoding: chunked\r\nContent-Length: 5', 400],
    ['together with a length of 0', 'Content-Length: 0\r\nTransfer-Encoding: chunked', 400],
    ['when the last coding is not chunked', 'Transfer-Encoding: chunked, gzip', 400, 501],
    ['when chunked is not alone', 'Transfer-Encoding: gzip, chunked', 501, 400],
    ['when the coding is gzip', 'Transfer-Encoding: gzip', 501, 400],
    ['when the coding is identity', 'Transfer-Encoding: identity', 501, 400],
    ['when the coding is xchunked', 'Transfer-Encoding: xchunked', 501, 400],
    ['when the coding is empty', 'Transfer-Encoding:', 501, 400],
    ['when two lines name chunked', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 400],
    [
      'when a second line names identity',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
      400,
      501,
    ],
    [
      'when a first line names identity',
      'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
      400,
      501,
    ],
    ['when chunked comes twice', 'Transfer-Encoding: chunked, chunked', 400],
    ['when chunked has a parameter', 'Transfer-Encoding: chunked;x=y', 400],
    ['when chunked is quoted', 'Transfer-Encoding: "chunked"', 400, 501],
    ['when an element is empty', 'Transfer-Encoding: ,chunked', 400],
    ['when the last element is empty', 'Transfer-Encoding: chunked,', 400],
    ['when chunked holds a space', 'Transfer-Encoding: chunk ed', 400, 501],
    ['when the length is signed', 'Content-Length: +5', 400],
    ['when the length is negative', 'Content-Length: -5', 400],
    ['when the length is hexadecimal', 'Content-Length: 0x5', 400],
    ['when the length has a fraction', 'Content-Length: 5.0', 400],
    ['when the length has an exponent', 'Content-Length: 5e0', 400],
    ['when the length has an underscore', 'Content-Length: 1_0', 400],
    ['when the length has a space inside', 'Content-Length: 1 0', 400],
    ['when the length ends in a letter', 'Content-Length: 5Z', 400],
    ['when the length has an 8-bit byte', 'Content-Length: \xa05', 400],
    ['when the length is empty', 'Content-Length:', 400],
    ['when the length is white space', 'Content-Length:  \t', 400],
    ['when the length is above 2^53-1', 'Content-Length: 9007199254740993', 400, 413],
    ['when the length wraps 64 bits', 'Content-Length: 18446744073709551621', 400, 413],
    ['when two lengths differ', 'Content-Length: 5\r\nContent-Length: 6', 400],
    ['when two lengths are the same', 'Content-Length: 5\r\nContent-Length: 5', 400],
    ['when the length is a list', 'Content-Length: 5, 6', 400],
    ['when the length is a list of the same', 'Content-Length: 5, 5', 400],
    ['when the first of two lengths is empty', 'Content-Length:\r\nContent-Length: 5', 400],
  ];
  for (const [what, fields, ...statuses] of refused) {
    test(what, () => fixture.refuses(post(fields, '5\r\nhello\r\n0\r\n\r\n'), ...statuses));
  }
  test('when chunked comes in HTTP/1.0', () =>
    fixture.refuses('POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400));
});

describe('a chunked body breaks off', () => {
  const broken: readonly [what: string, body: string][] = [
    ['at an empty size', '\r\nhello\r\n0\r\n\r\n'],
    ['at a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['at a size with a plus', '+5\r\nhello\r\n0\r\n\r\n'],
    ['at a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
    ['at a size with an underscore', '0_5\r\nhello\r\n0\r\n\r\n'],
    ['at a size after a space', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['at a size with letters after it', '5Zz\r\nhello\r\n0\r\n\r\n'],
    ['at a size of 17 digits', '00000000000000005\r\nhello\r\n0\r\n\r\n'],
    ['at a size above 2^53-1', '20000000000000\r\nhello'],
    ['at a size that wraps 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
    ['at the largest 64-bit size', 'FFFFFFFFFFFFFFFF\r\nhello'],
    ['at a size line ended by LF', '5\nhello\r\n0\r\n\r\n'],
    ['at a size line ended by CR', '5\rhello\r\n0\r\n\r\n'],
    ['at a CR in the size line', '5\r\r\nhello\r\n0\r\n\r\n'],
    ['at data ended by LF', '5\r\nhello\n0\r\n\r\n'],
    ['at data that is too long', '5\r\nhelloXX\r\n0\r\n\r\n'],
    ['at data ended by two other bytes', '5\r\nhelloXX0\r\n\r\n'],
    ['at data without an end', '5\r\nhello0\r\n\r\n'],
    ['at an extra empty line', '5\r\nhello\r\n\r\n0\r\n\r\n'],
    ['at a last chunk without its line end', '0\r\nXX\r\n\r\n'],
    ['at an end of LF', '5\r\nhello\r\n0\r\n\n'],
    ['at a last line ended by LF', '5\r\nhello\r\n0\n\r\n'],
    ['at an extension with CR', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
    ['at an extension with LF', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
    ['at an extension with NUL', '5;a\x00b\r\nhello\r\n0\r\n\r\n'],
    ['at a quoted extension that does not end', '5;a="b\r\nhello\r\n0\r\n\r\n'],
    ['at an extension of the last chunk with LF', '5\r\nhello\r\n0;a\nb\r\n\r\n'],
    ['at a trailer without a colon', '5\r\nhello\r\n0\r\nX-No-Colon\r\n\r\n'],
    ['at a trailer with a space before the colon', '5\r\nhello\r\n0\r\nX : y\r\n\r\n'],
    ['at a folded trailer', '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n'],
    ['at a trailer that begins with a space', '5\r\nhello\r\n0\r\n X: a\r\n\r\n'],
    ['at a trailer with NUL', '5\r\nhello\r\n0\r\nX: a\x00\r\n\r\n'],
    ['at a trailer ended by LF', '5\r\nhello\r\n0\r\nX: a\n\r\n'],
  ];
  for (const [what, body] of broken) test(what, () => fixture.breaksOff(chunked(body), 400));
});

describe('a request body reaches the backend', () => {
  const whole: readonly [what: string, bytes: string, body: string][] = [
    ['of a given length', post('Content-Length: 5', 'hello'), 'hello'],
    ['of a length with zeros in front', post('Content-Length: 005', 'hello'), 'hello'],
    ['of length 0', post('Content-Length: 0', ''), ''],
    ['in chunks', chunked('5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'), 'hello world'],
    [
      'in chunks of upper and lower case',
      chunked('A\r\n0123456789\r\nb\r\nabcdefghijk\r\n0\r\n\r\n'),
      '0123456789abcdefghijk',
    ],
    ['in chunks with zeros in the sizes', chunked('0005\r\nhello\r\n000\r\n\r\n'), 'hello'],
    ['in chunks with extensions', chunked('5;a=b;c\r\nhello\r\n0;last="x y"\r\n\r\n'), 'hello'],
    ['in chunks that hold line ends', chunked('7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n'), '\r\n0\r\n\r\n'],
    ['in no chunk but the last', chunked('0\r\n\r\n'), ''],
    ['under CHUNKED in capitals', post('Transfer-Encoding: CHUNKED', '2\r\nab\r\n0\r\n\r\n'), 'ab'],
    [
      'that looks like a request',
      post('Content-Length: 33', 'GET /x HTTP/1.1\r\nHost: h\r\nX: 12\r\n'),
      'GET /x HTTP/1.1\r\nHost: h\r\nX: 12\r\n',
    ],
    ['with all byte values', post('Content-Length: 3', '\x00\xff\x80'), '\x00\xff\x80'],
  ];
  for (const [what, bytes, body] of whole) {
    test(what, async () => {
      const { request } = await fixture.forward(bytes);
      assert.equal(request.body.toString('latin1'), body);
      assert.ok(
        fieldValues(request, 'content-length').length + fieldValues(request, 'transfer-encoding').length <= 1,
      );
      assert.match(fieldValue(request, 'content-length') ?? '0', /^(0|[1-9]\d*)$/);
    });
  }

  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PURGE']) {
    test(`of ${method}, and is not taken for the next request`, async () => {
      const body = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
      const bytes = `${method} /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const { request } = await fixture.forward(bytes);
      assert.equal(request.body.toString(), body);
    });
  }

  test('as nothing when neither field is there', async () => {
    const { request } = await fixture.forward('POST / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal(request.body.length, 0);
    assert.deepEqual(fieldValues(request, 'transfer-encoding'), []);
  });

  test('also when every byte comes on its own', async () => {
    const client = await fixture.connect();
    await client.dribble(chunked('5;ext="a;b"\r\nhello\r\nb\r\n, chunkwise\r\n0\r\nX-Sum: 1\r\n\r\n'));
    await client.response();
    const request = fixture.backend.requests.at(-1);
    assert.equal(request?.body.toString(), 'hello, chunkwise');
    assert.deepEqual(request.trailers, [['X-Sum', '1']]);
  });

  test('piece by piece, before it is complete', async () => {
    const client = await fixture.connect();
    const seen = Promise.withResolvers<string>();
    fixture.backend.behaviour = async (connection) => {
      await connection.inbox.take('the first part', (rest) =>
        rest.includes('first') ? { value: null, used: 0 } : null,
      );
      seen.resolve(connection.inbox.rest.toString('latin1'));
      await connection.request();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    };
    client.send(chunked('5\r\nfirst\r\n'));
    assert.match(await seen.promise, /^POST /);
    client.send('6\r\nsecond\r\n0\r\n\r\n');
    await client.response();
    assert.equal(fixture.backend.requests.at(-1)?.body.toString(), 'firstsecond');
  });
});

describe('trailers', () => {
  test('reach the backend after the body, in order, and never in the head', async () => {
    const { request } = await fixture.forward(
      chunked('2\r\nab\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\nX-Sum: 3\r\n\r\n'),
    );
    assert.deepEqual(request.trailers, [
      ['X-Sum', '1'],
      ['X-Other', '2'],
      ['X-Sum', '3'],
    ]);
    assert.deepEqual(fieldValues(request, 'x-sum'), []);
  });

  const dropped = [
    'Content-Length: 9',
    'Transfer-Encoding: chunked',
    'Host: evil.example',
    'Trailer: x',
    'TE: trailers',
    'Connection: close',
    'Authorization: Basic eDp5',
    'Cookie: a=b',
    'Set-Cookie: a=b',
    'Content-Type: text/evil',
    'Content-Encoding: gzip',
    'Content-Range: bytes 0-1/2',
    'Cache-Control: no-store',
    'Expect: 100-continue',
    'X-Forwarded-For: 6.6.6.6',
    'X_Forwarded_For: 6.6.6.6',
    'Keep-Alive: timeout=1',
    'Upgrade: x',
  ];
  for (const line of dropped) {
    test(`named ${line.split(':')[0]} are dropped`, async () => {
      const { request } = await fixture.forward(chunked(`2\r\nab\r\n0\r\n${line}\r\nX-Sum: 1\r\n\r\n`));
      assert.deepEqual(request.trailers, [['X-Sum', '1']]);
    });
  }
});
