/** What the backend is told about the client and the way of the request, and whose word counts. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues, statusOf } from '../kit/http-message.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';

const scope = { after };
const get = (fields = '', host = 'h') => `GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;

describe('from a peer that is not trusted', async () => {
  const fixture = await startHttp1Fixture(scope);

  test('the backend learns address, host, scheme and port of the connection', async () => {
    const { request } = await fixture.forward(get('', 'h:1234'));
    assert.equal(fieldValue(request, 'x-forwarded-for'), '127.0.0.1');
    assert.equal(fieldValue(request, 'x-real-ip'), '127.0.0.1');
    assert.equal(fieldValue(request, 'x-forwarded-host'), 'h:1234');
    assert.equal(fieldValue(request, 'x-forwarded-proto'), 'http');
    assert.match(fieldValue(request, 'x-forwarded-port') ?? '', /^\d+$/);
    assert.deepEqual(fieldValues(request, 'forwarded'), [], 'only when asked for');
  });

  const lies = [
    'X-Forwarded-For: 6.6.6.6',
    'x-forwarded-for: 6.6.6.6\r\nX-FORWARDED-FOR: 6.6.6.7',
    'X-Forwarded-Host: 6.6.6.6',
    'X-Forwarded-Proto: 6.6.6.6',
    'X-Forwarded-Port: 6666',
    'X-Real-IP: 6.6.6.6',
    'X-Real-Ip: 6.6.6.6',
    'Forwarded: for=6.6.6.6;proto=https',
    'X-Forwarded-Client-Cert: 6.6.6.6',
    'X_Forwarded_For: 6.6.6.6',
    'X-Request-ID: 6.6.6.6',
  ];
  for (const lie of lies) {
    test(`nothing is believed: ${JSON.stringify(lie)}`, async () => {
      const { request } = await fixture.forward(get(`${lie}\r\n`));
      // A request id or a port of ours may have three sixes in it by chance.
      assert.doesNotMatch(request.raw.toString(), /\b6666\b|6\.6\.6/);
      assert.equal(fieldValue(request, 'x-forwarded-for'), '127.0.0.1');
      assert.equal(fieldValue(request, 'x-real-ip'), '127.0.0.1');
      assert.equal(fieldValue(request, 'x-forwarded-proto'), 'http');
    });
  }

  test('a client that resets the connection behind its request leaves no request of nobody', async () => {
    const mark = fixture.backend.mark();
    for (let round = 0; round < 20; round++) {
      const client = await fixture.connect();
      client.send(get('X-Reset: 1\r\n'));
      client.reset();
    }
    assert.equal(statusOf(await fixture.get(OK)), 200);
    const seen = fixture.backend.since(mark).map(({ bytes }) => bytes.toString('latin1'));
    assert.match(seen.join(), /^X-Forwarded-For: 127\.0\.0\.1$/im);
    assert.doesNotMatch(seen.join(), /^(?:X-Forwarded-For|X-Real-IP): *$/im);
  });

  test('every request gets an id of its own', async () => {
    const ids = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const { request } = await fixture.forward(get());
      ids.add(fieldValue(request, 'x-request-id') ?? '');
    }
    assert.equal(ids.size, 20);
    for (const id of ids) assert.match(id, /^[\w-]{16,64}$/);
  });
});

describe('from a trusted proxy', async () => {
  const fixture = await startHttp1Fixture(scope, { args: ['--trusted-proxies', '127.0.0.0/8,10.0.0.0/8'] });

  const chains: readonly [received: string, forwarded: string, real: string][] = [
    ['X-Forwarded-For: 1.2.3.4', '1.2.3.4, 127.0.0.1', '1.2.3.4'],
    ['X-Forwarded-For: 6.6.6.6, 1.2.3.4', '6.6.6.6, 1.2.3.4, 127.0.0.1', '1.2.3.4'],
    ['X-Forwarded-For: 1.2.3.4, 10.1.1.1', '1.2.3.4, 10.1.1.1, 127.0.0.1', '1.2.3.4'],
    ['X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.1.1.1', '1.2.3.4, 10.1.1.1, 127.0.0.1', '1.2.3.4'],
    ['X-Forwarded-For: 2001:db8::1', '2001:db8::1, 127.0.0.1', '2001:db8::1'],
    ['X-Forwarded-For: 10.1.1.1, 10.1.1.2', '10.1.1.1, 10.1.1.2, 127.0.0.1', '10.1.1.1'],
    ['X-Forwarded-For: 1.2.3.4:5678, 10.1.1.1:80', '1.2.3.4:5678, 10.1.1.1:80, 127.0.0.1', '1.2.3.4'],
    ['X-Forwarded-For: [2001:db8::1]:443', '[2001:db8::1]:443, 127.0.0.1', '2001:db8::1'],
  ];
  for (const [received, forwarded, real] of chains) {
    test(`${JSON.stringify(received)} is extended, and read from the right`, async () => {
      const { request } = await fixture.forward(get(`${received}\r\n`));
      assert.equal(fieldValues(request, 'x-forwarded-for').join(', '), forwarded);
      assert.equal(fieldValue(request, 'x-real-ip'), real);
    });
  }

  test('host, scheme, port and request id are believed', async () => {
    const fields = [
      'X-Forwarded-Host: shop.example',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Port: 443',
      'X-Request-ID: abc-123',
    ].join('\r\n');
    const { request } = await fixture.forward(get(`${fields}\r\n`));
    assert.equal(fieldValue(request, 'x-forwarded-host'), 'shop.example');
    assert.equal(fieldValue(request, 'x-forwarded-proto'), 'https');
    assert.equal(fieldValue(request, 'x-forwarded-port'), '443');
    assert.equal(fieldValue(request, 'x-request-id'), 'abc-123');
    assert.equal(fieldValue(request, 'host'), 'h', 'routing and Host stay with what was asked for');
  });

  test('an address that is none ends the reading', async () => {
    const { request } = await fixture.forward(get('X-Forwarded-For: 1.2.3.4, <script>\r\n'));
    assert.ok(['127.0.0.1'].includes(fieldValue(request, 'x-real-ip') ?? ''));
  });

  const nonsense = [
    'X-Forwarded-Proto: javascript',
    'X-Forwarded-Port: 99999999',
    `X-Request-ID: ${'x'.repeat(5000)}`,
  ];
  for (const line of nonsense) {
    test(`nonsense is not believed: ${line.slice(0, 40)}`, async () => {
      const { request } = await fixture.forward(get(`${line}\r\n`));
      assert.doesNotMatch(request.raw.toString(), /javascript|99999999|x{1000}/);
    });
  }
});

describe('Forwarded (RFC 7239), when asked for', async () => {
  test('tells address, host and scheme', async (t) => {
    const fixture = await startHttp1Fixture(t, { args: ['--send-forwarded'] });
    const { request } = await fixture.forward(get('Forwarded: for=6.6.6.6\r\n', 'h:1234'));
    const elements = new Set(fieldValue(request, 'forwarded')?.split(';'));
    assert.ok(elements.has('for=127.0.0.1'), [...elements].join());
    assert.ok(elements.has('proto=http'));
    assert.ok(elements.has('host="h:1234"'), 'a value with a colon is quoted');
  });
});

describe('Via', async () => {
  const fixture = await startHttp1Fixture(scope);

  test('gets one entry on requests, none on responses', async () => {
    const { request, response } = await fixture.forward(get());
    assert.match(fieldValues(request, 'via').join(', '), /^1\.1 [\w.-]+$/);
    assert.deepEqual(fieldValues(response, 'via'), []);
  });
  test('comes after the entries of others', async () => {
    const { request } = await fixture.forward(get('Via: 1.0 fred, 1.1 other (x)\r\n'));
    assert.match(fieldValues(request, 'via').join(', '), /^1\.0 fred, 1\.1 other \(x\), 1\.1 [\w.-]+$/);
  });
  test('says 1.0 for an HTTP/1.0 client', async () => {
    const { request } = await fixture.forward('GET / HTTP/1.0\r\nHost: h\r\n\r\n');
    assert.match(fieldValues(request, 'via').join(', '), /^1\.0 /);
  });
  test('ends a loop', async () => {
    const own = fieldValues((await fixture.forward(get())).request, 'via').join();
    const response = await fixture.get(OK, get(`Via: ${Array(20).fill(own).join(', ')}\r\n`));
    assert.ok([508, 500].includes(statusOf(response)), response.startLine);
  });
});
