import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS } from '../config.ts';
import { RequestHead } from '../message/request-head.ts';
import { parseRequestHead, type RequestLimits } from './parse-request.ts';

const LIMITS = DEFAULT_LIMITS;

interface Parsed {
  readonly next: number;
  readonly head: RequestHead;
}

function parse(text: string, limits: RequestLimits = LIMITS): Parsed {
  const bytes = Buffer.from(text, 'latin1');
  const head = new RequestHead();
  return { next: parseRequestHead(bytes, 0, bytes.length, limits, head), head };
}

/** Everything that a parsed head tells, as plain data. */
function told({ next, head }: Parsed): unknown {
  if (next <= 0) return next;
  const { fields, ...rest } = head;
  const lines = Array.from({ length: fields.count }, (_, i) => [
    fields.ids[i],
    fields.name(i),
    fields.value(i),
  ]);
  return { next, ...rest, lines, text: fields.text };
}

const get = (fields: string) => `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n`;

test('each fault is refused with the status that names it', () => {
  const table: [status: number, text: string][] = [
    [400, get('X : 1')],
    [400, 'GET  / HTTP/1.1\r\nHost: h\r\n\r\n'],
    [400, 'GET / HTTP/1.10\r\nHost: h\r\n\r\n'],
    [400, 'GET / http/1.1\r\nHost: h\r\n\r\n'],
    [400, get('Content-Length: 5\r\nContent-Length: 5')],
    [400, get('Content-Length: 9007199254740992')],
    [400, get('Transfer-Encoding: chunked\r\nContent-Length: 1')],
    [400, get('Transfer-Encoding: chunked, gzip')],
    [400, get('Transfer-Encoding: chunked, chunked')],
    [400, get('Transfer-Encoding: ,chunked')],
    [400, get('Transfer-Encoding: "chunked"')],
    [501, get('Transfer-Encoding: gzip, chunked')],
    [501, get('Transfer-Encoding: xchunked')],
    [501, get('Transfer-Encoding: identity')],
    [405, 'CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n'],
    [417, get('Expect: 100-continue, tea')],
    [417, get('Expect: y 100-continue')],
    [501, `${'M'.repeat(65)} / HTTP/1.1\r\nHost: h\r\n\r\n`],
    [431, get(`Connection: ${Array(33).fill('x').join(',')}`)],
    [505, 'GET / HTTP/2.0\r\nHost: h\r\n\r\n'],
    [505, 'GET / HTTP/0.9\r\nHost: h\r\n\r\n'],
    [505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ];
  for (const [status, text] of table) assert.equal(parse(text).next, -status, JSON.stringify(text));
});

test('a target in any form becomes an authority and an origin-form target', () => {
  const table: [line: string, authority: string, target: string, pathLength: number][] = [
    ['GET /a/b?c=/d HTTP/1.1', 'h', '/a/b?c=/d', 4],
    ['GET /? HTTP/1.1', 'h', '/?', 1],
    ['GET http://other:81/a?b HTTP/1.1', 'other:81', '/a?b', 2],
    ['GET HTTP://Other HTTP/1.1', 'Other', '/', 1],
    ['GET http://other?q HTTP/1.1', 'other', '/?q', 1],
    ['GET http://[::1]:80/ HTTP/1.1', '[::1]:80', '/', 1],
    ['OPTIONS * HTTP/1.1', 'h', '*', 1],
    ['GET / HTTP/1.9', 'h', '/', 1],
  ];
  for (const [line, authority, target, pathLength] of table) {
    const { next, head } = parse(`${line}\r\nHost: h\r\n\r\n`);
    assert.ok(next > 0, line);
    assert.deepEqual([head.authority, head.target, head.pathLength], [authority, target, pathLength], line);
    assert.equal(head.minorVersion, 1, line);
  }
});

test('a path counts as plain only when there is nothing to normalise in it', () => {
  const table: [path: string, plain: boolean][] = [
    ['/a/b.c', true],
    ['/a?b=//../%2e', true],
    ['/', true],
    ['/a//b', false],
    ['/./a', false],
    ['/a/..', false],
    ['/%61', false],
    ['/.hidden', false],
  ];
  for (const [path, plain] of table) {
    assert.equal(parse(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).head.plainPath, plain, path);
  }
});

test('framing, connection options and expectations are decided from the lines', () => {
  const table: [fields: string, expected: Partial<RequestHead>][] = [
    ['', { contentLength: -1, chunked: false, close: false, keepAlive: false, listed: null }],
    ['Content-Length: 007', { contentLength: 7 }],
    ['Content-Length: 9007199254740991', { contentLength: Number.MAX_SAFE_INTEGER }],
    ['Transfer-Encoding: cHuNkEd', { chunked: true, contentLength: -1 }],
    ['Connection: close', { close: true }],
    ['Connection: Keep-Alive, CLOSE', { close: true, keepAlive: true }],
    ['Connection: x-a, X-B\r\nConnection: x-c', { listed: ['x-a', 'x-b', 'x-c'] }],
    ['Connection: host, content-length, cookie, authorization, via, x-forwarded-for', { listed: null }],
    ['Connection: upgrade\r\nUpgrade: websocket', { upgrade: 'websocket' }],
    ['Upgrade: websocket', { upgrade: '' }],
    ['Connection: upgrade', { upgrade: '' }],
    ['Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b', { upgrade: '' }],
    ['Expect: 100-Continue', { expectContinue: true }],
    ['TE: gzip, trailers', { trailersWanted: true }],
    ['Transfer_Encoding: chunked\r\nContent-Length: 3', { chunked: false, contentLength: 3 }],
  ];
  for (const [fields, expected] of table) {
    const { next, head } = parse(`POST / HTTP/1.1\r\nHost: h\r\n${fields === '' ? '' : `${fields}\r\n`}\r\n`);
    assert.ok(next > 0, fields);
    assert.partialDeepStrictEqual(head, expected, fields);
  }
});

test('HTTP/1.0 has neither expectations nor upgrades', () => {
  const { head } = parse(
    'GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: x\r\nExpect: 100-continue\r\n\r\n',
  );
  assert.partialDeepStrictEqual(head, {
    minorVersion: 0,
    upgrade: '',
    expectContinue: false,
    keepAlive: true,
    authority: '',
  });
});

test('every limit holds to the byte and to the line', () => {
  const limits = { requestLineBytes: 40, requestHeadBytes: 120, fieldCount: 3 };
  const line = (size: number) => `GET /${'a'.repeat(size - 14)} HTTP/1.1\r\nHost: h\r\n\r\n`;
  const lines = (count: number) => `GET / HTTP/1.1\r\nHost: h\r\n${'X: y\r\n'.repeat(count - 1)}\r\n`;
  const head = (size: number) => `GET / HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(size - 32)}\r\n\r\n`;
  const table: [text: string, status: number][] = [
    [line(39), 0],
    [line(40), 0],
    [line(41), 414],
    [line(400), 414],
    [lines(2), 0],
    [lines(3), 0],
    [lines(4), 431],
    [head(119), 0],
    [head(120), 0],
    [head(121), 431],
    [`${'M'.repeat(64)} / HTTP/1.1\r\nHost: h\r\n\r\n`, 414],
  ];
  for (const [text, status] of table) {
    assert.equal(parse(text, limits).next, status === 0 ? text.length : -status, JSON.stringify(text));
    // A head that never ends is refused once it is over its limit, not kept.
    const begun = text.slice(0, -1);
    const verdict = parse(begun, limits).next;
    assert.equal(verdict, 0 - status, JSON.stringify(begun));
  }
});

const token = fc.string({
  unit: fc.constantFrom(..."!#$%&'*+-.^_`|~09AZaz"),
  minLength: 1,
  maxLength: 12,
});
const fieldValue = fc
  .string({
    unit: fc.constantFrom('a', 'Z', '0', ' ', '\t', ',', ';', '"', '\\', ':', '=', '\x80', '\xff'),
    maxLength: 20,
  })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
/** Names that mean nothing to the parser. */
const plainName = token.map((name) => `X-${name}`);
const padding = fc.constantFrom('', ' ', '\t', ' \t ');
const fieldLine = fc
  .tuple(plainName, padding, fieldValue, padding)
  .map(([name, before, value, after]) => ({ name, value, text: `${name}:${before}${value}${after}\r\n` }));
const target = fc
  .string({ unit: fc.constantFrom('a', '/', '.', '%', '2', 'e', '?', '=', '&', '~', '|'), maxLength: 20 })
  .map((text) => `/${text}`);
const framing = fc.constantFrom('', 'Content-Length: 12\r\n', 'Transfer-Encoding: chunked\r\n');

const validHead = fc
  .tuple(token, target, fc.constantFrom('1.1', '1.2'), fc.array(fieldLine, { maxLength: 6 }), framing)
  .map(([method, to, version, lines, frame]) => ({
    lines,
    text: `${method} ${to} HTTP/${version}\r\n${lines.map(({ text }) => text).join('')}Host: h\r\n${frame}\r\n`,
  }))
  .filter(({ text }) => !text.startsWith('CONNECT '));

test('a valid head is incomplete in each of its strict prefixes, and whole when it is whole', () => {
  fc.assert(
    fc.property(validHead, ({ text }) => {
      for (let size = 0; size < text.length; size++)
        assert.equal(parse(text.slice(0, size)).next, 0, `${size}`);
      assert.equal(parse(text).next, text.length);
    }),
    { numRuns: 300 },
  );
});

test('field lines come out as they went in, and what is copied parses to the same lines again', () => {
  fc.assert(
    fc.property(validHead, ({ text, lines }) => {
      const { fields } = parse(text).head;
      const named = Array.from({ length: fields.count }, (_, i) => [fields.name(i), fields.value(i)]);
      assert.deepEqual(
        named.slice(0, lines.length),
        lines.map(({ name, value }) => [name, value]),
      );
      const copied = fields.copyExcept(new Uint8Array(64), null);
      assert.deepEqual(
        told(parse(`GET / HTTP/1.1\r\n${copied}\r\n`)),
        told(parse(`GET / HTTP/1.1\r\n${text.slice(text.indexOf('\r\n') + 2)}`)),
      );
    }),
    { numRuns: 500 },
  );
});

test('copied lines leave out exactly the numbers and names that are to be left out', () => {
  fc.assert(
    fc.property(validHead, fc.nat(6), ({ text, lines }, which) => {
      const { fields } = parse(text).head;
      const skipped = lines[which]?.name.toLowerCase() ?? 'x-nobody';
      const skip = new Uint8Array(64);
      skip[fields.ids[fields.count - 1]!] = 1;
      const expected: string[] = [];
      for (let i = 0; i < fields.count; i++) {
        if (skip[fields.ids[i]!] === 1 || fields.name(i).toLowerCase() === skipped) continue;
        expected.push(
          fields.text.slice(fields.nameStart[i], fields.text.indexOf('\r\n', fields.nameStart[i]) + 2),
        );
      }
      assert.equal(fields.copyExcept(skip, [skipped]), expected.join(''));
    }),
    { numRuns: 500 },
  );
});

/** A valid head with some bytes changed, added, removed or swapped for ones that like to break parsers. */
const mutated = fc
  .tuple(
    validHead,
    fc.array(
      fc.record({
        at: fc.nat(),
        remove: fc.nat(2),
        insert: fc.constantFrom(
          '',
          '\r',
          '\n',
          '\r\n',
          ' ',
          '\t',
          ':',
          '\0',
          '\xff',
          ',',
          'Host: x\r\n',
          'Content-Length: 5\r\n',
          '#',
          '/',
        ),
      }),
      { maxLength: 3 },
    ),
  )
  .map(([{ text }, edits]) =>
    edits.reduce((out, { at, remove, insert }) => {
      const where = at % (out.length + 1);
      return out.slice(0, where) + insert + out.slice(where + remove);
    }, text),
  );

test('whatever comes, the verdict is one of those promised, and bytes around the range do not change it', () => {
  const verdicts = [0, -400, -405, -414, -417, -431, -501, -505];
  fc.assert(
    fc.property(
      mutated,
      fc.string({ unit: 'binary-ascii', maxLength: 30 }),
      fc.nat(9),
      (text, behind, before) => {
        const alone = parse(text);
        if (alone.next <= 0) assert.ok(verdicts.includes(alone.next), `${alone.next}`);
        else assert.ok(alone.next <= text.length);
        for (const tail of [behind, '\r\n\r\n', ': x\r\n\r\n', ' HTTP/1.1\r\nHost: h\r\n\r\n']) {
          const bytes = Buffer.from(`${'x'.repeat(before)}${text}${tail}`, 'latin1');
          const head = new RequestHead();
          const next = parseRequestHead(bytes, before, before + text.length, LIMITS, head);
          assert.equal(next > 0 ? next - before : next, alone.next);
          if (next > 0) assert.deepEqual(told({ next: next - before, head }), told(alone));
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('more bytes never turn a refusal into an acceptance, nor one head into another', () => {
  fc.assert(
    fc.property(mutated, (text) => {
      const whole = parse(text);
      for (let size = 0; size < text.length; size++) {
        const part = parse(text.slice(0, size));
        if (part.next === 0) continue;
        if (part.next < 0) assert.ok(whole.next < 0, `refused at ${size}, accepted whole`);
        else assert.deepEqual(told(part), told(whole), `accepted at ${size}`);
        return;
      }
    }),
    { numRuns: 1000 },
  );
});

test('a head that was read into a used object tells nothing of the one before', () => {
  fc.assert(
    fc.property(validHead, validHead, (first, second) => {
      const head = new RequestHead();
      for (const { text } of [first, second]) {
        const bytes = Buffer.from(text, 'latin1');
        const next = parseRequestHead(bytes, 0, bytes.length, LIMITS, head);
        assert.deepEqual(told({ next, head }), told(parse(text)));
      }
    }),
    { numRuns: 300 },
  );
});
