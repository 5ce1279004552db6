/** gRPC end to end through the real program: grpc-js on both sides, over TLS with ALPN and in cleartext. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, describe, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { type EchoClient, FAILURE, grpcClient, startGrpcBackend } from '../kit/grpc.ts';
import { ingress, type KubeObject, routeAll, service, speaking } from '../kit/manifests.ts';
import { startHttps } from '../kit/tls.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const scope: Scope = { after };
const MIB = 1024 * 1024;
const backend = await startGrpcBackend(scope);
const first = await startGrpcBackend(scope);
const second = await startGrpcBackend(scope);
const authority = issue({ names: ['authority'], usage: 'authority' });
const certificate = issue({ names: ['grpc.test', 'grpcs.test'], issuer: authority });
const own = issue({ names: ['passed.test'], issuer: authority });
const overTls = await startGrpcBackend(
  scope,
  0,
  grpc.ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.certificate) },
  ]),
);

/** Over TLS and, because h2c clients must not be sent to https, a host of its own in cleartext. */
function manifests(port: number): KubeObject[] {
  const [object, ...others] = routeAll('grpc.test', port);
  const tls = withTls(object!, [{ hosts: ['grpc.test'], secretName: 'cert' }]);
  return [
    ...speaking('grpc', [tls, ...others]),
    ...speaking('kubernetes.io/h2c', routeAll('clear.test', port)),
    tlsSecret('cert', certificate, [authority]),
  ];
}

/** A host with these annotations of ingress-nginx. */
function annotated(host: string, port: number, annotation: Readonly<Record<string, string>>): KubeObject[] {
  const [object, ...others] = routeAll(host, port);
  const annotations = Object.fromEntries(
    Object.entries(annotation).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]),
  );
  const metadata = { ...(object!['metadata'] as object), annotations };
  const tls = [{ hosts: [host], secretName: 'cert' }];
  return [withTls({ ...object, metadata } as KubeObject, tls), ...others];
}

const moving = (port: number) => speaking('grpc', routeAll('moving.test', port));
const proxy = await startHttps(scope, {
  manifests: [
    ...manifests(backend.port),
    ...annotated('grpcs.test', overTls.port, { 'backend-protocol': 'GRPCS' }),
    ...annotated('passed.test', overTls.port, { 'ssl-passthrough': 'true' }),
    ingress('nobody', 'nobody.test', [{ path: '/', service: 'nobody' }]),
    ...speaking('grpc', service('nobody', [])),
  ],
  args: ['--http2-cleartext', 'on'],
  workers: 2,
});
await proxy.change('moving.yaml', moving(first.port));

const metadata = (entries: Readonly<Record<string, string | Buffer>> = {}): grpc.Metadata => {
  const out = new grpc.Metadata();
  for (const [key, value] of Object.entries(entries)) out.set(key, value);
  return out;
};

interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly value: Buffer | null;
  readonly initial: grpc.Metadata;
  readonly trailing: grpc.Metadata;
}

async function call(
  client: EchoClient,
  method: 'unary' | 'fail' | 'never',
  request: Buffer,
  sent = metadata(),
  options: grpc.CallOptions = {},
  started: (running: grpc.ClientUnaryCall) => void = () => {},
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let value: Buffer | null = null;
  let initial = metadata();
  const running = client[method](request, sent, options, (_error, answer) => {
    value = answer ?? null;
  });
  running.on('metadata', (got) => {
    initial = got;
  });
  running.on('status', ({ code, details, metadata: trailing }) =>
    setImmediate(() => resolve({ code, details, value, initial, trailing })),
  );
  started(running);
  return await within(promise, `the end of ${method}`);
}

async function messagesOf(stream: NodeJS.ReadableStream): Promise<Buffer[]> {
  const out: Buffer[] = [];
  for await (const message of stream) out.push(message as unknown as Buffer);
  return out;
}

