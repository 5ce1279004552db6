/** RFC 9113 8.2 and 8.3 as a table: which fields make a request, and what comes of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { makeField } from './field.ts';
import { FINE, MALFORMED_REQUEST, RequestFields } from './request-fields.ts';

type Fields = readonly (readonly [name: string, value: string])[];

const LIMITS = {
  requestLineBytes: 200,
  requestHeadBytes: 4000,
  fieldCount: 10,
  trailerBytes: 500,
  trailerCount: 3,
};
const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'h'],
  [':path', '/a?b=c'],
];
const without = (name: string): Fields => GET.filter(([n]) => n !== name);
const replaced = (name: string, value: string): Fields =>
  GET.map(([n, v]) => (n === name ? [n, value] : [n, v]));

function read(list: Fields, ended = true) {
  const fields = new RequestFields(LIMITS);
  fields.begin(false);
  for (const [name, value] of list) fields.onField(makeField(name, value));
  return { fields, head: fields.head, verdict: fields.finish(ended) };
}

describe('malformed: PROTOCOL_ERROR on the stream', () => {
  const malformed: Readonly<Record<string, Fields>> = {
    'no :method': without(':method'),
    'no :scheme': without(':scheme'),
    'no :path': without(':path'),
    'an empty :path': replaced(':path', ''),
    'a :path without a slash': replaced(':path', 'a'),
    'an absolute :path': replaced(':path', 'http://h/'),
    'a :path with a space': replaced(':path', '/a b'),
    'a :path with a line end': replaced(':path', '/ HTTP/1.1\r\nHost: evil'),
    'a :path with a fragment': replaced(':path', '/a#b'),
    'a :path with a byte above ASCII': replaced(':path', '/\xe9'),
    '* with GET': replaced(':path', '*'),
    'an empty :method': replaced(':method', ''),
    'a :method that is a request line': replaced(':method', 'GET / HTTP/1.1\r\nX: y'),
    'a :scheme that is an address': replaced(':scheme', 'http://evil/?'),
    'an empty :authority': replaced(':authority', ''),
    'an :authority with user information': replaced(':authority', 'a@h'),
    'an :authority with a space': replaced(':authority', 'h h'),
    'a pseudo-field twice': [...GET, [':path', '/b']],
    'an unknown pseudo-field': [...GET, [':extra', '1']],
    'a pseudo-field of responses': [...GET, [':status', '200']],
    'a pseudo-field behind a field': [['a', 'b'], ...GET],
    'an upper-case name': [...GET, ['Accept', '*/*']],
    'an empty name': [...GET, ['', 'x']],
    'a name with a space': [...GET, ['a b', 'x']],
    'a name with a colon': [...GET, ['a:b', 'x']],
    'a name with a line end': [...GET, ['a\r\nb', 'x']],
    'a name with a byte above ASCII': [...GET, ['\xe9', 'x']],
    'a value with CR LF': [...GET, ['a', 'x\r\ntransfer-encoding: chunked']],
    'a value with LF': [...GET, ['a', 'x\ny']],
    'a value with NUL': [...GET, ['a', 'x\0y']],
    'a value that begins with a space': [...GET, ['a', ' x']],
    'a value that ends with a tab': [...GET, ['a', 'x\t']],
    connection: [...GET, ['connection', 'close']],
    'keep-alive': [...GET, ['keep-alive', '1']],
    'proxy-connection': [...GET, ['proxy-connection', 'close']],
    'transfer-encoding': [...GET, ['transfer-encoding', 'chunked']],
    upgrade: [...GET, ['upgrade', 'h2c']],
    'te other than trailers': [...GET, ['te', 'gzip']],
    'host that is another than :authority': [...GET, ['host', 'other']],
    'host twice': [...GET, ['host', 'h'], ['host', 'h']],
    'a host that is none': [...without(':authority'), ['host', 'a/b']],
    'content-length twice': [...GET, ['content-length', '0'], ['content-length', '0']],
    'a content-length with a sign': [...GET, ['content-length', '+1']],
    'a content-length and no body': [...GET, ['content-length', '1']],
    ':protocol without CONNECT': [...GET, [':protocol', 'websocket']],
    'CONNECT with a :path': [
      [':method', 'CONNECT'],
      [':authority', 'h'],
      [':path', '/'],
    ],
    'CONNECT without :authority': [[':method', 'CONNECT']],
    'an extended CONNECT without :scheme': [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':authority', 'h'],
      [':path', '/'],
    ],
  };
  for (const [name, fields] of Object.entries(malformed)) {
    test(name, () => assert.equal(read(fields).verdict, MALFORMED_REQUEST));
  }
});

