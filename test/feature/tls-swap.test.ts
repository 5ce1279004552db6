/** A swap of TLS settings: connections made under the old ones are asked to leave, and a renewal disturbs nobody. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { describe, test } from 'node:test';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { fieldValue, type HttpMessage, statusOf } from '../kit/http-message.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import { type RawBackend, startRawBackend } from '../kit/raw-backend.ts';
import { connectTls, type HttpsTidegate, shown, startHttps } from '../kit/tls.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const names = ['*.test'];
const first = issue({ names });
const second = issue({ names });
const authority = issue({ names: ['root'], usage: 'authority' });
const other = issue({ names: ['other root'], usage: 'authority' });
const client = issue({ names: ['client.test'], usage: 'client', issuer: authority });
const get = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

interface Site {
  readonly certificate?: typeof first;
  /** The authority that clients of a.test are to be of. */
  readonly ask?: typeof authority;
  readonly without?: 'a.test';
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function objects(port: number, { certificate = first, ask, without }: Site): readonly KubeObject[] {
  const a = withTls(ingress('a', 'a.test', [{ path: '/', service: 'web' }]), [
    { hosts: ['a.test'], secretName: 'server' },
  ]);
  const asking = { annotations: { 'nginx.ingress.kubernetes.io/auth-tls-secret': 'default/ca' } };
  const metadata = { ...(a['metadata'] as object), ...(ask === undefined ? {} : asking) };
  return [
    ...(without === 'a.test' ? [] : [{ ...a, metadata }]),
    withTls(ingress('b', 'b.test', [{ path: '/', service: 'web' }]), [
      { hosts: ['b.test'], secretName: 'server' },
    ]),
    ...service('web', [port]),
    tlsSecret('server', certificate),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata: { name: 'ca', namespace: 'default' },
      stringData: { 'ca.crt': (ask ?? authority).certificate },
    },
  ];
}

interface Fixture {
  readonly proxy: HttpsTidegate;
  readonly backend: RawBackend;
  /** Lets the answers go that are held back; further ones are given at once. */
  answer(): void;
  change(site: Site): Promise<void>;
}

async function start(scope: Scope, site: Site = {}): Promise<Fixture> {
  const backend = await startRawBackend(scope);
  const gate = Promise.withResolvers<void>();
  backend.behaviour = async (connection) => {
    for (;;) {
      const request: HttpMessage = await connection.request();
      if (request.startLine.includes('/held')) await gate.promise;
      connection.send(ANSWER);
    }
  };
  const proxy = await startHttps(scope, { manifests: objects(backend.port, site) });
  return {
    proxy,
    backend,
    answer: gate.resolve,
    change: (next) => proxy.change('all.yaml', objects(backend.port, next)),
  };
}

/** A connection of node:http2; `goaway` becomes the code that was told. */
function http2(
  scope: Scope,
  port: number,
  servername: string,
): { session: ClientHttp2Session; goaway: number[] } {
  const session = connectHttp2(`https://${servername}`, {
    host: '127.0.0.1',
    port,
    servername,
    rejectUnauthorized: false,
    cert: client.certificate,
    key: client.key,
  });
  const goaway: number[] = [];
  session.on('goaway', (code) => goaway.push(code));
  session.on('error', () => {});
  scope.after(() => session.destroy());
  return { session, goaway };
}

async function ask2(session: ClientHttp2Session, path: string): Promise<number> {
  const stream = session.request({ ':path': path });
  stream.resume();
  const [headers] = (await within(once(stream, 'response'), `an answer to ${path}`)) as [
    { ':status': number },
  ];
  if (!stream.readableEnded) await within(once(stream, 'end'), 'the end of the answer');
  return headers[':status'];
}

const CHANGES: readonly [what: string, before: Site, after: Site][] = [
  ['clients are asked for a certificate', {}, { ask: authority }],
  ['clients are no longer asked', { ask: authority }, {}],
  ['another authority counts', { ask: authority }, { ask: other }],
  ['the host is gone', {}, { without: 'a.test' }],
  ['the host comes', { without: 'a.test' }, {}],
];

describe('a connection made under settings that no longer hold', { concurrency: false }, () => {
  for (const [what, before, next] of CHANGES) {
    test(`ends politely: ${what}`, async (t) => {
      const { proxy, backend, answer, change } = await start(t, before);
      const options = { servername: 'a.test', cert: client.certificate, key: client.key };
      const running = await connectTls(t, proxy.https, options);
      const idle = await connectTls(t, proxy.https, options);
      const foreign = await connectTls(t, proxy.https, { servername: 'b.test' });
      const { session, goaway } = http2(t, proxy.https, 'a.test');
      const host = before.without === undefined ? 'a.test' : 'b.test';
      running.send(`GET /held HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const held = session.request({ ':path': '/held', ':authority': host });
      const heldAnswer = once(held, 'response') as Promise<[{ ':status': number }]>;
      held.resume();
      await eventually(() => assert.equal(backend.requests.length, 2));

      await change(next);

      await eventually(() => assert.deepEqual(goaway.slice(0, 1), [0]));
      assert.equal(await idle.ended(), 'fin', 'an idle connection is closed in order');
      answer();
      const response = await running.response();
      assert.equal(statusOf(response), 200, 'what runs is finished');
      assert.equal(fieldValue(response, 'connection'), 'close');
      assert.equal(await running.ended(), 'fin');
      const [headers] = await within(heldAnswer, 'the held answer');
      assert.equal(headers[':status'], 200);
      await eventually(() => assert.ok(session.closed, 'the HTTP/2 connection ends'));

      foreign.send(get('b.test'));
      const kept = await foreign.response();
      assert.equal(statusOf(kept), 200);
      assert.equal(fieldValue(kept, 'connection'), null, 'other hosts are not disturbed');
    });
  }
});

test('a renewed certificate disturbs no connection, and new ones get it', async (t) => {
  const { proxy, change } = await start(t);
  const connection = await connectTls(t, proxy.https, { servername: 'a.test' });
  const { session, goaway } = http2(t, proxy.https, 'a.test');
  assert.equal(await ask2(session, '/'), 200);
  await change({ certificate: second });
  assert.equal(await shown(t, proxy.https, { servername: 'a.test' }), second.fingerprint);
  connection.send(get('a.test'));
  const response = await connection.response();
  assert.equal(statusOf(response), 200);
  assert.equal(fieldValue(response, 'connection'), null);
  assert.equal(await ask2(session, '/'), 200);
  assert.deepEqual(goaway, []);
});
