import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BAD, ChunkedDecoder, type ChunkedLimits, chunkHead, DONE, MORE, TOO_LARGE } from './chunked.ts';

const LIMITS: ChunkedLimits = { chunkExtensionBytes: 16_384, trailerBytes: 8192, trailerCount: 32 };

interface Decoded {
  readonly verdict: number;
  readonly body: string;
  readonly trailers: string;
  /** Position behind the message; -1 unless it is complete. */
  readonly consumed: number;
}

/** Decodes the text in pieces that end at `cuts`, each in a buffer of its own between bytes that are not its. */
function decode(text: string, cuts: readonly number[] = [], limits = LIMITS): Decoded {
  const decoder = new ChunkedDecoder(limits);
  let body = '';
  const sink = {
    onBody(bytes: Buffer, start: number, end: number): void {
      assert.ok(start < end, 'no empty pieces: an empty chunk would end the message');
      body += bytes.latin1Slice(start, end);
    },
  };
  const ends = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  let at = 0;
  for (const end of [...ends, text.length]) {
    const bytes = Buffer.from(`0\r\n${text.slice(at, end)}\r\n0\r\n\r\n`, 'latin1');
    const verdict = decoder.feed(bytes, 3, 3 + end - at, sink);
    bytes.fill(0xaa);
    if (verdict !== MORE) {
      const { trailers, consumed } = decoder;
      return { verdict, body, trailers, consumed: verdict === DONE ? at + consumed - 3 : -1 };
    }
    at = end;
  }
  return { verdict: MORE, body, trailers: '', consumed: -1 };
}

test('chunks are joined, extensions dropped, trailers kept', () => {
  const table: [text: string, body: string, trailers: string][] = [
    ['0\r\n\r\n', '', ''],
    ['000\r\n\r\n', '', ''],
    ['5\r\nhello\r\n0\r\n\r\n', 'hello', ''],
    ['1\r\na\r\n2\r\nbc\r\n0\r\n\r\n', 'abc', ''],
    ['A\r\n0123456789\r\n0\r\n\r\n', '0123456789', ''],
    ['0000000000000003\r\n\r\n\0\r\n0\r\n\r\n', '\r\n\0', ''],
    ['3;a\r\nabc\r\n0;b="c;d"\r\n\r\n', 'abc', ''],
    ['3;\t \x80\r\nabc\r\n0\r\n\r\n', 'abc', ''],
    ['0\r\nX-A: 1\r\nx-b:\t2 \r\n\r\n', '', 'X-A: 1\r\nx-b:\t2 \r\n'],
  ];
  for (const [text, body, trailers] of table) {
    const expected = { verdict: DONE, body, trailers, consumed: text.length };
    assert.deepEqual(decode(`${text}GET`), expected, JSON.stringify(text));
  }
});

test('framing, routing and credentials are no trailers', () => {
  const dropped = [
    'Content-Length: 9',
    'transfer-encoding: chunked',
    'Host: evil',
    'Trailer: x',
    'TE: x',
    'Connection: close',
    'Authorization: x',
    'Cookie: x',
    'Set-Cookie: x',
    'Content-Type: x',
    'Content-Encoding: x',
    'Content-Range: x',
    'Cache-Control: x',
    'Expect: x',
    'X-Forwarded-For: x',
    'X_Forwarded_For: x',
    'Forwarded: x',
    'Upgrade: x',
    'Via: x',
    'X-Forwarded-Client-Cert: x',
    'ssl-client-verify: SUCCESS',
    'ssl-client-subject-dn: CN=x',
  ];
  for (const line of dropped) {
    assert.equal(decode(`0\r\nA: 1\r\n${line}\r\nB: 2\r\n\r\n`).trailers, 'A: 1\r\nB: 2\r\n', line);
  }
});

