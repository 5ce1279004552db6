/** Client certificates: who is let in, what the backend is told, and that no way leads around them. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { issue, type TestCertificate, tlsSecret, withTls } from '../kit/certificates.ts';
import { fieldValue, fieldValues, type HttpMessage, statusOf } from '../kit/http-message.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import { answer, startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { connectTls, startHttps } from '../kit/tls.ts';
import { eventually } from '../kit/waiting.ts';

const scope = { after };
const get = (host: string, fields = '') => `GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;

const authority = issue({ names: ['Our, root'], usage: 'authority' });
const otherAuthority = issue({ names: ['Other root'], usage: 'authority' });
const middle = issue({ names: ['Middle'], usage: 'authority', issuer: authority });
const deeper = issue({ names: ['Deeper'], usage: 'authority', issuer: middle });

const client = (issuer: TestCertificate, more: { fromDays?: number; toDays?: number } = {}) =>
  issue({ names: ['client.test'], usage: 'client', issuer, ...more });
const good = client(authority);

function caSecret(name: string, ca: TestCertificate): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { name, namespace: 'default' },
    stringData: { 'ca.crt': ca.certificate },
  };
}

/** An Ingress for one host with these auth-tls-* annotations. */
function site(host: string, annotations: Readonly<Record<string, string>> = {}): KubeObject {
  const object = ingress(host.replaceAll('.', '-'), host, [{ path: '/', service: 'web' }]);
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    `nginx.ingress.kubernetes.io/${key}`,
    value,
  ]);
  const metadata = { ...(object['metadata'] as object), annotations: Object.fromEntries(prefixed) };
  return withTls({ ...object, metadata }, [{ hosts: [host], secretName: 'server' }]);
}

const SECRET = { 'auth-tls-secret': 'default/ca' };
const MANIFESTS: readonly KubeObject[] = [
  site('open.test'),
  site('on.test', SECRET),
  site('same.test', SECRET),
  site('plain.test', { ...SECRET, 'ssl-redirect': 'false' }),
  site('optional.test', { ...SECRET, 'auth-tls-verify-client': 'optional' }),
  site('any.test', { ...SECRET, 'auth-tls-verify-client': 'optional_no_ca' }),
  site('off.test', { ...SECRET, 'auth-tls-verify-client': 'off' }),
  site('deep.test', { ...SECRET, 'auth-tls-verify-depth': '2' }),
  site('pass.test', { ...SECRET, 'auth-tls-pass-certificate-to-upstream': 'true' }),
  site('page.test', { ...SECRET, 'auth-tls-error-page': 'https://help.test/certificates?a=b' }),
  site('match.test', { ...SECRET, 'auth-tls-match-cn': 'CN=client\\.(test|example)' }),
  site('nomatch.test', { ...SECRET, 'auth-tls-match-cn': 'CN=(alice|bob)' }),
  site('optmatch.test', {
    ...SECRET,
    'auth-tls-verify-client': 'optional',
    'auth-tls-match-cn': 'CN=client',
  }),
  site('badmatch.test', { ...SECRET, 'auth-tls-match-cn': 'CN=(a+)+$' }),
  site('other.test', { 'auth-tls-secret': 'default/other-ca' }),
  site('gone.test', { 'auth-tls-secret': 'default/gone' }),
  site('foreign.test', { 'auth-tls-secret': 'elsewhere/ca' }),
  site('nonsense.test', { 'auth-tls-secret': 'ca' }),
  site('noca.test', { 'auth-tls-secret': 'default/server' }),
];

const names = ['*.test'];
const backend = await startRawBackend(scope);
backend.behaviour = answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
const manifests = [
  ...MANIFESTS,
  ...service('web', [backend.port]),
  tlsSecret('server', issue({ names })),
  caSecret('ca', authority),
  caSecret('other-ca', otherAuthority),
];
const proxy = await startHttps(scope, { manifests });

function showing(certificate: TestCertificate | null, ...chain: TestCertificate[]): ConnectionOptions {
  if (certificate === null) return {};
  return {
    cert: certificate.certificate + chain.map((each) => each.certificate).join(''),
    key: certificate.key,
  };
}

/** Asks a host over a connection made for it; gives the status and what the backend saw. */
async function ask(
  host: string,
  options: ConnectionOptions,
  fields = '',
): Promise<{ status: number; request: HttpMessage | undefined }> {
  const before = backend.requests.length;
  const connection = await connectTls(scope, proxy.https, { servername: host, ...options });
  connection.send(get(host, fields));
  const status = statusOf(await connection.response());
  connection.close();
  return { status, request: backend.requests[before] };
}

