import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { type ApiOptions, type KubernetesApi, openApi } from './api.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let directory: string;
let handle: Handler = (_, response) => response.end('{}');
let apis: KubernetesApi[] = [];

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tidegate-api-'));
  server = createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  for (const api of apis) api.close();
  apis = [];
  server.closeAllConnections();
});
after(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

function writeKubeconfig(user: object): string {
  const file = join(directory, 'kubeconfig');
  const { port } = server.address() as AddressInfo;
  const config = {
    'current-context': 'there',
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}/base` } }],
    users: [{ name: 'u', user }],
    contexts: [
      { name: 'there', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
      { name: 'lost', context: { cluster: 'nowhere', user: 'u' } },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function open(user: object, more: Partial<ApiOptions> = {}): Promise<KubernetesApi> {
  const kubeconfig = writeKubeconfig(user);
  const options = { kubeconfig, context: null, environment: {}, userAgent: 'test', ...more };
  const opened = await openApi(options);
  assert.ok(opened.ok, opened.ok ? '' : opened.message);
  apis.push(opened.api);
  return opened.api;
}

const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

describe('a request', () => {
  test('carries method, path below the server, query, body and token', async () => {
    let seen: unknown;
    handle = (request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const { authorization, 'content-type': type, 'user-agent': agent } = request.headers;
        seen = { method: request.method, url: request.url, authorization, type, agent, body };
        json(response, 201, { made: true });
      });
    };
    const counted: unknown[] = [];
    const api = await open(
      { token: 'secret' },
      { onRequest: ({ verb, resource }, code) => counted.push([verb, resource, code]) },
    );
    const result = await api.request('PATCH', '/apis/networking.k8s.io/v1/namespaces/a/ingresses/b/status', {
      query: { fieldManager: 'x y', force: true, absent: undefined },
      body: { a: 1 },
      contentType: 'application/apply-patch+yaml',
    });
    assert.deepEqual(result, { ok: true, status: 201, body: { made: true } });
    assert.deepEqual(seen, {
      method: 'PATCH',
      url: '/base/apis/networking.k8s.io/v1/namespaces/a/ingresses/b/status?fieldManager=x%20y&force=true',
      authorization: 'Bearer secret',
      type: 'application/apply-patch+yaml',
      agent: 'test',
      body: '{"a":1}',
    });
    assert.deepEqual(counted, [['patch', 'ingresses/status', '201']]);
    assert.equal(api.namespace, 'shop');
  });

  test('gives the reason and the message of a refusal, and how long to wait', async () => {
    const status = { kind: 'Status', reason: 'TooManyRequests', message: 'slow down' };
    handle = (_, response) => json(response, 429, status, { 'retry-after': '7' });
    const api = await open({});
    assert.deepEqual(await api.request('GET', '/api/v1/services'), {
      ok: false,
      kind: 'http',
      status: 429,
      reason: 'TooManyRequests',
      message: 'slow down',
      retryAfterMs: 7000,
    });
  });

  test('waits no longer than five minutes, whatever it is told', async () => {
    handle = (_, response) => json(response, 503, {}, { 'retry-after': '99999999' });
    const result = await (await open({})).request('GET', '/api/v1/services');
    assert.ok(!result.ok);
    assert.equal(result.retryAfterMs, 300_000);
  });

  const faults: [string, string, RegExp, Handler][] = [
    [
      'an answer that is not JSON',
      'malformed',
      /NotJson/,
      (_, response) => response.end('{"token": "s3cr3t'),
    ],
    ['an answer beyond the bound', 'malformed', /TooLarge/, (_, r) => r.end(`"${'x'.repeat(5000)}"`)],
    ['a cut answer', 'network', /ECONNRESET/, (_, r) => void r.write('{', () => r.destroy())],
    ['a cut connection', 'network', /ECONNRESET/, (request) => request.socket.destroy()],
    ['no answer', 'timeout', /Timeout/, () => {}],
  ];
  for (const [name, kind, reason, handler] of faults) {
    test(`meets ${name}: ${kind}`, async () => {
      handle = handler;
      const api = await open({});
      const result = await api.request('GET', '/version', {
        maxBytes: 1000,
        ...(kind === 'timeout' && { timeoutMs: 50 }),
      });
      assert.ok(!result.ok);
      assert.equal(result.kind, kind);
      assert.match(result.reason, reason);
      assert.doesNotMatch(result.message, /s3cr3t/);
    });
  }

  test('to a server that is not there is a network failure', async () => {
    const api = await open({});
    const { port } = server.address() as AddressInfo;
    await new Promise<unknown>((resolve) => server.close(resolve));
    const result = await api.request('GET', '/version');
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    assert.ok(!result.ok);
    assert.deepEqual([result.kind, result.reason], ['network', 'ECONNREFUSED']);
  });

  test('that is given up is aborted', async () => {
    const controller = new AbortController();
    handle = () => controller.abort();
    const result = await (await open({})).request('GET', '/version', { signal: controller.signal });
    assert.ok(!result.ok);
    assert.equal(result.kind, 'aborted');
  });
});

describe('credentials', () => {
  test('a refused token is read anew from its file and tried once more', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'old\n');
    const tokens: unknown[] = [];
    handle = (request, response) => {
      tokens.push(request.headers.authorization);
      if (request.headers.authorization === 'Bearer new') return json(response, 200, {});
      writeFileSync(tokenFile, 'new\n');
      json(response, 401, { kind: 'Status', reason: 'Unauthorized' });
    };
    const result = await (await open({ tokenFile })).request('GET', '/version');
    assert.equal(result.status, 200);
    assert.deepEqual(tokens, ['Bearer old', 'Bearer new']);
  });

  test('a token that stays refused is a failure', async () => {
    handle = (_, response) => json(response, 401, { kind: 'Status', reason: 'Unauthorized' });
    const result = await (await open({ token: 't' })).request('GET', '/version');
    assert.ok(!result.ok);
    assert.deepEqual([result.status, result.reason], [401, 'Unauthorized']);
  });

  test('come from a plugin that kubectl would run', async () => {
    let seen: unknown;
    handle = (request, response) => {
      seen = request.headers.authorization;
      json(response, 200, {});
    };
    const credential = { kind: 'ExecCredential', status: { token: 'from-plugin' } };
    const exec = { command: 'echo', args: [JSON.stringify(credential)] };
    assert.equal((await (await open({ exec })).request('GET', '/version')).status, 200);
    assert.equal(seen, 'Bearer from-plugin');
  });

  test('a plugin that fails is named, its answer is not quoted', async () => {
    const exec = { command: 'echo', args: ['s3cr3t'] };
    const result = await (await open({ exec })).request('GET', '/version');
    assert.ok(!result.ok);
    assert.equal(result.kind, 'credentials');
    assert.match(result.message, /plugin of user "u" failed: its answer is not JSON/);
  });

  test('of a pod are read from the service account', async () => {
    let seen: unknown;
    const { port } = server.address() as AddressInfo;
    handle = (request, response) => {
      seen = request.headers.authorization;
      response.end('{}');
    };
    for (const [file, text] of Object.entries({ token: 'pod', 'ca.crt': '', namespace: 'infra\n' })) {
      writeFileSync(join(directory, file), text);
    }
    const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) };
    const opened = await openApi({
      kubeconfig: null,
      context: null,
      environment,
      userAgent: 'test',
      serviceAccountDirectory: directory,
    });
    assert.ok(opened.ok);
    assert.equal(opened.api.namespace, 'infra');
    assert.equal(opened.api.server, `https://127.0.0.1:${port}`);
    // The stand-in speaks no TLS: what matters is that nothing is sent in the clear.
    const result = await opened.api.request('GET', '/version');
    assert.ok(!result.ok);
    assert.equal(seen, undefined);
  });
});