test('what is not chunked coding is bad, wherever it is cut', () => {
  const texts = [
    '\r\nhello',
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '5\t;a\r\nhello\r\n0\r\n\r\n',
    '+5\r\nhello',
    '-1\r\n',
    '0x5\r\nhello',
    '5_\r\nhello',
    'g\r\n',
    '\xb5\r\n',
    '10000000000000000\r\n', // 17 digits
    '00000000000000005\r\nhello',
    '20000000000000\r\n', // 2^53
    'ffffffffffffffff\r\n',
    '5\nhello',
    '5\r\rhello',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhelloX0\r\n\r\n',
    '5\r\nhello\rX0\r\n\r\n',
    '5\r\nhell\r\n0\r\n\r\n',
    '5\r\nhello\r\n\r\n0\r\n\r\n',
    '5;a\rb\r\nhello',
    '5;a\nhello',
    '5;a\0\r\nhello',
    '5;a\x7f\r\nhello',
    '5;a="\r\nhello',
    '0\r\nX\r\n\r\n',
    '0\r\nX : y\r\n\r\n',
    '0\r\n X: y\r\n\r\n',
    '0\r\nX: y\r\n z\r\n\r\n',
    '0\r\nX: y\n\r\n',
    '0\r\n\rx',
    '0\r\n\n',
  ];
  for (const text of texts) {
    assert.equal(decode(text).verdict, BAD, JSON.stringify(text));
    const everywhere = Array.from({ length: text.length }, (_, i) => i);
    assert.equal(decode(text, everywhere).verdict, BAD, `byte by byte: ${JSON.stringify(text)}`);
  }
});

test('a size is exact up to 2^53-1', () => {
  const sizes = ['1fffffffffffff', '0000000000000001', '100000005', 'FFFFFFFF'];
  for (const size of sizes) assert.equal(decode(`${size}\r\n`).verdict, MORE, size);
  assert.equal(decode(`100000005\r\nhello\r\n0\r\n\r\n`).body, 'hello\r\n0\r\n\r\n', 'never cut to 32 bits');
});

test('extensions and trailers are bounded for the whole message, to the byte and to the line', () => {
  const limits = { chunkExtensionBytes: 10, trailerBytes: 20, trailerCount: 2 };
  const extension = (size: number) => `1;${'e'.repeat(size - 1)}\r\na\r\n0\r\n\r\n`;
  const spread = (size: number) => `${`1;\r\na\r\n`.repeat(size)}0\r\n\r\n`;
  const trailer = (size: number) => `0\r\nT: ${'t'.repeat(size - 7)}\r\n\r\n`;
  const lines = (count: number) => `0\r\n${'T:\r\n'.repeat(count)}\r\n`;
  const table: [text: string, verdict: number][] = [
    [extension(9), DONE],
    [extension(10), DONE],
    [extension(11), TOO_LARGE],
    [`1;${'e'.repeat(9)}\r\na\r\n1;e\r\na\r\n0\r\n\r\n`, TOO_LARGE],
    [spread(10), DONE],
    [spread(11), TOO_LARGE],
    [trailer(19), DONE],
    [trailer(20), DONE],
    [trailer(21), TOO_LARGE],
    [lines(1), DONE],
    [lines(2), DONE],
    [lines(3), TOO_LARGE],
  ];
  for (const [text, verdict] of table) {
    assert.equal(decode(text, [], limits).verdict, verdict, JSON.stringify(text));
    const everywhere = Array.from({ length: text.length }, (_, i) => i);
    assert.equal(decode(text, everywhere, limits).verdict, verdict, `byte by byte: ${JSON.stringify(text)}`);
  }
  // What never ends is refused once it is over its limit, not kept.
  assert.equal(decode(`1;${'e'.repeat(20)}`, [], limits).verdict, TOO_LARGE);
  assert.equal(decode(`0\r\nT: ${'t'.repeat(30)}`, [], limits).verdict, TOO_LARGE);
});

