/** RFC 9112 sections 4, 6.3 and 9: what a backend may answer, and what becomes of it when it may not. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues, show, statusOf } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { answer, answerAndClose, type Behaviour } from '../kit/raw-backend.ts';

const fixture = await startHttp1Fixture({ after });

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const GET_1_0 = 'GET / HTTP/1.0\r\nHost: h\r\n\r\n';
const response = (fields: string, body = '', status = '200 OK') =>
  `HTTP/1.1 ${status}\r\n${fields}\r\n\r\n${body}`;
const CHUNKED = 'Transfer-Encoding: chunked';

/** The answer to a request with an own path must be the one for it, whatever came on pooled connections before. */
async function assertNotPoisoned(): Promise<void> {
  const clean = await fixture.get(answer(response('Content-Length: 5', 'clean')));
  assert.equal(clean.body.toString(), 'clean');
}

describe('a response body reaches the client', () => {
  const bodies: readonly [what: string, behaviour: Behaviour, body: string][] = [
    ['of a given length', answer(response('Content-Length: 5', 'hello')), 'hello'],
    ['of length 0', answer(response('Content-Length: 0')), ''],
    ['in chunks', answer(response(CHUNKED, '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n')), 'hello!'],
    ['in chunks with extensions', answer(response(CHUNKED, '5;a="b"\r\nhello\r\n0;x\r\n\r\n')), 'hello'],
    ['that ends with the connection', answerAndClose(response('X: y', 'until the end')), 'until the end'],
    ['of HTTP/1.0', answerAndClose('HTTP/1.0 200 OK\r\n\r\nold'), 'old'],
    ['of HTTP/1.0 with a length', answer('HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold'), 'old'],
    ['of an error', answer(response('Content-Length: 4', 'oops', '500 Oops')), 'oops'],
    ['of a status nobody knows', answer(response('Content-Length: 1', 'x', '299 Fine')), 'x'],
    ['without a reason', answer('HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx'), 'x'],
  ];
  for (const [what, behaviour, body] of bodies) {
    test(what, async () => {
      const seen = await fixture.get(behaviour);
      assert.match(seen.startLine, /^HTTP\/1\.1 \d{3} /);
      assert.equal(seen.body.toString(), body);
      assert.notEqual(seen.framing, 'until-close', 'a 1.1 client is told where it ends');
    });
    test(`${what}, to an HTTP/1.0 client without chunks`, async () => {
      const seen = await fixture.get(behaviour, GET_1_0);
      assert.equal(seen.body.toString(), body);
      assert.notEqual(seen.framing, 'chunked');
      assert.deepEqual(fieldValues(seen, 'transfer-encoding'), []);
    });
  }

  test('byte by byte from the backend', async () => {
    const seen = await fixture.get(async (connection) => {
      await connection.request();
      for (const byte of response(CHUNKED, '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n')) {
        connection.send(byte);
        await new Promise(setImmediate);
      }
    });
    assert.equal(seen.body.toString(), 'hello');
  });

  test('with trailers when it is chunked', async () => {
    const seen = await fixture.get(
      answer(response(CHUNKED, '2\r\nab\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n')),
    );
    assert.deepEqual(seen.trailers, [['X-Sum', '1']]);
  });

  test('piece by piece, before it is complete', async () => {
    const next = Promise.withResolvers<void>();
    fixture.backend.behaviour = async (connection) => {
      await connection.request();
      connection.send(response('Content-Length: 10', 'first'));
      await next.promise;
      connection.send('after');
    };
    const client = await fixture.connect();
    client.send(GET);
    await client.head();
    assert.equal((await client.bytes(5)).toString(), 'first');
    next.resolve();
    assert.equal((await client.bytes(5)).toString(), 'after');
  });
});