const secure = grpc.credentials.createSsl(Buffer.from(authority.certificate));
for (const [how, client, served] of [
  ['over TLS', grpcClient(scope, proxy.https, 'grpc.test', secure), backend],
  ['in cleartext', grpcClient(scope, proxy.http, 'clear.test'), backend],
  ['over TLS on both sides', grpcClient(scope, proxy.https, 'grpcs.test', secure), overTls],
  ['through passthrough', grpcClient(scope, proxy.https, 'passed.test', secure), overTls],
] as const) {
  describe(`grpc-js ${how}`, () => {
    test('unary: message, metadata, binary metadata and trailers', async () => {
      const binary = randomBytes(40);
      const sent = metadata({ 'x-test-a': 'value', 'x-test-b-bin': binary });
      const { code, value, initial, trailing } = await call(client, 'unary', Buffer.from('hello'), sent);
      assert.deepEqual([code, value?.toString()], [grpc.status.OK, 'hello']);
      assert.deepEqual(initial.get('x-test-a'), ['value']);
      assert.deepEqual(initial.get('x-test-b-bin'), [binary]);
      assert.deepEqual(trailing.get('x-test-trailer-bin'), [Buffer.from([0, 255, 10])]);
    });

    test('an empty message', async () => {
      const { code, value } = await call(client, 'unary', Buffer.alloc(0));
      assert.deepEqual([code, value?.length], [grpc.status.OK, 0]);
    });

    test('messages of 16 MiB both ways', async () => {
      const large = randomBytes(16 * MIB);
      const { code, value } = await call(client, 'unary', large);
      assert.equal(code, grpc.status.OK);
      assert.ok(value?.equals(large), 'the same bytes');
    });

    test('a stream of the client', async () => {
      const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
      const stream = client.collect((_error, value) => resolve(value));
      for (let i = 0; i < 50; i++) stream.write(Buffer.from(`${i},`));
      stream.end();
      const joined = (await within(promise, 'the answer'))?.toString();
      assert.equal(joined, Array.from({ length: 50 }, (_, i) => `${i},`).join(''));
    });

    test('a stream of the server', async () => {
      const messages = await within(messagesOf(client.repeat(Buffer.from([100]))), 'the messages');
      assert.deepEqual(
        messages.map(([value]) => value),
        Array.from({ length: 100 }, (_, i) => i),
      );
    });

    test('both at once: each message is answered before the next is sent', async () => {
      const stream = client.chat();
      for (let i = 0; i < 20; i++) {
        const got = once(stream, 'data');
        stream.write(Buffer.from([i]));
        assert.deepEqual(await within(got, `message ${i}`), [Buffer.from([i])]);
      }
      stream.end();
      const [status] = (await within(once(stream, 'status'), 'the status')) as [grpc.StatusObject];
      assert.equal(status.code, grpc.status.OK);
    });

    test('errors of the server arrive with their messages, before and after a first message', async () => {
      const { code, details } = await call(client, 'fail', Buffer.from('x'));
      assert.deepEqual([code, details], [grpc.status.FAILED_PRECONDITION, FAILURE]);
      const stream = client.failLate(Buffer.from('m'));
      const failed = once(stream, 'error') as Promise<[grpc.ServiceError]>;
      stream.resume();
      const [error] = await within(failed, 'the error');
      assert.deepEqual([error.code, error.details], [grpc.status.DATA_LOSS, FAILURE]);
    });

    test('a deadline that passes ends the call on both sides', async () => {
      const { cancelled } = served;
      const { code } = await call(client, 'never', Buffer.from('x'), metadata(), {
        deadline: Date.now() + 300,
      });
      assert.equal(code, grpc.status.DEADLINE_EXCEEDED);
      await eventually(() => assert.equal(served.cancelled, cancelled + 1));
    });

    test('a call that the client cancels is cancelled at the server, others go on', async () => {
      const { calls, cancelled } = served;
      const chat = client.chat();
      const echoed = once(chat, 'data');
      chat.write(Buffer.from('a'));
      await within(echoed, 'the echo');
      const ended = call(client, 'never', Buffer.from('x'), metadata(), {}, (running) => {
        void eventually(() => assert.equal(served.calls, calls + 2)).then(() => running.cancel());
      });
      assert.equal((await ended).code, grpc.status.CANCELLED);
      await eventually(() => assert.equal(served.cancelled, cancelled + 1));
      const again = once(chat, 'data');
      chat.write(Buffer.from('b'));
      assert.deepEqual(await within(again, 'the second echo'), [Buffer.from('b')]);
      chat.end();
      chat.resume();
      await within(once(chat, 'end'), 'the end');
    });

    test('300 calls at a time', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 300 }, (_, i) => call(client, 'unary', Buffer.from(`m${i}`))),
      );
      assert.deepEqual(
        outcomes.map(({ code, value }) => [code, value?.toString()]),
        outcomes.map((_, i) => [grpc.status.OK, `m${i}`]),
      );
    });
  });
}