/** A slow decoder by regular expressions; null for what is bad, the text that is left where it is incomplete. */
function reference(text: string): { body: string; trailers: string; consumed: number } | 'more' | 'bad' {
  let at = 0;
  let body = '';
  for (;;) {
    const line =
      /^([0-9a-fA-F]{1,16})(;(?:[\t\x20\x21\x23-\x7e\x80-\xff]|"[\t\x20\x21\x23-\x7e\x80-\xff]*")*)?\r\n/.exec(
        text.slice(at),
      );
    if (line === null) {
      const begun = /^(?:[0-9a-fA-F]{1,16}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?$/.test(text.slice(at));
      const openQuote = /^[^\r]*\r$/.test(text.slice(at)) && text.slice(at).split('"').length % 2 === 0;
      const tooLarge = Number.parseInt(text.slice(at), 16) > Number.MAX_SAFE_INTEGER;
      return begun && !openQuote && !tooLarge ? 'more' : 'bad';
    }
    const size = Number.parseInt(line[1]!, 16);
    if (size > Number.MAX_SAFE_INTEGER) return 'bad';
    at += line[0].length;
    if (size === 0) break;
    body += text.slice(at, at + size);
    at += size;
    const end = text.slice(at, at + 2);
    if (end !== '\r\n') return '\r\n'.startsWith(end) ? 'more' : 'bad';
    at += 2;
  }
  const section = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(text.slice(at));
  if (section !== null) return { body, trailers: section[0].slice(0, -2), consumed: at + section[0].length };
  const begun =
    /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+(?::[\t\x20-\x7e\x80-\xff]*\r?)?|\r)?$/;
  return begun.test(text.slice(at)) ? 'more' : 'bad';
}

const extension = fc.constantFrom('', '', '', ';a', ';a=b', ';a="b;c"', '; \t');
const chunk = fc
  .tuple(
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }),
    extension,
    fc.constantFrom('', '0', '000'),
  )
  .map(([data, ext, zeros]) => `${zeros}${data.length.toString(16)}${ext}\r\n${data}\r\n`);
const message = fc
  .tuple(fc.array(chunk, { maxLength: 5 }), extension, fc.constantFrom('', 'X: y\r\n', 'A:\r\nB: \tc\r\n'))
  .map(([chunks, last, trailers]) => `${chunks.join('')}0${last}\r\n${trailers}\r\n`);
const cuts = fc.array(fc.nat(), { maxLength: 5 });
const mutated = fc
  .tuple(
    message,
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat(2),
        fc.constantFrom('', '\r', '\n', '0', 'f', ';', '"', ' ', '\0', ':', '\r\n'),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([text, edits]) =>
    edits.reduce((out, [at, remove, insert]) => {
      const where = at % (out.length + 1);
      return out.slice(0, where) + insert + out.slice(where + remove);
    }, text),
  );

test('a message is the same however it is cut, at one place, at two, and at every byte', () => {
  const text = '3;x="y"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n';
  const whole = decode(text);
  assert.equal(whole.verdict, DONE);
  for (let a = 0; a <= text.length; a++) {
    if (a < text.length) assert.equal(decode(text.slice(0, a)).verdict, MORE, `the first ${a} bytes`);
    for (let b = a; b <= text.length; b++)
      assert.deepEqual(decode(text, [a, b]), whole, `cut at ${a} and ${b}`);
  }
});

test('the decoder agrees with a slow one on messages and on mutated messages, however they are cut', () => {
  fc.assert(
    fc.property(mutated, cuts, (text, at) => {
      const slow = reference(text);
      const fast = decode(text, at);
      if (slow === 'more') assert.equal(fast.verdict, MORE);
      else if (slow === 'bad') assert.equal(fast.verdict, BAD);
      else assert.deepEqual(fast, { verdict: DONE, ...slow });
    }),
    { numRuns: 3000 },
  );
});

test('what our own writer makes is decoded to the same bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 300 })),
      cuts,
      (parts, at) => {
        const text = `${parts.map((part) => `${chunkHead(part.length)}${part}\r\n`).join('')}0\r\n\r\n`;
        assert.deepEqual(decode(text, at), {
          verdict: DONE,
          body: parts.join(''),
          trailers: '',
          consumed: text.length,
        });
      },
    ),
    { numRuns: 300 },
  );
});