describe('who is let in', () => {
  const none = showing(null);
  const trusted = showing(good);
  const selfMade = showing(issue({ names: ['client.test'], usage: 'client' }));
  const stranger = showing(client(otherAuthority));
  const expired = showing(client(authority, { fromDays: -3, toDays: -1 }));
  const server = showing(issue({ names: ['client.test'], usage: 'server', issuer: authority }));
  const below = showing(client(middle), middle);
  const farBelow = showing(client(deeper), deeper, middle);
  const table: readonly [
    host: string,
    what: string,
    shown: ConnectionOptions,
    status: number,
    verify: string | null,
  ][] = [
    ['on.test', 'none', none, 400, null],
    ['on.test', 'a good one', trusted, 200, 'SUCCESS'],
    ['on.test', 'a self-made one', selfMade, 400, null],
    ['on.test', 'one of a strange authority', stranger, 400, null],
    ['on.test', 'an expired one', expired, 400, null],
    ['on.test', 'one for servers', server, 400, null],
    ['on.test', 'one with an authority between', below, 200, 'SUCCESS'],
    ['on.test', 'one with two between', farBelow, 400, null],
    ['deep.test', 'one with two between, where that is allowed', farBelow, 200, 'SUCCESS'],
    ['optional.test', 'none', none, 200, 'NONE'],
    ['optional.test', 'a good one', trusted, 200, 'SUCCESS'],
    ['optional.test', 'one of a strange authority', stranger, 400, null],
    ['any.test', 'none', none, 200, 'NONE'],
    ['any.test', 'a self-made one', selfMade, 200, 'FAILED:self-signed certificate'],
    ['any.test', 'a good one', trusted, 200, 'SUCCESS'],
    ['off.test', 'a good one', trusted, 200, null],
    ['open.test', 'a good one', trusted, 200, null],
    ['gone.test', 'a good one', trusted, 403, null],
    ['foreign.test', 'a good one', trusted, 403, null],
    ['nonsense.test', 'a good one', trusted, 403, null],
    ['noca.test', 'a good one', trusted, 403, null],
  ];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [host, what, shown, status, verify] of table) {
      test(`${version}: ${host} answers ${status} to who shows ${what}`, async () => {
        const found = await ask(host, { ...shown, minVersion: version, maxVersion: version });
        assert.equal(found.status, status);
        assert.equal(found.request !== undefined, status === 200, 'the backend is asked or not');
        if (found.request) assert.equal(fieldValue(found.request, 'ssl-client-verify'), verify);
      });
    }
  }
});

describe('what the backend is told', () => {
  test('names, fingerprint and, where wanted, the certificate', async () => {
    const { request } = await ask('pass.test', showing(good));
    assert.equal(fieldValue(request!, 'ssl-client-subject-dn'), 'CN=client.test');
    assert.equal(fieldValue(request!, 'ssl-client-issuer-dn'), 'CN=Our\\, root', 'escaped as RFC 2253 says');
    const fingerprint = good.fingerprint.replaceAll(':', '').toLowerCase();
    assert.equal(fieldValue(request!, 'ssl-client-fingerprint'), fingerprint);
    assert.equal(decodeURIComponent(fieldValue(request!, 'ssl-client-cert')!), good.certificate);
    const { request: without } = await ask('on.test', showing(good));
    assert.deepEqual(fieldValues(without!, 'ssl-client-cert'), []);
  });

  const lies = ['verify: SUCCESS', 'subject-dn: CN=admin', 'issuer-dn: CN=x', 'cert: x', 'fingerprint: x'];
  for (const host of ['on.test', 'open.test', 'optional.test']) {
    test(`nothing that the client says itself: ${host}`, async () => {
      const fields = lies.map((lie) => `SSL-Client-${lie}\r\n`).join('');
      const shown = host === 'on.test' ? showing(good) : showing(null);
      const { status, request } = await ask(host, shown, fields);
      assert.equal(status, 200);
      assert.doesNotMatch(request!.raw.toString(), /admin|CN=x|: x\r\n/);
      const expected = { 'on.test': ['SUCCESS'], 'open.test': [], 'optional.test': ['NONE'] }[host];
      assert.deepEqual(fieldValues(request!, 'ssl-client-verify'), expected);
    });
  }
});

