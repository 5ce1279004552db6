/** RFC 9112 section 3.2, RFC 9110 section 7.2: the forms of a target, Host, and the path that is matched. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fieldValue, fieldValues, statusOf } from '../kit/http-message.ts';
import { OK, startHttp1Fixture } from '../kit/http1-fixture.ts';
import { ingress, service } from '../kit/manifests.ts';
import { answer, startRawBackend } from '../kit/raw-backend.ts';

const admin = await startRawBackend({ after });
admin.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nadmin');
const fixture = await startHttp1Fixture(
  { after },
  {
    manifests: (port) => [
      ingress('h', 'h', [
        { path: '/', service: 'web' },
        { path: '/admin', service: 'admin' },
      ]),
      ingress('other', 'other', [{ path: '/', service: 'web' }]),
      ...service('web', [port]),
      ...service('admin', [admin.port]),
    ],
  },
);

const withHost = (host: string, target = '/') => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

describe('absolute-form', () => {
  const forms: readonly [target: string, forwarded: string][] = [
    ['http://h/a?b=c', '/a?b=c'],
    ['http://h', '/'],
    ['http://h?x=1', '/?x=1'],
    ['HTTP://h/', '/'],
    ['http://H:80/p', '/p'],
    ['http://h//x', '//x'],
  ];
  for (const [target, forwarded] of forms) {
    test(`${target} goes out in origin-form, and its authority replaces Host`, async () => {
      const { request } = await fixture.forward(withHost('evil.example', target));
      assert.equal(request.startLine, `GET ${forwarded} HTTP/1.1`);
      assert.match(fieldValue(request, 'host') ?? '', /^h(:80)?$/i);
      assert.match(fieldValue(request, 'x-forwarded-host') ?? '', /^h(:80)?$/i);
    });
  }
  test('routes by the authority of the target', async () => {
    const client = await fixture.connect();
    client.send(withHost('h', 'http://unknown.example/'));
    assert.equal(statusOf(await client.response()), 404);
  });

  const refused = [
    'http://u@h/',
    'http://u:p@h/',
    'ftp://h/',
    'http:///x',
    'http:/x',
    'http:h/',
    'http://h:x/',
    'http://h#f',
  ];
  for (const target of refused)
    test(`${target} is refused`, () => fixture.refuses(withHost('h', target), 400));
  test('https on a cleartext listener is refused', () =>
    fixture.refuses(withHost('h', 'https://h/'), 400, 421));
  test('without a Host field is refused', () => fixture.refuses('GET http://h/ HTTP/1.1\r\n\r\n', 400));
});

test('requests of one connection are each matched by their own host and path', async () => {
  const client = await fixture.connect();
  const ask = async (host: string, target: string): Promise<string> => {
    client.send(withHost(host, target));
    const response = await client.response();
    return statusOf(response) === 200 ? response.body.toString() : String(statusOf(response));
  };
  fixture.backend.behaviour = OK;
  assert.equal(await ask('h', '/admin'), 'admin');
  assert.equal(await ask('unknown', '/admin'), '404');
  assert.equal(await ask('other', '/admin'), 'ok');
  assert.equal(await ask('h', '/admin'), 'admin');
  assert.equal(await ask('h', '/'), 'ok');
  assert.equal(await ask('h', 'http://unknown/'), '404');
  assert.equal(await ask('h', '/'), 'ok');
});

describe('other forms of the target', () => {
  for (const target of ['h:80', 'h', 'h/path', '?x', '*', '**', '\\', '.', '#', '/a#b', '/#', '/?a#b']) {
    test(`GET ${target} is refused`, () => fixture.refuses(withHost('h', target), 400));
  }
  test('POST * is refused', () =>
    fixture.refuses('POST * HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n', 400));

  test('OPTIONS * is answered without the backend, and the connection goes on', async () => {
    const mark = fixture.backend.mark();
    const client = await fixture.connect();
    client.send('OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n');
    const response = await client.response('OPTIONS');
    assert.equal(statusOf(response), 200);
    assert.equal(fieldValue(response, 'content-length'), '0');
    assert.deepEqual(fixture.backend.since(mark), []);
    client.send(withHost('h'));
    assert.equal((await client.response()).body.toString(), 'ok');
  });
});

describe('Host', () => {
  for (const host of ['h', 'H', 'h.', 'h:8080', 'H.:80', 'h:0', 'h:65535']) {
    test(`${host} finds the routes of h`, async () => {
      const { request } = await fixture.forward(withHost(host));
      assert.equal(fieldValues(request, 'host').length, 1);
      assert.equal(fieldValue(request, 'host')?.toLowerCase().split(':')[0]?.replace('.', ''), 'h');
    });
  }
  test('is forwarded with its port', async () => {
    const { request } = await fixture.forward(withHost('h:8080'));
    assert.equal(fieldValue(request, 'host'), 'h:8080');
  });
  for (const host of [
    'unknown.example',
    'h.example',
    'xh',
    '127.0.0.1',
    '[::1]',
    '[::1]:80',
    'a_b.example',
    '*.h',
    'h%2e',
  ]) {
    test(`${host} is valid and has no route: 404`, async () => {
      const client = await fixture.connect();
      client.send(withHost(host));
      assert.equal(statusOf(await client.response()), 404);
    });
  }

  const refused: readonly [what: string, fields: string][] = [
    ['is missing', 'X: y\r\n'],
    ['comes twice', 'Host: h\r\nHost: h\r\n'],
    ['comes twice and differs', 'Host: h\r\nHost: other\r\n'],
    ['comes twice in different case', 'Host: h\r\nhOST: h\r\n'],
    ['is empty', 'Host:\r\n'],
    ['is only white space', 'Host: \t \r\n'],
    ['is a list', 'Host: h, h\r\n'],
    ['holds a space', 'Host: h x\r\n'],
    ['holds a tab', 'Host: h\tx\r\n'],
    ['holds a slash', 'Host: h/x\r\n'],
    ['holds a query', 'Host: h?x\r\n'],
    ['holds a fragment', 'Host: h#x\r\n'],
    ['holds userinfo', 'Host: u@h\r\n'],
    ['holds a backslash', 'Host: h\\x\r\n'],
    ['holds a quote', 'Host: h"\r\n'],
    ['holds angle brackets', 'Host: <h>\r\n'],
    ['holds an 8-bit byte', 'Host: h\xff\r\n'],
    ['has a port of letters', 'Host: h:8a\r\n'],
    ['has a negative port', 'Host: h:-1\r\n'],
    ['has a port above 65535', 'Host: h:65536\r\n'],
    ['has two ports', 'Host: h:80:80\r\n'],
    ['has only a port', 'Host: :80\r\n'],
    ['is an open bracket', 'Host: [::1\r\n'],
    ['has text after the bracket', 'Host: [::1]x\r\n'],
    ['is no IPv6 address in brackets', 'Host: [h]\r\n'],
    ['is a URL', 'Host: http://h\r\n'],
  ];
  for (const [what, fields] of refused) {
    test(`that ${what} is refused`, () => fixture.refuses(`GET / HTTP/1.1\r\n${fields}\r\n`, 400));
  }
});

describe('the path', () => {
  const toAdmin: readonly [target: string, forwarded: string][] = [
    ['/admin', '/admin'],
    ['/admin/', '/admin/'],
    ['/%61dmin', '/%61dmin'],
    ['/x/../admin', '/admin'],
    ['/./admin', '/admin'],
    ['/x/%2e%2E/admin/y', '/admin/y'],
    ['/x/.%2e/admin?q=..', '/admin?q=..'],
  ];
  for (const [target, forwarded] of toAdmin) {
    test(`${target} is matched as /admin and forwarded as ${forwarded}`, async () => {
      const client = await fixture.connect();
      client.send(withHost('h', target));
      assert.equal((await client.response()).body.toString(), 'admin');
      assert.equal(admin.requests.at(-1)?.startLine, `GET ${forwarded} HTTP/1.1`);
    });
  }

  const toRoot: readonly [target: string, forwarded: string][] = [
    ['/admin/..', '/'],
    ['/admin/../x/./y', '/x/y'],
    ['/x/y/..', '/x/'],
    ['/x/.', '/x/'],
    ['/administrator', '/administrator'],
    ['/ADMIN', '/ADMIN'],
    ['/x%2F..%2Fadmin', '/x%2F..%2Fadmin'],
    ['/%2Fadmin', '/%2Fadmin'],
    ['/%5Cadmin', '/%5Cadmin'],
    ['/..%2Fadmin', '/..%2Fadmin'],
    ['/%252e%252e/x', '/%252e%252e/x'],
    ['/.../x', '/.../x'],
    ['/x..', '/x..'],
  ];
  for (const [target, forwarded] of toRoot) {
    test(`${target} is not /admin and is forwarded as ${forwarded}`, async () => {
      const { request } = await fixture.forward(withHost('h', target));
      assert.equal(request.startLine, `GET ${forwarded} HTTP/1.1`);
    });
  }

  // Nothing good climbs above the root; nginx refuses it as well.
  for (const target of [
    '/..',
    '/../admin',
    '/x/../../admin',
    '/%2e%2e/admin',
    '/%00',
    '/a%00b',
    '/admin%00.txt',
  ]) {
    test(`${target} is refused`, () => fixture.refuses(withHost('h', target), 400));
  }
});