describe('what Tidegate itself answers', () => {
  const statusOf = async (name: string) => {
    const client = grpcClient(scope, proxy.http, name);
    const { code, details } = await call(client, 'unary', Buffer.from('x'));
    return { code, details };
  };

  test('a host that nobody serves is UNIMPLEMENTED', async () => {
    const { code, details } = await statusOf('unknown.test');
    assert.equal(code, grpc.status.UNIMPLEMENTED);
    assert.match(details, /Not Found/);
  });

  test('a Service without endpoints is UNAVAILABLE', async () => {
    const { code, details } = await statusOf('nobody.test');
    assert.equal(code, grpc.status.UNAVAILABLE);
    assert.match(details, /Unavailable/);
  });

  test('other HTTP/2 requests get ordinary answers', async () => {
    const session = http2.connect(`http://127.0.0.1:${proxy.http}`);
    scope.after(() => session.destroy());
    const request = session.request({ ':authority': 'unknown.test', 'content-type': 'application/grpc-web' });
    const [head] = (await within(once(request, 'response'), 'the answer')) as [http2.IncomingHttpHeaders];
    assert.equal(head[':status'], 404);
    assert.equal(head['grpc-status'], undefined);
  });
});

describe('when backends come and go', () => {
  test('a stream ends in peace at an endpoint that leaves, new calls go to the new one', async () => {
    const client = grpcClient(scope, proxy.http, 'moving.test');
    const chat = client.chat();
    const one = once(chat, 'data');
    chat.write(Buffer.from('1'));
    await within(one, 'the first echo');
    await proxy.change('moving.yaml', moving(second.port));
    const { calls } = first;
    assert.equal((await call(client, 'unary', Buffer.from('x'))).code, grpc.status.OK);
    assert.deepEqual([first.calls, second.calls > 0], [calls, true]);
    const two = once(chat, 'data');
    chat.write(Buffer.from('2'));
    assert.deepEqual(await within(two, 'the second echo'), [Buffer.from('2')]);
    chat.end();
    const [status] = (await within(once(chat, 'status'), 'the status')) as [grpc.StatusObject];
    assert.equal(status.code, grpc.status.OK);
  });

  test('a backend that dies breaks what runs there, and serves again when it is back', async (t) => {
    const one = await startGrpcBackend(t);
    await proxy.change('mortal.yaml', speaking('grpc', routeAll('mortal.test', one.port)));
    const client = grpcClient(t, proxy.http, 'mortal.test');
    assert.equal((await call(client, 'unary', Buffer.from('x'))).code, grpc.status.OK);
    const broken = call(client, 'never', Buffer.from('x'));
    await eventually(() => assert.equal(one.calls, 2));
    one.kill();
    const { code } = await broken;
    assert.ok(code !== grpc.status.OK && code !== grpc.status.DEADLINE_EXCEEDED, `code ${code}`);
    await startGrpcBackend(t, one.port);
    const { code: after, details } = await call(client, 'unary', Buffer.from('x'));
    assert.equal(after, grpc.status.OK, details);
  });
});
