/**
 * Whatever bytes one side sends, what reaches the other is well formed for the strictest reader. Seeded; a failure
 * prints the seed and the smallest bytes that show it.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import {
  fieldValues,
  type Head,
  readHead,
  readRequest,
  readResponse,
  show,
  statusOf,
} from '../kit/http-message.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer, answerAndClose } from '../kit/raw-backend.ts';

const fixture = await startHttp1Fixture({ after });

const REQUESTS = [
  'GET /a?b=c HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nX-A: 1\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nContent-Type: a/b\r\n\r\nhello world',
  'PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n',
  'GET http://h/abs HTTP/1.1\r\nHost: h\r\nConnection: x-a, close\r\nX-A: 1\r\n\r\n',
  'GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET /3 HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET /old HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n',
  'POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab',
];
const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nSet-Cookie: a=b\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\nuntil the end',
];
/** Pieces that have broken parsers before. */
const PIECES = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\n\n',
    ' ',
    '\t',
    '\x00',
    '\x0b',
    '\x7f',
    '\x85',
    '\xa0',
    '\xff',
    ':',
    ',',
    ';',
    '"',
    '0',
    '-',
    '+',
  ],
  ...[
    'Content-Length: 5\r\n',
    'Content-Length: 0\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: identity\r\n',
  ],
  ...[
    'Host: h\r\n',
    'Connection: upgrade\r\nUpgrade: foo\r\n',
    'Connection: content-length, host\r\n',
    '0\r\n\r\n',
    '5\r\n',
  ],
  ...[
    'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
    ' HTTP/1.1',
    'HTTP/1.0',
    '#',
    '%00',
    '/../',
    '@',
    'Expect: 100-continue\r\n',
  ],
];

type Edit = { readonly at: number; readonly remove: number; readonly insert: string };

const edits = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.integer({ min: 0, max: 3 }),
    insert: fc.constantFrom('', ...PIECES),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(seed: string, list: readonly Edit[]): string {
  return list.reduce((text, { at, remove, insert }) => {
    const start = Math.floor(at * text.length);
    return text.slice(0, start) + insert + text.slice(start + remove);
  }, seed);
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const STATUS_LINE = /^HTTP\/1\.1 [1-9]\d\d [^\r\n]*$/;
const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ \/[!-~]* HTTP\/1\.1$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control bytes are what it looks for.
const VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]*$/;

/** Fails unless every field is clean and there is at most one way to find the end of the body. */
function assertCleanFields({ fields }: Head): void {
  for (const [name, value] of fields) {
    assert.match(name, TOKEN);
    assert.match(value, VALUE);
  }
  const framing = fields.filter(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  assert.ok(framing.length <= 1, 'one framing');
  for (const [, value] of framing) assert.match(value, /^(chunked|0|[1-9]\d*)$/);
}

/** Fails unless `bytes` are requests, each in the one shape that nobody can misread; the last may be cut. */
function assertStrictRequests(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    const head = readHead(rest);
    if (head === null) return;
    assert.match(head.startLine, REQUEST_LINE);
    assert.ok(!head.startLine.split(' ')[1]!.includes('#'));
    assertCleanFields(head);
    assert.equal(fieldValues(head, 'host').length, 1);
    const request = readRequest(rest);
    if (request === null) return;
    at += request.raw.length;
  }
}

/** The same for what a client received for one GET; the last response may be cut by the end of the connection. */
function assertStrictResponses(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    const head = readHead(rest);
    if (head === null) return;
    assert.match(head.startLine, STATUS_LINE);
    assertCleanFields(head);
    const response = readResponse(rest, true, 'GET');
    if (response === null) return;
    at += response.raw.length;
    if (statusOf(response) >= 200)
      return assert.equal(at, bytes.length, 'nothing follows the final response');
  }
}

test('mutated requests are refused, or reach the backend in a shape that cannot be misread', async () => {
  const property = fc.asyncProperty(fc.constantFrom(...REQUESTS), edits, async (seed, list) => {
    const bytes = mutate(seed, list);
    const mark = fixture.backend.mark();
    const before = fixture.backend.requests.length;
    fixture.backend.behaviour = OK;
    const client = await fixture.connect();
    client.send(bytes);
    // What is incomplete is completed or refused by the end of the input, so there is nothing to wait for in vain.
    client.halfClose();
    await client.ended();
    client.close();
    const answers = client.inbox.all.toString('latin1').match(/HTTP\/1\.1 [2-5]\d\d /g)?.length ?? 0;
    for (const part of fixture.backend.since(mark)) assertStrictRequests(part.bytes);
    const arrived = fixture.backend.requests.length - before;
    assert.ok(
      arrived <= answers,
      `${arrived} requests arrived, ${answers} were answered, for ${show(bytes)}`,
    );
  });
  await fc.assert(property, { numRuns: 1500, endOnFailure: false });
});

test('mutated responses are refused, or reach the client in a shape that cannot be misread', async () => {
  let round = 0;
  const property = fc.asyncProperty(
    fc.constantFrom(...RESPONSES),
    edits,
    fc.boolean(),
    async (seed, list, closes) => {
      const bytes = mutate(seed, list);
      // Without a close, the proxy may rightly wait for more of a response; the second connection then shows poison.
      fixture.backend.behaviour = closes ? answerAndClose(bytes) : answer(bytes);
      const client = await fixture.connect();
      client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
      if (closes) {
        await client.ended();
        assertStrictResponses(client.inbox.all);
      }
      const own = `clean-${round++}`;
      const next = await fixture.get(
        answer(`HTTP/1.1 200 OK\r\nContent-Length: ${own.length}\r\n\r\n${own}`),
      );
      assert.equal(next.body.toString(), own, `the answer is poisoned by ${show(bytes)}`);
      client.close();
    },
  );
  await fc.assert(property, { numRuns: 1500 });
});
