/**
 * Request smuggling: known vectors, each as the bytes that were used somewhere. The vectors that are also plain
 * framing faults stand in http1-body-framing.test.ts; here are those that try to hide a second request.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues, statusOf } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { eventually } from '../kit/waiting.ts';

const fixture = await startHttp1Fixture({ after });

const HIDDEN = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
const post = (fields: string, body = '') => `POST / HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n${body}`;

describe('refused, with nothing reaching the backend', () => {
  const vectors: readonly [name: string, bytes: string, ...statuses: number[]][] = [
    ['CL.TE', post('Content-Length: 6\r\nTransfer-Encoding: chunked', '0\r\n\r\nG'), 400],
    ['TE.CL', post('Transfer-Encoding: chunked\r\nContent-Length: 4', `5c\r\n${HIDDEN}`), 400],
    ['CL.CL', post('Content-Length: 5\r\nContent-Length: 6', 'helloG'), 400],
    ['empty CL first', post('Content-Length: \r\nContent-Length: 59', HIDDEN), 400],
    ['CL with NUL', post('Content-Length: 5\x00', 'hello'), 400],
    ['CL space colon', post('Content-Length : 5', HIDDEN), 400],
    ['CL tab colon', post('Content-Length\t: 5', HIDDEN), 400],
    ['TE space colon', post('Transfer-Encoding : chunked', `0\r\n\r\n${HIDDEN}`), 400],
    [
      'TE space colon with CL',
      post(`Content-Length: 5\r\nTransfer-Encoding : chunked`, `0\r\n\r\n${HIDDEN}`),
      400,
    ],
    ['TE unknown', post('Transfer-Encoding: xchunked', `0\r\n\r\n${HIDDEN}`), 400, 501],
    ['TE vertical tab', post('Transfer-Encoding: \x0bchunked', `0\r\n\r\n${HIDDEN}`), 400],
    ['TE form feed', post('Transfer-Encoding: \x0cchunked', `0\r\n\r\n${HIDDEN}`), 400],
    ['TE NUL', post('Transfer-Encoding: chunked\x00', `0\r\n\r\n${HIDDEN}`), 400],
    ['TE no-break space', post('Transfer-Encoding: \xa0chunked', `0\r\n\r\n${HIDDEN}`), 400, 501],
    ['TE byte ff', post('Transfer-Encoding: \xffchunked', `0\r\n\r\n${HIDDEN}`), 400, 501],
    ['TE fold', post('Transfer-Encoding:\r\n chunked', `0\r\n\r\n${HIDDEN}`), 400],
    ['TE split name', post('Transfer-\r\nEncoding: chunked', `0\r\n\r\n${HIDDEN}`), 400],
    ['TE behind LF', post('X: x\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`), 400],
    ['TE behind CR', post('X: x\rTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`), 400],
    [
      'TE in HTTP/1.0',
      `POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
      400,
    ],
    [
      'nested first-line space',
      `GET / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: h\r\n\r\n0\r\n\r\n${HIDDEN}`,
      400,
    ],
    ['head end CR', `GET / HTTP/1.1\r\nHost: h\r\n\rZGET /smuggled HTTP/1.1\r\n\r\n`, 400],
    ['two Hosts', `GET / HTTP/1.1\r\nHost: h\r\nHost: admin\r\n\r\n`, 400],
    ['folded Host', `GET / HTTP/1.1\r\nHost: h\r\n Host: admin\r\n\r\n`, 400],
    ['request line injection', `GET / HTTP/1.1\rGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n`, 400],
  ];
  for (const [name, bytes, ...statuses] of vectors) test(name, () => fixture.refuses(bytes, ...statuses));
});

describe('broken off, with no whole request reaching the backend', () => {
  const bodies: readonly [name: string, body: string][] = [
    ['TERM.EXT', `2;\nxx\r\n2d\r\n0\r\n\r\n${HIDDEN}\r\n0\r\n\r\n`],
    ['EXT.TERM', `2d;\nxx\r\n2\r\n0\r\n\r\n${HIDDEN}`],
    ['ext CR', `2;a\rb\r\nxx\r\n0\r\n\r\n${HIDDEN}`],
    ['ext CR first', `2\r\r;a\r\nxx\r\n0\r\n\r\n${HIDDEN}`],
    ['ext quoted CRLF', `5;a="\r\nhello\r\n0\r\n\r\n${HIDDEN}`],
    ['TERM.SPILL', `5\r\nhelloXX0\r\n\r\n${HIDDEN}`],
    ['TERM.SPILL one', `5\r\nhello0\r\n\r\n${HIDDEN}`],
    ['last chunk XX', `0\r\nXX${HIDDEN}`],
    ['extra CRLF', `5\r\nhello\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['chunk wrap', `10000000000000005\r\nhello\r\n0\r\n\r\n${HIDDEN}`],
  ];
  for (const [name, body] of bodies) {
    test(name, () => fixture.breaksOff(post('Transfer-Encoding: chunked', body), 400));
  }

  test('chunk wrap of 32 bits: the body stays incomplete', async () => {
    const before = fixture.backend.requests.length;
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send(post('Transfer-Encoding: chunked', `100000005\r\nhello\r\n0\r\n\r\n${HIDDEN}`));
    const connection = await eventually(() => {
      const part = fixture.backend.since(mark).find(({ bytes }) => bytes.includes('hello'));
      assert.ok(part, 'the part that is there was forwarded');
      return part.connection;
    });
    client.reset();
    await connection.ended();
    assert.equal(fixture.backend.requests.length, before);
  });
});

describe('served, with the hidden request kept in its body or taken for what it is', () => {
  test('CL.0: a GET with a body', async () => {
    const bytes = `GET /x HTTP/1.1\r\nHost: h\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`;
    const { request } = await fixture.forward(bytes);
    assert.equal(request.body.toString(), HIDDEN);
  });

  test('TE underscore: the field is dropped and CL frames', async () => {
    const body = `0\r\n\r\n${HIDDEN}`;
    const { request } = await fixture.forward(
      post(`Transfer_Encoding: chunked\r\nContent-Length: ${body.length}`, body),
    );
    assert.equal(request.body.toString(), body);
    assert.deepEqual(
      request.fields.filter(([name]) => name.includes('_')),
      [],
    );
  });

  test('obfuscated Expect: refused, or the body stays a body', async () => {
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send(post(`Expect: y 100-continue\r\nContent-Length: ${HIDDEN.length}`, HIDDEN));
    const response = await client.response();
    if (statusOf(response) === 417) assert.equal(await client.ended(), 'fin');
    else assert.equal(fixture.backend.requests.at(-1)?.body.toString(), HIDDEN);
    for (const { bytes } of fixture.backend.since(mark))
      assert.ok(!bytes.toString().startsWith('GET /smuggled'));
  });

  test('trailer smuggling: framing fields in trailers are dropped or refused', async () => {
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send(
      post('Transfer-Encoding: chunked', '2\r\nab\r\n0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n'),
    );
    await client.response();
    for (const { bytes } of fixture.backend.since(mark))
      assert.doesNotMatch(bytes.toString(), /evil|Length: 9/i);
  });

  test('upgrade: what follows a refused upgrade is the next request', async () => {
    const before = fixture.backend.requests.length;
    const client = await fixture.connect();
    client.send(`GET /first HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n${HIDDEN}`);
    assert.equal(statusOf(await client.response()), 200);
    assert.equal(statusOf(await client.response()), 200);
    const lines = fixture.backend.requests.slice(before).map(({ startLine }) => startLine);
    assert.deepEqual(lines, ['GET /first HTTP/1.1', 'GET /smuggled HTTP/1.1']);
  });

  test('hop strip: Connection cannot remove what frames, routes or identifies', async () => {
    const list = 'Host, X-Forwarded-For, Content-Length, Content-Type, Cookie, Authorization, Via';
    const fields = `Connection: ${list}\r\nContent-Length: 5\r\nContent-Type: a/b\r\nCookie: a=1\r\nAuthorization: Basic eDp5`;
    const { request } = await fixture.forward(post(fields, 'hello'));
    assert.equal(request.body.toString(), 'hello');
    assert.equal(fieldValue(request, 'host'), 'h');
    assert.equal(fieldValue(request, 'content-type'), 'a/b');
    assert.equal(fieldValue(request, 'cookie'), 'a=1');
    assert.equal(fieldValue(request, 'authorization'), 'Basic eDp5');
    assert.equal(fieldValues(request, 'x-forwarded-for').length, 1);
    assert.ok(fieldValues(request, 'via').length >= 1);
  });
});
