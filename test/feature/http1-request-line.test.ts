/** RFC 9112 sections 2.2 and 3: which request lines are served, and which end the connection. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';

const fixture = await startHttp1Fixture({ after });

/** A request with this first line, which may hold line ends of its own. */
const withLine = (line: string) => `${line}\r\nHost: h\r\n\r\n`;

describe('a request line is served', () => {
  const served: readonly [what: string, bytes: string, forwardedLine: string][] = [
    ['in its plain shape', withLine('GET /a?b=c HTTP/1.1'), 'GET /a?b=c HTTP/1.1'],
    ['after one empty line', `\r\n${withLine('GET / HTTP/1.1')}`, 'GET / HTTP/1.1'],
    ['of HTTP/1.0, as 1.1', withLine('GET / HTTP/1.0'), 'GET / HTTP/1.1'],
    ['of a later minor version, as 1.1', withLine('GET / HTTP/1.2'), 'GET / HTTP/1.1'],
    ['of the last minor version, as 1.1', withLine('GET / HTTP/1.9'), 'GET / HTTP/1.1'],
    ['with a method nobody knows', withLine('PURGE / HTTP/1.1'), 'PURGE / HTTP/1.1'],
    ['with a lower-case method, unchanged', withLine('get / HTTP/1.1'), 'get / HTTP/1.1'],
    [
      'with a method of odd token characters',
      withLine("!#$%&'*+-.^_`|~09 / HTTP/1.1"),
      "!#$%&'*+-.^_`|~09 / HTTP/1.1",
    ],
    ['with 8000 bytes', withLine(`GET /${'a'.repeat(7986)} HTTP/1.1`), `GET /${'a'.repeat(7986)} HTTP/1.1`],
  ];
  for (const [what, bytes, forwardedLine] of served) {
    test(what, async () => {
      const { request } = await fixture.forward(bytes);
      assert.equal(request.startLine, forwardedLine);
    });
  }
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'M-SEARCH']) {
    test(`with the method ${method}`, async () => {
      const { request } = await fixture.forward(withLine(`${method} /m HTTP/1.1`));
      assert.equal(request.startLine, `${method} /m HTTP/1.1`);
    });
  }
});

describe('a request target is forwarded byte for byte', () => {
  const targets = [
    '/%41%7e%2f%5C',
    '/a//b///c',
    "/-._~!$&'()*+,;=:@",
    '/?',
    '/??a=b?c',
    '/?q=/../x/./y&z=%2e%2e',
    '/a;v=1/b;v=2',
    '/%252e%252e/x',
    '/%E2%82%AC',
    '/a/',
  ];
  for (const target of targets) {
    test(target, async () => {
      const { request } = await fixture.forward(withLine(`GET ${target} HTTP/1.1`));
      assert.equal(request.startLine, `GET ${target} HTTP/1.1`);
    });
  }
});

describe('a request line is refused with 400', () => {
  const refused: readonly [what: string, bytes: string][] = [
    ['after three empty lines', `\r\n\r\n\r\n${withLine('GET / HTTP/1.1')}`],
    ['after a bare LF', `\n${withLine('GET / HTTP/1.1')}`],
    ['ended by a bare LF', 'GET / HTTP/1.1\nHost: h\r\n\r\n'],
    ['in a head of bare LFs', 'GET / HTTP/1.1\nHost: h\n\n'],
    ['before a field ended by a bare LF', 'GET / HTTP/1.1\r\nHost: h\n\r\n'],
    ['before an empty line of a bare LF', 'GET / HTTP/1.1\r\nHost: h\r\n\n'],
    ['ended by a bare CR', 'GET / HTTP/1.1\rHost: h\r\n\r\n'],
    ['with a CR before its CRLF', 'GET / HTTP/1.1\r\r\nHost: h\r\n\r\n'],
    ['with a CR in the target', withLine('GET /\r HTTP/1.1')],
    ['with two spaces before the target', withLine('GET  / HTTP/1.1')],
    ['with two spaces before the version', withLine('GET /  HTTP/1.1')],
    ['with a tab before the target', withLine('GET\t/ HTTP/1.1')],
    ['with a tab before the version', withLine('GET /\tHTTP/1.1')],
    ['with a vertical tab', withLine('GET\x0b/ HTTP/1.1')],
    ['with a form feed', withLine('GET /\x0cHTTP/1.1')],
    ['with a leading space', withLine(' GET / HTTP/1.1')],
    ['with a trailing space', withLine('GET / HTTP/1.1 ')],
    ['with text after the version', withLine('GET / HTTP/1.1 x')],
    ['with a space in the target', withLine('GET /a b HTTP/1.1')],
    ['with NUL in the target', withLine('GET /\x00 HTTP/1.1')],
    ['with a control byte in the target', withLine('GET /a\x01b HTTP/1.1')],
    ['with an escape byte in the target', withLine('GET /\x1b[2J HTTP/1.1')],
    ['with DEL in the target', withLine('GET /\x7f HTTP/1.1')],
    ['with byte 80 in the target', withLine('GET /\x80 HTTP/1.1')],
    ['with byte ff in the query', withLine('GET /?\xff HTTP/1.1')],
    ['with a method that is not a token', withLine('G(T / HTTP/1.1')],
    ['with an 8-bit method', withLine('G\xc9T / HTTP/1.1')],
    ['with a colon in the method', withLine('GET: / HTTP/1.1')],
    ['with NUL in the method', withLine('GE\x00T / HTTP/1.1')],
    ['without a method', withLine('/ HTTP/1.1')],
    ['without a version (HTTP/0.9)', 'GET /\r\n\r\n'],
    ['without a version, with fields', withLine('GET /')],
    ['of a lower-case version', withLine('GET / http/1.1')],
    ['of version 01.1', withLine('GET / HTTP/01.1')],
    ['of version 1.10', withLine('GET / HTTP/1.10')],
    ['of version 1.', withLine('GET / HTTP/1.')],
    ['of version 1', withLine('GET / HTTP/1')],
    ['of version 1,1', withLine('GET / HTTP/1,1')],
    ['of version 1.x', withLine('GET / HTTP/1.x')],
    ['of another protocol', withLine('GET / HTTPS/1.1')],
    ['that is a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(64, '\x00')],
  ];
  for (const [what, bytes] of refused) test(what, () => fixture.refuses(bytes, 400));
});

describe('a request line is refused with 505', () => {
  for (const version of ['HTTP/2.0', 'HTTP/3.0', 'HTTP/0.9', 'HTTP/9.9']) {
    test(`of ${version}`, () => fixture.refuses(withLine(`GET / ${version}`), 505));
  }
  test('when it is the HTTP/2 preface', () => fixture.refuses('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 400));
});

describe('methods that an intermediary does not forward', () => {
  test('CONNECT is refused, and what follows it is not a request', () =>
    fixture.refuses(
      'CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
      405,
      501,
    ));
  test('CONNECT with a path is refused', () =>
    fixture.refuses(withLine('CONNECT / HTTP/1.1'), 400, 405, 501));

  test('TRACE is answered with 405', async () => {
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send(withLine('TRACE / HTTP/1.1'));
    const { startLine } = await client.response();
    assert.match(startLine, /^HTTP\/1\.1 405 /);
    assert.deepEqual(fixture.backend.since(mark), []);
  });
});
