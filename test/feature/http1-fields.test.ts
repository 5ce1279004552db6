/** RFC 9112 section 5, RFC 9110 section 5: field lines are read strictly and keep their order and bytes. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer } from '../kit/raw-backend.ts';

const fixture = await startHttp1Fixture({ after });

const withFields = (fields: string) => `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n`;

describe('a field line is refused', () => {
  const refused: readonly [what: string, line: string][] = [
    ['with a space before the colon', 'X : y'],
    ['with a tab before the colon', 'X\t: y'],
    ['without a colon', 'X-No-Colon'],
    ['without a name', ': y'],
    ['with only a colon', ':'],
    ['with a space in the name', 'X Y: z'],
    ['with brackets in the name', 'X[0]: y'],
    ['with a quoted name', '"X": y'],
    ['with parentheses in the name', 'X(y): z'],
    ['with a slash in the name', 'X/Y: z'],
    ['with byte 85 in the name', 'X\x85: y'],
    ['with byte ff in the name', '\xffX: y'],
    ['with NUL in the name', 'X\x00: y'],
    ['with DEL in the name', 'X\x7f: y'],
    ['folded by a space', 'X: a\r\n b'],
    ['folded by a tab', 'X: a\r\n\tb'],
    ['folded into an empty value', 'X:\r\n a'],
    ['of white space only', ' '],
    ['with NUL in the value', 'X: a\x00b'],
    ['with a bare CR in the value', 'X: a\rb'],
    ['with a bare CR at its end', 'X: a\r'],
    ['with a bare LF in the value', 'X: a\nb'],
    ['hidden behind a bare LF', 'X: a\nContent-Length: 5'],
    ['hidden behind a bare CR', 'X: a\rContent-Length: 5'],
    ...[1, 8, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f].map((code): [string, string] => [
      `with byte ${code.toString(16)} in the value`,
      `X: a${String.fromCharCode(code)}b`,
    ]),
  ];
  for (const [what, line] of refused) test(what, () => fixture.refuses(withFields(line), 400));

  test('as the first line, when it begins with white space', () =>
    fixture.refuses('GET / HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n', 400));
  test('when an empty name would hide the lines after it', () =>
    fixture.refuses('POST / HTTP/1.1\r\nHost: h\r\n: x\r\nContent-Length: 5\r\n\r\nhello', 400));
  test('when the empty line is broken by a CR', () =>
    fixture.refuses('GET / HTTP/1.1\r\nHost: h\r\n\rZGET /smuggled HTTP/1.1\r\n\r\n', 400));
});

describe('a field value reaches the backend', () => {
  const kept: readonly [what: string, line: string, name: string, value: string][] = [
    ['without the white space around it', 'X: \t a b \t ', 'X', 'a b'],
    ['with no space after the colon', 'X:a', 'X', 'a'],
    ['when it is empty', 'X:', 'X', ''],
    ['with a tab inside', 'X: a\tb', 'X', 'a\tb'],
    ['with bytes above 7f', 'X: caf\xc3\xa9 \xff', 'X', 'caf\xc3\xa9 \xff'],
    ['with no-break spaces at its ends', 'X: \xa0a\xa0', 'X', '\xa0a\xa0'],
    ['with byte 85 at its ends', 'X: \x85a\x85', 'X', '\x85a\x85'],
    ['with colons and quotes', 'X: "a:b" \\ {}', 'X', '"a:b" \\ {}'],
    ['under a name of odd token characters', "!#$%&'*+-.^`|~9: v", "!#$%&'*+-.^`|~9", 'v'],
    ['under the name constructor', 'constructor: v', 'constructor', 'v'],
    ['under the name toString', 'toString: v', 'toString', 'v'],
    ['under the name of a common field in odd case', 'aCCept: */*', 'Accept', '*/*'],
  ];
  for (const [what, line, name, value] of kept) {
    test(what, async () => {
      const { request } = await fixture.forward(withFields(line));
      assert.equal(fieldValue(request, name), value);
    });
  }

  test('in order, with duplicates kept apart', async () => {
    const lines = ['B: 1', 'A: 2', 'B: 3', 'Cookie: a=1', 'a: 4', 'Cookie: b=2', 'Accept: x', 'Accept: y'];
    const { request } = await fixture.forward(withFields(lines.join('\r\n')));
    const names = ['a', 'b', 'cookie', 'accept'];
    const seen = request.fields.filter(([name]) => names.includes(name.toLowerCase()));
    assert.deepEqual(
      seen.map(([name, value]) => `${name}: ${value}`),
      lines,
    );
  });

  test('but not under a name with an underscore, which could pass for the dashed name', async () => {
    const lines = [
      'X_Y: 1',
      'X_Forwarded_For: 6.6.6.6',
      'Content_Length: 5',
      'Transfer_Encoding: chunked',
      '__proto__: x',
    ];
    const { request } = await fixture.forward(withFields(lines.join('\r\n')));
    assert.deepEqual(
      request.fields.filter(([name]) => name.includes('_')),
      [],
    );
    assert.equal(request.body.length, 0);
    assert.ok(!fieldValues(request, 'x-forwarded-for').join().includes('6.6.6.6'));
  });
});

describe('response fields reach the client', () => {
  test('in order, with duplicates and bytes kept', async () => {
    const lines = [
      'Set-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
      'X-A: 1',
      'Set-Cookie: b=2',
      'X-A: \xe9\t\xff',
      'X-Empty:',
    ];
    const response = await fixture.get(
      answer(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`),
    );
    const names = ['set-cookie', 'x-a', 'x-empty'];
    const seen = response.fields.filter(([name]) => names.includes(name.toLowerCase()));
    assert.deepEqual(
      seen.map(([name, value]) => `${name}: ${value}`.trimEnd()),
      lines,
    );
  });

  test('with Date and Server of the backend, once', async () => {
    const date = 'Tue, 15 Nov 1994 08:12:31 GMT';
    const head = `HTTP/1.1 200 OK\r\nDate: ${date}\r\nServer: theirs\r\nContent-Length: 0\r\n\r\n`;
    const response = await fixture.get(answer(head));
    assert.equal(fieldValue(response, 'date'), date);
    assert.equal(fieldValue(response, 'server'), 'theirs');
  });

  test('with a Date added when the backend sent none', async () => {
    const response = await fixture.get(answer('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    assert.ok(Date.parse(fieldValue(response, 'date') ?? '') > 0);
  });
});
