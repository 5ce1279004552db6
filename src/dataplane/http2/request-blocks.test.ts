import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HpackDecoder } from './hpack-decode.ts';
import { connectBlock, requestBlock } from './request-blocks.ts';

type Fields = (readonly [string, string])[];

function decode(block: string): Fields {
  const bytes = Buffer.from(block, 'latin1');
  const fields: Fields = [];
  const sink = {
    onField: ({ name, value }: { readonly name: string; readonly value: string }) => {
      fields.push([name, value]);
      return true;
    },
  };
  assert.ok(new HpackDecoder().decode(bytes, 0, bytes.length, sink), 'a header block');
  return fields;
}

const encode = (text: string): Fields => decode(requestBlock(text, text.indexOf('\r\n\r\n'), 'http'));

describe('a forwarded head as header block', () => {
  test('pseudo-fields first, Host as :authority, nothing that belongs to an HTTP/1 connection', () => {
    const head =
      'POST /a?b HTTP/1.1\r\nHost: h:80\r\nAccept: */*\r\nX-Request-ID: 0123\r\nVia: 1.1 tidegate\r\n' +
      'Transfer-Encoding: chunked\r\nConnection: TE\r\nTE: trailers\r\n\r\nX-Not: in the head\r\n\r\n';
    assert.deepEqual(encode(head), [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/a?b'],
      [':authority', 'h:80'],
      ['accept', '*/*'],
      ['x-request-id', '0123'],
      ['via', '1.1 tidegate'],
      ['te', 'trailers'],
    ]);
  });

  test('the same lines with other ids, paths and methods', () => {
    for (const id of ['a', 'b'.repeat(32), 'c'.repeat(128)]) {
      for (const path of ['/', '/index.html', `/${'p'.repeat(300)}`]) {
        const fields = new Map(
          encode(`BREW ${path} HTTP/1.1\r\nHost: h\r\nX-Request-ID: ${id}\r\nVia: x\r\n\r\n`),
        );
        assert.deepEqual(
          [fields.get(':method'), fields.get(':path'), fields.get('x-request-id'), fields.get('via')],
          ['BREW', path, id, 'x'],
        );
      }
    }
  });

  test('a head without request id', () => {
    assert.deepEqual(encode('GET / HTTP/1.1\r\nHost: h\r\n\r\n').at(-1), [':authority', 'h']);
  });

  test('white space around values stays behind, bytes above 127 do not', () => {
    const fields = new Map(encode('GET / HTTP/1.1\r\nHost: h\r\na: \t b c \t\r\nd:\r\ne: \xa0\xe9\r\n\r\n'));
    assert.deepEqual([fields.get('a'), fields.get('d'), fields.get('e')], ['b c', '', '\xa0\xe9']);
  });

  test('secrets are marked as never to be indexed', () => {
    const block = requestBlock('GET / HTTP/1.1\r\nHost: h\r\nCookie: s\r\n\r\n', 38, 'https');
    // Literal, never indexed (0001), name 32 of the static table.
    assert.ok(block.includes('\x1f\x11\x01s'));
  });

  test('any lines decode to the same', () => {
    const name = fc.stringMatching(/^x-[a-z0-9-]{1,20}$/);
    const value = fc.stringMatching(/^[!-~]([ -~]{0,200}[!-~])?$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), fc.nat(20), (lines, at) => {
        const text = lines.map(([n, v]) => `${n}: ${v}\r\n`);
        text.splice(Math.min(at, text.length), 0, 'X-Request-ID: 42\r\n');
        const got = encode(`GET /x HTTP/1.1\r\nHost: h\r\n${text.join('')}\r\n`).slice(4);
        const expected: Fields = lines.map((line) => [...line]);
        expected.splice(Math.min(at, lines.length), 0, ['x-request-id', '42']);
        assert.deepEqual(got, expected);
      }),
    );
  });
});

test('an upgrade becomes an extended CONNECT without the key', () => {
  const head =
    'GET /ws HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\nX-Request-ID: 1\r\n' +
    'Connection: upgrade\r\nUpgrade: websocket\r\n\r\n';
  assert.deepEqual(decode(connectBlock(head, head.indexOf('\r\n\r\n'), 'https', 'websocket')), [
    [':method', 'CONNECT'],
    [':scheme', 'https'],
    [':protocol', 'websocket'],
    [':path', '/ws'],
    [':authority', 'h'],
    ['sec-websocket-version', '13'],
    ['x-request-id', '1'],
  ]);
});