describe('a response without a body', () => {
  const bodiless: readonly [what: string, request: string, answer: string][] = [
    ['to HEAD keeps its length', 'HEAD / HTTP/1.1\r\nHost: h\r\n\r\n', response('Content-Length: 5')],
    ['of 304 keeps its length', GET, response('Content-Length: 5\r\nETag: "x"', '', '304 Not Modified')],
  ];
  for (const [what, request, bytes] of bodiless) {
    test(what, async () => {
      const client = await fixture.connect();
      for (let round = 0; round < 2; round++) {
        fixture.backend.behaviour = answer(bytes);
        client.send(request);
        const seen = await client.response(request.split(' ')[0]);
        assert.equal(fieldValue(seen, 'content-length'), '5');
      }
      assert.equal(client.inbox.rest.length, 0);
    });
  }

  for (const fields of ['X: y', 'Content-Length: 0', 'Content-Length: 5', CHUNKED]) {
    test(`of 204 has no framing fields (backend: ${fields})`, async () => {
      const seen = await fixture.get(answer(response(fields, '', '204 No Content')));
      assert.equal(statusOf(seen), 204);
      assert.deepEqual(
        [...fieldValues(seen, 'content-length'), ...fieldValues(seen, 'transfer-encoding')],
        [],
      );
      await assertNotPoisoned();
    });
  }

  test('to HEAD has no body under chunked either', async () => {
    const client = await fixture.connect();
    fixture.backend.behaviour = answer(response(CHUNKED));
    client.send('HEAD / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.equal(statusOf(await client.response('HEAD')), 200);
    client.send(GET.replace('/', '/next'));
    fixture.backend.behaviour = answer(response('Content-Length: 5', 'clean'));
    assert.equal((await client.response()).body.toString(), 'clean');
  });

  const withBody: readonly [what: string, request: string, answer: string][] = [
    ['HEAD', 'HEAD / HTTP/1.1\r\nHost: h\r\n\r\n', response('Content-Length: 6', 'poison')],
    ['204', GET, response('Content-Length: 6', 'poison', '204 No Content')],
    ['304', GET, response('Content-Length: 6', 'poison', '304 Not Modified')],
  ];
  for (const [what, request, bytes] of withBody) {
    test(`that has one all the same (${what}) costs the backend its connection`, async () => {
      const mark = fixture.backend.mark();
      const seen = await fixture.get(answer(bytes), request);
      assert.ok(statusOf(seen) < 400);
      await fixture.backend.since(mark)[0]!.connection.ended();
      await assertNotPoisoned();
    });
  }
});

describe('bytes that no request asked for are never an answer', () => {
  const POISON = response('Content-Length: 6', 'poison');
  test('after a complete response', async () => {
    const mark = fixture.backend.mark();
    const seen = await fixture.get(answer(response('Content-Length: 2', 'ok') + POISON));
    assert.equal(seen.body.toString(), 'ok');
    await fixture.backend.since(mark)[0]!.connection.ended();
    await assertNotPoisoned();
  });
  test('after the last chunk', async () => {
    const mark = fixture.backend.mark();
    await fixture.get(answer(response(CHUNKED, `2\r\nok\r\n0\r\n\r\n${POISON}`)));
    await fixture.backend.since(mark)[0]!.connection.ended();
    await assertNotPoisoned();
  });
  test('on an idle pooled connection', async () => {
    const mark = fixture.backend.mark();
    await fixture.get(answer(response('Content-Length: 2', 'ok')));
    const [part] = fixture.backend.since(mark);
    part!.connection.send(POISON);
    await part!.connection.ended();
    await assertNotPoisoned();
  });
  test('before any request', async () => {
    const seen = await fixture.get(async (connection) => {
      await connection.request();
      connection.send(response('Content-Length: 2\r\nConnection: close', 'ok'));
    });
    assert.equal(seen.body.toString(), 'ok');
    await assertNotPoisoned();
  });
});

describe('an answer that cannot be read becomes 502', () => {
  const broken: readonly [what: string, bytes: string][] = [
    ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of letters', 'HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status with a sign', 'HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status line of HTTP/2', 'HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status line of HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status line in lower case', 'http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status line of another protocol', 'ICY 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['no status line (HTTP/0.9)', '<html>hello</html>'],
    ['a banner of another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a control byte in the reason', 'HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n'],
    ['a name that is no token', response('X Y: z\r\nContent-Length: 0')],
    ['an empty name', response(': z\r\nContent-Length: 0')],
    ['a line without a colon', response('no-colon\r\nContent-Length: 0')],
    ['NUL in a value', response('X: a\x00b\r\nContent-Length: 0')],
    ['a bare CR in a value', response('X: a\rSet-Cookie: x=y\r\nContent-Length: 0')],
    ['a bare LF in a value', response('X: a\nSet-Cookie: x=y\r\nContent-Length: 0')],
    ['a length of letters', response('Content-Length: abc', 'hello')],
    ['a negative length', response('Content-Length: -1', 'hello')],
    ['a signed length', response('Content-Length: +5', 'hello')],
    ['an empty length', response('Content-Length:', 'hello')],
    ['differing lengths', response('Content-Length: 5\r\nContent-Length: 6', 'hello!')],
    ['a list of differing lengths', response('Content-Length: 5, 6', 'hello!')],
    ['a length that wraps', response('Content-Length: 18446744073709551621', 'hello')],
    ['a coding that is not chunked', response('Transfer-Encoding: gzip', 'hello')],
    ['chunked twice', response('Transfer-Encoding: chunked, chunked', '0\r\n\r\n')],
    ['chunked hidden behind a control byte', response('Transfer-Encoding: \x0bchunked', '0\r\n\r\n')],
  ];
  for (const [what, bytes] of broken) {
    test(what, async () => {
      const mark = fixture.backend.mark();
      const seen = await fixture.get(answerAndClose(bytes));
      assert.equal(statusOf(seen), 502, show(seen.raw));
      assert.doesNotMatch(seen.raw.toString('latin1'), /hello|Set-Cookie/);
      for (const { connection } of fixture.backend.since(mark)) await connection.ended();
      await assertNotPoisoned();
    });
  }

  const tolerable: readonly [what: string, bytes: string][] = [
    ['white space before a colon', response('X : y\r\nContent-Length: 2', 'ok')],
    ['a folded value', response('X: a\r\n b\r\nContent-Length: 2', 'ok')],
    ['a length beside chunked', response(`Content-Length: 3\r\n${CHUNKED}`, '2\r\nok\r\n0\r\n\r\n')],
  ];
  for (const [what, bytes] of tolerable) {
    test(`or is mended before it goes on: ${what}`, async () => {
      const mark = fixture.backend.mark();
      const seen = await fixture.get(answerAndClose(bytes));
      if (statusOf(seen) === 502) return;
      assert.equal(seen.body.toString(), 'ok');
      assert.match(fieldValue(seen, 'x') ?? 'y', /^(y|a +b)$/);
      assert.ok(seen.fields.every(([name]) => !/\s/.test(name)));
      assert.ok(
        fieldValues(seen, 'content-length').length + fieldValues(seen, 'transfer-encoding').length === 1,
      );
      await fixture.backend.since(mark)[0]!.connection.ended();
    });
  }

  for (const what of ['closes without an answer', 'closes in the head', 'resets']) {
    test(`when the backend ${what}`, async () => {
      const seen = await fixture.get(async (connection) => {
        await connection.request();
        if (what === 'resets') connection.reset();
        else connection.end(what === 'closes in the head' ? 'HTTP/1.1 200 OK\r\nContent-' : '');
      });
      assert.equal(statusOf(seen), 502, show(seen.raw));
      await assertNotPoisoned();
    });
  }

  test('when 101 comes that nobody asked for', async () => {
    const mark = fixture.backend.mark();
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n';
    const seen = await fixture.get(answer(switching + response('Content-Length: 6', 'poison')));
    assert.equal(statusOf(seen), 502);
    await fixture.backend.since(mark)[0]!.connection.ended();
    await assertNotPoisoned();
  });
});

describe('a response that breaks off is seen to be broken', () => {
  const short: readonly [what: string, bytes: string][] = [
    ['shorter than its length', response('Content-Length: 10', 'hello')],
    ['without its last chunk', response(CHUNKED, '5\r\nhello\r\n')],
    ['in the middle of a chunk', response(CHUNKED, 'a\r\nhello')],
    ['at a broken chunk size', response(CHUNKED, '5\r\nhello\r\nxyz\r\n')],
    ['at a missing chunk end', response(CHUNKED, '5\r\nhelloXX0\r\n\r\n')],
    ['at a broken trailer', response(CHUNKED, '5\r\nhello\r\n0\r\nbad trailer\r\n\r\n')],
  ];
  for (const [what, bytes] of short) {
    test(what, async () => {
      fixture.backend.behaviour = answerAndClose(bytes);
      const client = await fixture.connect();
      client.send(GET);
      await assert.rejects(client.response(), /the connection ended/, 'no complete response is seen');
      await assertNotPoisoned();
    });
  }
});

describe('1xx responses', () => {
  const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
  test('go to the client in order, before the final one', async () => {
    fixture.backend.behaviour = answer(
      `HTTP/1.1 102 Processing\r\n\r\n${HINTS}${response('Content-Length: 2', 'ok')}`,
    );
    const client = await fixture.connect();
    client.send(GET);
    assert.equal(statusOf(await client.informational()), 102);
    const hints = await client.informational();
    assert.equal(statusOf(hints), 103);
    assert.equal(fieldValue(hints, 'link'), '</a.css>; rel=preload');
    assert.deepEqual(fieldValues(hints, 'content-length'), []);
    assert.equal((await client.response()).body.toString(), 'ok');
  });
  test('do not go to HTTP/1.0 clients', async () => {
    fixture.backend.behaviour = answer(HINTS + response('Content-Length: 2', 'ok'));
    const client = await fixture.connect();
    client.send(GET_1_0);
    assert.equal(statusOf(await client.informational()), 200);
  });
  test('100 is kept from clients that did not expect it', async () => {
    fixture.backend.behaviour = answer(`HTTP/1.1 100 Continue\r\n\r\n${response('Content-Length: 2', 'ok')}`);
    const client = await fixture.connect();
    client.send(GET);
    assert.equal(statusOf(await client.informational()), 200);
  });
  test('are bounded', async () => {
    fixture.backend.behaviour = answer(HINTS.repeat(40) + response('Content-Length: 2', 'ok'));
    const client = await fixture.connect();
    client.send(GET);
    const final = await client.response();
    assert.ok([200, 502].includes(statusOf(final)), show(final.raw));
    const passedOn = client.inbox.all.toString('latin1').split(' 103 ').length - 1;
    assert.ok(passedOn <= 32, `${passedOn} were passed on`);
    await assertNotPoisoned();
  });
});