describe('a kubeconfig', () => {
  const cases: [string, Partial<ApiOptions>, RegExp][] = [
    ['that is not there', { kubeconfig: '/nowhere' }, /\/nowhere cannot be read: ENOENT/],
    ['without the wanted context', { context: 'other' }, /has no context "other"/],
    ['whose context names no cluster', { context: 'lost' }, /has no cluster "nowhere"/],
  ];
  for (const [name, options, message] of cases) {
    test(`${name} is refused`, async () => {
      const kubeconfig = writeKubeconfig({});
      const opened = await openApi({
        kubeconfig,
        context: null,
        environment: {},
        userAgent: 'test',
        ...options,
      });
      assert.ok(!opened.ok);
      assert.match(opened.message, message);
    });
  }

  test('that is no YAML is refused without quoting it', async () => {
    const kubeconfig = join(directory, 'broken');
    writeFileSync(kubeconfig, 'users:\n  - token: "s3cr3t\n');
    const opened = await openApi({ kubeconfig, context: null, environment: {}, userAgent: 'test' });
    assert.ok(!opened.ok);
    assert.match(opened.message, /is not YAML/);
    assert.doesNotMatch(opened.message, /s3cr3t/);
  });
});

describe('a watch', () => {
  const collect = () => {
    const lines: string[] = [];
    let tooLong = 0;
    return {
      lines,
      tooLong: () => tooLong,
      onLine: (line: string) => void lines.push(line),
      onTooLong: () => void tooLong++,
    };
  };

  test('gives each line as it comes, and ends when the server ends it', async () => {
    handle = (_, response) => {
      response.write('{"a":1}\n{"b"');
      setImmediate(() => response.end(':2}\n'));
    };
    const seen = collect();
    const end = await (await open({})).watchLines('/api/v1/services', { idleMs: 5000, ...seen });
    assert.deepEqual(end, { ok: true });
    assert.deepEqual(seen.lines, ['{"a":1}', '{"b":2}']);
  });

  test('drops a line that is too long, and goes on', async () => {
    handle = (_, response) => response.end(`"${'x'.repeat(3000)}"\n{"b":2}\n`);
    const seen = collect();
    await (await open({})).watchLines('/api/v1/services', { idleMs: 5000, maxLineBytes: 1000, ...seen });
    assert.deepEqual([seen.lines, seen.tooLong()], [['{"b":2}'], 1]);
  });

  test('that says nothing any more is taken for dead', async () => {
    handle = (_, response) => void response.write('{"a":1}\n');
    const seen = collect();
    const end = await (await open({})).watchLines('/api/v1/services', { idleMs: 60, ...seen });
    assert.ok(!end.ok);
    assert.equal(end.kind, 'timeout');
    assert.deepEqual(seen.lines, ['{"a":1}']);
  });

  test('that is cut inside a line is a failure, without that line', async () => {
    handle = (_, response) => response.end('{"a":1}\n{"b"');
    const seen = collect();
    const end = await (await open({})).watchLines('/api/v1/services', { idleMs: 5000, ...seen });
    assert.ok(!end.ok);
    assert.equal(end.reason, 'Truncated');
    assert.deepEqual(seen.lines, ['{"a":1}']);
  });
});

test('an urgent request does not wait behind others that get no answer', async () => {
  let isFull = (): void => {};
  const full = new Promise<void>((resolve) => {
    isFull = resolve;
  });
  let hanging = 0;
  handle = ({ url }, response) => {
    if (url?.includes('leases')) json(response, 200, {});
    else if (++hanging === 8) isFull();
  };
  const api = await open({});
  const giveUp = new AbortController();
  const others = Array.from({ length: 20 }, () =>
    api.request('GET', '/api/v1/secrets', { signal: giveUp.signal }),
  );
  await full;
  const path = '/apis/coordination.k8s.io/v1/leases';
  const result = await api.request('GET', path, { isUrgent: true, timeoutMs: 5000 });
  assert.equal(result.ok, true);
  giveUp.abort();
  await Promise.all(others);
});
