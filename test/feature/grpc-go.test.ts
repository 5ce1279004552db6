/** gRPC with the other implementation, grpc-go, on either side and on both. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { buildGrpcGo } from '../grpc/build.ts';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { FAILURE, grpcClient, startGrpcBackend } from '../kit/grpc.ts';
import { routeAll, speaking } from '../kit/manifests.ts';
import { type HttpsTidegate, startHttps } from '../kit/tls.ts';
import { eventually, within } from '../kit/waiting.ts';

const built = buildGrpcGo();
const skip = 'missing' in built ? built.missing : false;
const program = 'program' in built ? built.program : '';

const CALLS = ['unary', 'large', 'collect', 'repeat', 'chat', 'errors', 'deadline', 'cancel', 'many'];

const authority = issue({ names: ['authority'], usage: 'authority' });
const certificate = issue({ names: ['grpc.test'], issuer: authority });

function startProxy(t: TestContext, backend: number): Promise<HttpsTidegate> {
  const [object, ...others] = routeAll('grpc.test', backend);
  const tls = withTls(object!, [{ hosts: ['grpc.test'], secretName: 'cert' }]);
  return startHttps(t, {
    manifests: [
      ...speaking('grpc', [tls, ...others]),
      ...speaking('kubernetes.io/h2c', routeAll('clear.test', backend)),
      tlsSecret('cert', certificate, [authority]),
    ],
    args: ['--http2-cleartext', 'on'],
  });
}

interface GoBackend {
  readonly port: number;
  /** Calls of `Never` whose cancellation the server saw. */
  cancelled(): number;
}

async function startGoBackend(t: TestContext): Promise<GoBackend> {
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let cancelled = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (line === 'cancelled') cancelled++;
  });
  const [port] = (await within(once(lines, 'line'), 'the port of the server')) as [string];
  return { port: Number(port), cancelled: () => cancelled };
}

/** What the Go client says of each of its calls. */
async function runGoClient(flags: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(program, flags, { timeout: 60_000 });
  return stdout.trim().split('\n');
}

const expected = CALLS.map((name) => `${name}: ok`);

describe('grpc-go', { skip }, () => {
  test('its client with its server, over TLS and in cleartext; cancellation arrives', async (t) => {
    const backend = await startGoBackend(t);
    const proxy = await startProxy(t, backend.port);
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-grpc-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, authority.certificate);
    const secure = ['-target', `127.0.0.1:${proxy.https}`, '-authority', 'grpc.test', '-ca', ca];
    assert.deepEqual(await runGoClient(secure), expected);
    const clear = ['-target', `127.0.0.1:${proxy.http}`, '-authority', 'clear.test'];
    assert.deepEqual(await runGoClient(clear), expected);
    // One deadline and one cancellation in each run.
    await eventually(() => assert.equal(backend.cancelled(), 4));
  });

  test('its client with a server of grpc-js', async (t) => {
    const backend = await startGrpcBackend(t);
    const proxy = await startProxy(t, backend.port);
    const clear = ['-target', `127.0.0.1:${proxy.http}`, '-authority', 'clear.test'];
    assert.deepEqual(await runGoClient(clear), expected);
  });

  test('a client of grpc-js with its server', async (t) => {
    const backend = await startGoBackend(t);
    const proxy = await startProxy(t, backend.port);
    const client = grpcClient(t, proxy.http, 'clear.test');
    const chat = client.chat();
    for (let i = 0; i < 20; i++) {
      const got = once(chat, 'data');
      chat.write(Buffer.from([i]));
      assert.deepEqual(await within(got, `message ${i}`), [Buffer.from([i])]);
    }
    chat.end();
    chat.resume();
    await within(once(chat, 'end'), 'the end');
    const late = client.failLate(Buffer.from('x'));
    const failed = once(late, 'error');
    late.resume();
    const [error] = (await within(failed, 'the error')) as [{ readonly details: string }];
    assert.equal(error.details, FAILURE);
  });
});
