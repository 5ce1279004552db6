/** Real HTTP/2 clients through the real program: node:http2, curl, nghttp and h2load. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { type Echo, startEchoBackend } from '../kit/echo-backend.ts';
import { routeAll } from '../kit/manifests.ts';
import { startTidegate } from '../kit/tidegate.ts';
import { eventually, type Scope, within } from '../kit/waiting.ts';

const scope: Scope = { after };
const MIB = 1024 * 1024;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const CONTENT = randomBytes(8 * MIB);

let cancelled = 0;
/** `/bytes/N` sends the first N bytes of CONTENT; `/trailers` echoes with trailers; `/never` does not answer. */
const origin = createServer((request, response) => {
  const { url = '' } = request;
  response.on('close', () => {
    if (!response.writableFinished) cancelled++;
  });
  request.on('error', () => response.destroy());
  if (url.startsWith('/bytes/')) response.end(CONTENT.subarray(0, Number(url.slice(7))));
  else if (url === '/trailers') {
    request.resume();
    request.on('end', () => {
      response.writeHead(200, { trailer: 'x-got' });
      response.write('body');
      response.addTrailers({ 'x-got': String(request.trailers['x-sent']) });
      response.end();
    });
  }
});
origin.keepAliveTimeout = 600_000;
await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
scope.after(() => {
  origin.close();
  origin.closeAllConnections();
});
const echo = await startEchoBackend(scope, 'echo');
const proxy = await startTidegate(scope, {
  manifests: [
    ...routeAll('echo.test', echo.port),
    ...routeAll('origin.test', (origin.address() as AddressInfo).port),
  ],
  args: ['--http2-cleartext', 'on'],
  workers: 2,
});
const base = `http://127.0.0.1:${proxy.http}`;

function session(settings: http2.Settings = {}): http2.ClientHttp2Session {
  const client = http2.connect(base, { settings });
  scope.after(() => client.destroy());
  return client;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders;
}

