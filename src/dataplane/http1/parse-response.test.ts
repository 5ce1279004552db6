import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS } from '../config.ts';
import { ResponseHead } from '../message/response-head.ts';
import { parseResponseHead, type ResponseLimits } from './parse-response.ts';

interface Parsed {
  readonly next: number;
  readonly head: ResponseHead;
}

function parse(text: string, limits: ResponseLimits = DEFAULT_LIMITS): Parsed {
  const bytes = Buffer.from(text, 'latin1');
  const head = new ResponseHead();
  return { next: parseResponseHead(bytes, 0, bytes.length, limits, head), head };
}

function told({ next, head }: Parsed): unknown {
  if (next <= 0) return next;
  const { fields, ...rest } = head;
  const lines = Array.from({ length: fields.count }, (_, i) => [fields.name(i), fields.value(i)]);
  return { next, ...rest, lines };
}

test('a status line is a version, three digits and a reason, which may be missing', () => {
  const table: [line: string, status: number, reason: string, minor: number][] = [
    ['HTTP/1.1 200 OK', 200, 'OK', 1],
    ['HTTP/1.1 200 ok', 200, 'ok', 1],
    ['HTTP/1.1 404 Not Found at all', 404, 'Not Found at all', 1],
    ['HTTP/1.1 204 ', 204, '', 1],
    ['HTTP/1.1 204', 204, '', 1],
    ['HTTP/1.0 999 x', 999, 'x', 0],
    ['HTTP/1.7 200 OK', 200, 'OK', 1],
    ['HTTP/1.1 200 gr\xfc\xdfe\t!', 200, 'gr\xfc\xdfe\t!', 1],
  ];
  for (const [line, status, reason, minor] of table) {
    const { next, head } = parse(`${line}\r\n\r\n`);
    assert.equal(next, line.length + 4, line);
    assert.deepEqual([head.status, head.minorVersion], [status, minor], line);
    assert.equal(head.reason.toLowerCase(), reason.toLowerCase(), line);
  }
});

test('what is not a response is refused', () => {
  const heads = [
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 2x0 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 200\tOK',
    'HTTP/2.0 200 OK',
    'HTTP/1.10 200 OK',
    'http/1.1 200 OK',
    'ICY 200 OK please',
    '<html>not found</html>',
    'HTTP/1.1 200 O\0K',
    'HTTP/1.1 200 OK\rX: y',
    'HTTP/1.1 200 OK\nX: y',
    'HTTP/1.1 200 OK\r\nX : y',
    'HTTP/1.1 200 OK\r\n X: y',
    'HTTP/1.1 200 OK\r\nX: y\r\n z',
    'HTTP/1.1 200 OK\r\nX',
    'HTTP/1.1 200 OK\r\nContent-Length: x',
    'HTTP/1.1 200 OK\r\nContent-Length: 5, 5',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked',
    `HTTP/1.1 200 OK\r\nConnection: ${Array(33).fill('x').join(',')}`,
  ];
  for (const head of heads) assert.equal(parse(`${head}\r\n\r\n`).next, -1, JSON.stringify(head));
});

test('framing and what becomes of the connection are decided from the lines', () => {
  const table: [lines: string, expected: Partial<ResponseHead>][] = [
    ['', { contentLength: -1, chunked: false, close: false, listed: null, upgrade: '' }],
    ['Content-Length: 5\r\nContent-Length: 5', { contentLength: 5 }],
    ['Transfer-Encoding: CHUNKED', { chunked: true, contentLength: -1 }],
    // Transfer-Encoding wins, and such a server is not trusted with another request.
    ['Content-Length: 5\r\nTransfer-Encoding: chunked', { chunked: true, contentLength: -1, close: true }],
    ['Connection: close', { close: true }],
    ['Connection: x-a, content-type, X-B', { listed: ['x-a', 'x-b'] }],
    ['Connection: Upgrade\r\nUpgrade: websocket', { upgrade: 'websocket' }],
    ['Upgrade: websocket', { upgrade: '' }],
  ];
  for (const [lines, expected] of table) {
    const { next, head } = parse(`HTTP/1.1 200 OK\r\n${lines === '' ? '' : `${lines}\r\n`}\r\n`);
    assert.ok(next > 0, lines);
    assert.partialDeepStrictEqual(head, expected, lines);
  }
  assert.equal(parse('HTTP/1.0 200 OK\r\n\r\n').head.close, true);
  assert.equal(parse('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n').head.close, false);
});