describe('no way leads around it', () => {
  const table: readonly [from: string, to: string, options: ConnectionOptions, status: number][] = [
    ['open.test', 'on.test', showing(null), 421],
    ['nobody.test', 'on.test', showing(null), 421],
    ['', 'on.test', showing(null), 421],
    ['other.test', 'on.test', showing(client(otherAuthority)), 421],
    ['optional.test', 'on.test', showing(null), 421],
    ['on.test', 'open.test', showing(good), 421],
    ['on.test', 'same.test', showing(good), 200],
    ['on.test', 'same.test', showing(null), 400],
    ['on.test', 'on.test:443', showing(good), 200],
    ['on.test', 'ON.TEST', showing(good), 200],
    ['open.test', 'ON.test.', showing(null), 421],
    ['open.test', 'off.test', showing(null), 200],
  ];
  for (const [from, to, options, status] of table) {
    test(`a connection made for "${from}" asks for ${to}: ${status}`, async () => {
      const connection = await connectTls(scope, proxy.https, { servername: from, ...options });
      connection.send(get(to));
      assert.equal(statusOf(await connection.response()), status);
    });
  }

  test('a session of an open host does not open a closed one', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options = { minVersion: version, maxVersion: version };
      const open = await connectTls(scope, proxy.https, { servername: 'open.test', ...options });
      const ticket = new Promise<Buffer>((resolve) => open.socket.once('session', resolve));
      open.send(get('open.test'));
      assert.equal(statusOf(await open.response()), 200);
      const session = version === 'TLSv1.2' ? open.socket.getSession()! : await ticket;
      const closed = await connectTls(scope, proxy.https, { servername: 'on.test', session, ...options });
      assert.equal(closed.socket.isSessionReused(), false);
      closed.send(get('on.test'));
      assert.equal(statusOf(await closed.response()), 400);
    }
  });

  test('who has shown a certificate shows it again with each connection', async () => {
    const first = await connectTls(scope, proxy.https, { servername: 'on.test', ...showing(good) });
    let ticket: Buffer | undefined;
    first.socket.on('session', (session) => {
      ticket = session;
    });
    first.send(get('on.test'));
    assert.equal(statusOf(await first.response()), 200);
    const session = ticket ?? first.socket.getSession();
    const again = await connectTls(scope, proxy.https, {
      servername: 'on.test',
      ...(session === undefined ? {} : { session }),
    });
    assert.equal(again.socket.isSessionReused(), false);
    again.send(get('on.test'));
    assert.equal(statusOf(await again.response()), 400);
  });

  test('without TLS the request is redirected or refused', async () => {
    const plain = await connect(scope, proxy.http);
    for (const [host, status] of [
      ['on.test', 308],
      ['plain.test', 400],
      ['gone.test', 308],
    ] as const) {
      plain.send(get(host));
      assert.equal(statusOf(await plain.response()), status, host);
    }
  });
});

test('another authority takes effect on open connections, which are sent away', async (t) => {
  const host = 'on.test';
  const others = [
    site(host, SECRET),
    ...service('web', [backend.port]),
    tlsSecret('server', issue({ names })),
  ];
  const own = await startHttps(t, { manifests: [...others, caSecret('ca', authority)] });
  const open = await connectTls(t, own.https, { servername: host, ...showing(good) });
  open.send(get(host));
  assert.equal(statusOf(await open.response()), 200);
  await own.change('all.yaml', [...others, caSecret('ca', otherAuthority)]);
  open.send(get(host));
  assert.equal(statusOf(await open.response()), 421);
  await eventually(async () => {
    const fresh = await connectTls(t, own.https, { servername: host, ...showing(client(otherAuthority)) });
    fresh.send(get(host));
    assert.equal(statusOf(await fresh.response()), 200);
  });
  assert.doesNotMatch((await own.get('/config')).text, /BEGIN/);
});

describe('who else is let in, or sent away', () => {
  const table: readonly [host: string, what: string, shown: ConnectionOptions, status: number][] = [
    ['match.test', 'a subject that matches', showing(good), 200],
    ['nomatch.test', 'a subject that does not match', showing(good), 403],
    ['nomatch.test', 'none at all', showing(null), 400],
    ['optmatch.test', 'none where one is optional, but the subject must match', showing(null), 403],
    ['optmatch.test', 'a good one', showing(good), 200],
    ['badmatch.test', 'a good one where the pattern could take for ever', showing(good), 403],
    ['page.test', 'a good one', showing(good), 200],
  ];
  for (const [host, what, options, status] of table) {
    test(`${host}: ${what} is answered ${status}`, async () => {
      assert.equal((await ask(host, options)).status, status);
    });
  }

  test('a page for those without a good certificate gets them by 302', async () => {
    for (const options of [showing(null), showing(client(otherAuthority))]) {
      const connection = await connectTls(scope, proxy.https, { servername: 'page.test', ...options });
      connection.send(get('page.test'));
      const response = await connection.response();
      assert.equal(statusOf(response), 302);
      assert.equal(fieldValue(response, 'location'), 'https://help.test/certificates?a=b');
    }
  });
});