async function fetchOver(
  client: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body: Buffer | null = null,
  trailers: http2.OutgoingHttpHeaders | null = null,
): Promise<Answer> {
  const stream = client.request(headers, { endStream: body === null, waitForTrailers: trailers !== null });
  let status = 0;
  let got: http2.IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on('response', (head) => {
    status = head[':status'] ?? 0;
  });
  stream.on('trailers', (fields) => {
    got = fields;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (trailers !== null) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== null) stream.end(body);
  await within(once(stream, 'close'), 'the stream to close', 60_000);
  return { status, body: Buffer.concat(chunks), trailers: got };
}

describe('node:http2', () => {
  test('a large download arrives as it was, by default and by wide windows', async () => {
    for (const settings of [{}, { initialWindowSize: 16 * MIB }, { initialWindowSize: 1000 }]) {
      const size = settings.initialWindowSize === 1000 ? 300_000 : CONTENT.length;
      const { status, body } = await fetchOver(session(settings), {
        ':authority': 'origin.test',
        ':path': `/bytes/${size}`,
      });
      assert.equal(status, 200);
      assert.equal(sha256(body), sha256(CONTENT.subarray(0, size)));
    }
  });

  test('a large upload arrives as it was, with and without a length', async () => {
    for (const length of [{}, { 'content-length': CONTENT.length }]) {
      const { body } = await fetchOver(
        session(),
        { ':method': 'POST', ':authority': 'echo.test', ':path': '/', ...length },
        CONTENT,
      );
      const seen = JSON.parse(body.toString()) as Echo;
      assert.deepEqual([seen.bodyBytes, seen.bodySha256], [CONTENT.length, sha256(CONTENT)]);
    }
  });

  test('a hundred streams at once, up and down, on each of four connections', async () => {
    const work = Array.from({ length: 4 }, () => session()).flatMap((client) =>
      Array.from({ length: 100 }, async (_, i) => {
        const size = 1 + ((i * 7919) % 60_000);
        if (i % 2 === 0) {
          const { body } = await fetchOver(client, {
            ':authority': 'origin.test',
            ':path': `/bytes/${size}`,
          });
          assert.equal(sha256(body), sha256(CONTENT.subarray(0, size)));
        } else {
          const bytes = CONTENT.subarray(i, i + size);
          const { body } = await fetchOver(
            client,
            { ':method': 'PUT', ':authority': 'echo.test', ':path': `/${i}` },
            bytes,
          );
          const seen = JSON.parse(body.toString()) as Echo;
          assert.deepEqual([seen.url, seen.bodySha256], [`/${i}`, sha256(bytes)]);
        }
      }),
    );
    await Promise.all(work);
  });

  test('trailers both ways', async () => {
    const { body, trailers } = await fetchOver(
      session(),
      { ':method': 'POST', ':authority': 'origin.test', ':path': '/trailers' },
      Buffer.from('x'),
      { 'x-sent': 'there' },
    );
    assert.deepEqual([body.toString(), trailers['x-got']], ['body', 'there']);
  });

  test('cancelling ends the request at the backend, and the connection goes on', async () => {
    const client = session();
    const before = cancelled;
    const streams = Array.from({ length: 20 }, () =>
      client.request({ ':authority': 'origin.test', ':path': '/never' }),
    );
    for (const stream of streams) stream.on('error', () => {});
    await eventually(async () => {
      assert.match((await proxy.get('/metrics')).text, /^tidegate_requests 20$/m);
    });
    for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
    await eventually(() => assert.equal(cancelled - before, 20));
    assert.equal((await fetchOver(client, { ':authority': 'echo.test', ':path': '/' })).status, 200);
  });

  test('one stream that is not read does not hold up the others', async () => {
    const client = session({ initialWindowSize: 65_535 });
    const stuck = client.request({ ':authority': 'origin.test', ':path': `/bytes/${CONTENT.length}` });
    stuck.on('error', () => {});
    await within(once(stuck, 'response'), 'the head of the stream that is not read');
    for (let i = 0; i < 20; i++) {
      const { body } = await fetchOver(client, { ':authority': 'echo.test', ':path': `/${i}` });
      assert.equal((JSON.parse(body.toString()) as Echo).url, `/${i}`);
    }
    stuck.close(http2.constants.NGHTTP2_CANCEL);
  });
});

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

/** Runs a client and gives what it printed; fails when it fails. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await within(once(child, 'close'), program, 60_000);
  assert.equal(code, 0, output);
  return output;
}

describe('programs of others', () => {
  test('curl', { skip: has('curl') ? false : 'curl is not installed' }, async () => {
    const output = await run('curl', [
      '-s',
      '--http2-prior-knowledge',
      '-H',
      'Host: echo.test',
      '--data-binary',
      'hello',
      '-w',
      ' %{http_version}',
      `${base}/curl`,
    ]);
    assert.match(output, /"url":"\/curl".* 2$/s);
    assert.match(output, new RegExp(sha256(Buffer.from('hello'))));
  });

  test('nghttp', { skip: has('nghttp') ? false : 'nghttp is not installed' }, async () => {
    const output = await run('nghttp', ['-v', '-H', ':authority: echo.test', `${base}/a`, `${base}/b`]);
    assert.equal(output.match(/:status: 200/g)?.length, 2);
    assert.doesNotMatch(output, /RST_STREAM|error_code=(?!NO_ERROR)/);
  });

  test('h2load', { skip: has('h2load') ? false : 'h2load is not installed' }, async () => {
    const output = await run('h2load', [
      '-n',
      '3000',
      '-c',
      '8',
      '-m',
      '32',
      '-H',
      ':authority: origin.test',
      `${base}/bytes/1000`,
    ]);
    assert.match(output, /3000 succeeded, 0 failed, 0 errored/);
    assert.match(output, /status codes: 3000 2xx/);
  });
});