test('the limits hold to the byte and to the line', () => {
  const limits = { responseHeadBytes: 100, fieldCount: 3 };
  const head = (size: number) => `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(size - 24)}\r\n\r\n`;
  const lines = (count: number) => `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(count)}\r\n`;
  assert.equal(parse(head(100), limits).next, 100);
  assert.equal(parse(head(101), limits).next, -1);
  assert.equal(parse(head(101).slice(0, -1), limits).next, -1);
  assert.equal(parse(lines(3), limits).next, lines(3).length);
  assert.equal(parse(lines(4), limits).next, -1);
  assert.equal(parse(`HTTP/1.1 200 ${'O'.repeat(90)}`, limits).next, -1, 'a reason without end');
});

const name = fc.string({ unit: fc.constantFrom(..."!#$%&'*+-.^_`|~09AZaz"), minLength: 1, maxLength: 10 });
const value = fc.string({ unit: fc.constantFrom('a', ' ', '\t', ',', '\x80', '\xff', '"'), maxLength: 12 });
const validHead = fc
  .tuple(
    fc.constantFrom('200 OK', '204', '304 ', '101 Switching'),
    fc.array(fc.tuple(name, value), { maxLength: 5 }),
    fc.constantFrom(
      '',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close, a\r\n',
    ),
  )
  .map(([status, lines, framing]) => {
    const text = lines.map(([own, text]) => `X-${own}:${text}\r\n`).join('');
    return `HTTP/1.1 ${status}\r\n${text}${framing}\r\n`;
  });

test('a valid head is incomplete in each of its strict prefixes, and whole when it is whole', () => {
  fc.assert(
    fc.property(validHead, (text) => {
      for (let size = 0; size < text.length; size++) assert.equal(parse(text.slice(0, size)).next, 0);
      assert.equal(parse(text).next, text.length);
    }),
    { numRuns: 300 },
  );
});

const mutated = fc
  .tuple(
    validHead,
    fc.array(
      fc.tuple(fc.nat(), fc.nat(2), fc.constantFrom('', '\r', '\n', ' ', ':', '\0', '\xff', '1', '\r\n')),
      { maxLength: 3 },
    ),
  )
  .map(([text, edits]) =>
    edits.reduce((out, [at, remove, insert]) => {
      const where = at % (out.length + 1);
      return out.slice(0, where) + insert + out.slice(where + remove);
    }, text),
  );

test('whatever comes, bytes around the range do not change the verdict, and more bytes not a verdict given', () => {
  fc.assert(
    fc.property(mutated, fc.nat(9), (text, before) => {
      const alone = parse(text);
      assert.ok(alone.next >= -1 && alone.next <= text.length);
      for (const behind of ['\r\n\r\n', ': x\r\n\r\n', '00 OK\r\n\r\n']) {
        const bytes = Buffer.from(`${'x'.repeat(before)}${text}${behind}`, 'latin1');
        const head = new ResponseHead();
        const next = parseResponseHead(bytes, before, before + text.length, DEFAULT_LIMITS, head);
        assert.equal(next > 0 ? next - before : next, alone.next);
        if (next > 0) assert.deepEqual(told({ next: next - before, head }), told(alone));
      }
      for (let size = 0; size < text.length; size++) {
        const part = parse(text.slice(0, size));
        if (part.next !== 0) return assert.deepEqual(told(part), told(alone), `at ${size}`);
      }
    }),
    { numRuns: 1000 },
  );
});

test('how long the backend keeps an idle connection is read from Keep-Alive', () => {
  const table: [value: string, seconds: number][] = [
    ['timeout=5', 5],
    ['timeout=5, max=100', 5],
    ['max=100,timeout=15', 15],
    ['max=100 , \tTimeout=15 ', 15],
    ['TIMEOUT=0', 0],
    ['timeout=99999999999999999999', 1_000_000],
    ['timeout=', -1],
    ['timeout=-1', -1],
    ['timeout=5s', -1],
    ['timeout="5"', -1],
    ['xtimeout=5', -1],
    ['max=5', -1],
    ['', -1],
    [',,,', -1],
  ];
  for (const [value, seconds] of table) {
    const { head } = parse(`HTTP/1.1 200 OK\r\nKeep-Alive: ${value}\r\nX: timeout=7\r\n\r\n`);
    assert.equal(head.keepAliveSeconds, seconds, value);
  }
  assert.equal(parse('HTTP/1.1 200 OK\r\n\r\n').head.keepAliveSeconds, -1);
});