describe('well formed, and refused with a status', () => {
  const refused: readonly (readonly [string, number, Fields, boolean?])[] = [
    ['no authority at all', 400, without(':authority')],
    [
      'CONNECT to a host',
      405,
      [
        [':method', 'CONNECT'],
        [':authority', 'h:443'],
      ],
    ],
    ['a :path over the limit', 414, replaced(':path', `/${'p'.repeat(200)}`)],
    ['an unknown expectation', 417, [...GET, ['expect', 'fire']]],
    [
      'more fields than allowed',
      431,
      [...GET, ...Array.from({ length: 11 }, (_, i) => [`a${i}`, 'x'] as const)],
    ],
    ['more bytes than allowed', 431, [...GET, ['a', 'x'.repeat(4000)]]],
    [
      'an extended CONNECT for another protocol',
      501,
      [[':method', 'CONNECT'], [':protocol', 'connect-udp'], ...GET.slice(1)],
      false,
    ],
  ];
  for (const [name, status, fields, ended = true] of refused) {
    test(`${name}: ${status}`, () => assert.equal(read(fields, ended).verdict, status));
  }
});

test('a request becomes the head that an HTTP/1 parser makes', () => {
  const { head, verdict } = read([
    ...GET,
    ['accept', 'text/html'],
    ['x_y', 'dropped later'],
    ['te', 'trailers'],
  ]);
  assert.equal(verdict, FINE);
  assert.deepEqual(
    [head.method, head.target, head.pathLength, head.plainPath, head.authority],
    ['GET', '/a?b=c', 2, true, 'h'],
  );
  assert.deepEqual([head.hasBody(), head.trailersWanted, head.http2], [false, true, true]);
  assert.equal(head.fields.text, '\r\naccept: text/html\r\nx_y: dropped later\r\nte: trailers\r\n');
  assert.equal(head.fields.lookup('accept'), 'text/html');
});

test('cookie crumbs are one line', () => {
  const { head } = read([...GET, ['cookie', 'a=1'], ['accept', '*/*'], ['cookie', 'b=2'], ['cookie', '']]);
  assert.equal(head.fields.lookup('cookie'), 'a=1; b=2');
  assert.equal(head.fields.text.match(/cookie/g)?.length, 1);
});

test('host stands in for :authority, and may repeat it', () => {
  assert.equal(read([...without(':authority'), ['host', 'x.example:8080']]).head.authority, 'x.example:8080');
  assert.equal(read([...GET, ['host', 'H']]).verdict, FINE);
});

test('a body is framed by its length when there is one, else in chunks', () => {
  const framing = ({ head }: ReturnType<typeof read>) => [head.contentLength, head.chunked, head.hasBody()];
  assert.deepEqual(framing(read(GET, false)), [-1, true, true]);
  assert.deepEqual(framing(read([...GET, ['content-length', '5']], false)), [5, false, true]);
  assert.deepEqual(framing(read([...GET, ['content-length', '0']], true)), [0, false, false]);
});

test('an extended CONNECT for a WebSocket becomes the GET of an upgrade', () => {
  const { head, verdict } = read(
    [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)],
    false,
  );
  assert.deepEqual([verdict, head.method, head.upgrade, head.hasBody()], [FINE, 'GET', 'websocket', false]);
});

test('decoding goes on for a while when a head is too large, and then stops', () => {
  const fields = new RequestFields(LIMITS);
  fields.begin(false);
  const large = makeField('a', 'x'.repeat(968));
  let decoded = 0;
  while (fields.onField(large)) decoded++;
  assert.equal(decoded, 7);
  assert.equal(fields.overflowed, true);
  assert.ok(fields.head.fields.text.length < LIMITS.requestHeadBytes);
});

test('trailers keep what may be passed on', () => {
  const fields = new RequestFields(LIMITS);
  fields.begin(true);
  for (const [name, value] of [
    ['grpc-status', '0'],
    ['content-length', '5'],
    ['host', 'evil'],
  ] as const) {
    fields.onField(makeField(name, value));
  }
  assert.equal(fields.finishTrailers(), FINE);
  assert.equal(fields.trailers, 'grpc-status: 0\r\n');
  fields.begin(true);
  fields.onField(makeField(':path', '/'));
  assert.equal(fields.finishTrailers(), MALFORMED_REQUEST);
  fields.begin(true);
  for (let i = 0; i < 4; i++) fields.onField(makeField('a', 'b'));
  assert.equal(fields.finishTrailers(), 431);
});

test('whatever the fields: what is accepted has no line end but those between its lines', () => {
  const text = fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc.constantFrom(
      'a',
      'cookie',
      'host',
      'te',
      'trailers',
      ':path',
      '/x',
      'content-length',
      '3',
      'GET',
      'x\r\ny: z',
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), fc.boolean(), (extra, ended) => {
      const { head, verdict } = read([...GET, ...extra], ended);
      if (verdict !== FINE) return;
      const lines = head.fields.text.slice(2).split('\r\n');
      assert.equal(lines.pop(), '');
      assert.equal(lines.length, head.fields.count);
      for (const line of lines) assert.match(line, /^[!#$%&'*+.^_`|~0-9a-z-]+: [^\r\n\0]*$/);
      assert.match(head.target, /^\/[^\s#]*$/);
    }),
    { numRuns: 2000 },
  );
});
