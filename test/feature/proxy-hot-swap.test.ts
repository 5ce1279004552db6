/** A change of manifests goes live between two requests and costs none of them. */
import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { after, describe, test } from 'node:test';
import { type Echo, startEchoBackend } from '../kit/echo-backend.ts';
import { statusOf } from '../kit/http-message.ts';
import { startHttp1Fixture } from '../kit/http1-fixture.ts';
import { ingress, type KubeObject, service } from '../kit/manifests.ts';
import type { BackendConnection } from '../kit/raw-backend.ts';
import { startTidegate, type Tidegate } from '../kit/tidegate.ts';
import { eventually } from '../kit/waiting.ts';

interface Seen {
  readonly status: number;
  readonly backend: string;
}

function ask(proxy: Tidegate, path: string, agent: Agent | false, method = 'GET', body = ''): Promise<Seen> {
  const { promise, resolve, reject } = Promise.withResolvers<Seen>();
  const options = {
    port: proxy.http,
    path,
    method,
    agent,
    headers: { host: 'h', 'content-length': body.length },
  };
  const request = httpRequest(options, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    response.on('error', reject);
    response.on('end', () => {
      const status = response.statusCode ?? 0;
      resolve({ status, backend: status === 200 ? (JSON.parse(text) as Echo).backend : '' });
    });
  });
  request.on('error', reject);
  request.end(body);
  return promise;
}

/** Clients that ask without pause until `stop`, which gives how many requests went well and what did not. */
function startSteadyClients(
  proxy: Tidegate,
  path: string,
): { stop(): Promise<{ good: number; bad: string[] }> } {
  const agent = new Agent({ keepAlive: true });
  const bad: string[] = [];
  let good = 0;
  let running = true;
  const loop = async (useAgent: Agent | false, method: string, body: string) => {
    while (running) {
      const seen = await ask(proxy, path, useAgent, method, body).catch((error: Error) => error);
      if (seen instanceof Error) bad.push(`${method}: ${seen.message}`);
      else if (seen.status !== 200) bad.push(`${method}: ${seen.status}`);
      else good++;
    }
  };
  const loops = [
    loop(agent, 'GET', ''),
    loop(agent, 'GET', ''),
    loop(agent, 'POST', 'x'.repeat(5000)),
    loop(false, 'GET', ''),
    loop(false, 'PUT', 'hello'),
  ];
  return {
    stop: async () => {
      running = false;
      await Promise.all(loops);
      agent.destroy();
      return { good, bad };
    },
  };
}

const toWeb = [ingress('h', 'h', [{ path: '/', service: 'web' }])];

describe('under a steady load', async () => {
  const [blue, green] = [
    await startEchoBackend({ after }, 'blue'),
    await startEchoBackend({ after }, 'green'),
  ];
  const proxy = await startTidegate(
    { after },
    { manifests: [...toWeb, ...service('web', [blue.port])], workers: 2 },
  );

  /** Who answers `path` on fresh connections, which reach every worker sooner or later. */
  const answering = async (path: string) => {
    const names = new Set<string>();
    for (let round = 0; round < 20; round++) names.add((await ask(proxy, path, false)).backend);
    return [...names].sort();
  };

  test('endpoints come and go without a failed request', async () => {
    const steady = startSteadyClients(proxy, '/');
    for (let round = 0; round < 5; round++) {
      await proxy.change('all.yaml', [...toWeb, ...service('web', [blue.port, green.port])]);
      assert.deepEqual(await answering('/'), ['blue', 'green']);
      await proxy.change('all.yaml', [...toWeb, ...service('web', [green.port])]);
      assert.deepEqual(await answering('/'), ['green'], 'once live, the old endpoint gets no new request');
      await proxy.change('all.yaml', [...toWeb, ...service('web', [blue.port])]);
      assert.deepEqual(await answering('/'), ['blue']);
    }
    const { good, bad } = await steady.stop();
    assert.deepEqual(bad, []);
    assert.ok(good > 100, `${good} requests`);
  });

  test('a path moves from one Service to another without a failed request', async () => {
    const routed = (name: string): KubeObject[] => [
      ingress('h', 'h', [
        { path: '/', service: 'web' },
        { path: '/move', service: name },
      ]),
      ...service('web', [blue.port]),
      ...service('other', [green.port]),
    ];
    await proxy.change('all.yaml', routed('web'));
    const steady = startSteadyClients(proxy, '/move/x');
    for (let round = 0; round < 5; round++) {
      await proxy.change('all.yaml', routed('other'));
      assert.deepEqual(await answering('/move/x'), ['green']);
      assert.deepEqual(await answering('/'), ['blue']);
      await proxy.change('all.yaml', routed('web'));
      assert.deepEqual(await answering('/move/x'), ['blue']);
    }
    assert.deepEqual((await steady.stop()).bad, []);
  });

  test('files that change many times a second settle on the last version', async () => {
    const steady = startSteadyClients(proxy, '/');
    for (let round = 0; round < 60; round++) {
      const port = round % 2 === 0 ? green.port : blue.port;
      await proxy.folder.write('all.yaml', [...toWeb, ...service('web', [port])]);
    }
    await proxy.folder.write('all.yaml', [...toWeb, ...service('web', [green.port])]);
    await eventually(async () => assert.deepEqual(await answering('/'), ['green']));
    assert.deepEqual((await steady.stop()).bad, []);
  });
});

describe('what runs during a change', async () => {
  const fixture = await startHttp1Fixture({ after });
  const other = await startEchoBackend({ after }, 'other');
  const { backend, proxy } = fixture;
  const toOther = [ingress('h', 'h', [{ path: '/', service: 'web' }]), ...service('web', [other.port])];

  test('finishes at the endpoint that has left, whose idle connections are closed', async () => {
    const goOn = Promise.withResolvers<void>();
    const connections: BackendConnection[] = [];
    backend.behaviour = async (connection) => {
      connections.push(connection);
      await connection.head();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst');
      await goOn.promise;
      connection.send('after');
      await connection.request();
    };
    const client = await fixture.connect();
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await client.head();
    assert.equal((await client.bytes(5)).toString(), 'first');
    await proxy.change('all.yaml', toOther);
    goOn.resolve();
    assert.equal((await client.bytes(5)).toString(), 'after');
    await connections[0]!.ended();
    client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(
      (await client.response()).body.toString(),
      /"backend":"other"/,
      'the next request sees the new table',
    );
  });

  test('a route that is removed answers 404, also on connections that were open', async () => {
    const client = await fixture.connect();
    const get = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
    client.send(get);
    assert.equal(statusOf(await client.response()), 200);
    await proxy.change('all.yaml', []);
    client.send(get);
    assert.equal(statusOf(await client.response()), 404);
    await proxy.change('all.yaml', toOther);
    client.send(get);
    assert.equal(statusOf(await client.response()), 200);
  });
});

describe('a broken manifest', async () => {
  const backend = await startEchoBackend({ after }, 'kept');
  const manifests = [...toWeb, ...service('web', [backend.port])];
  const proxy = await startTidegate({ after }, { manifests });

  const broken: readonly [what: string, text: string][] = [
    ['that is no YAML', 'apiVersion: v1\nkind: [Service\n  : {'],
    ['that is cut off', '{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {'],
    ['that is binary', '\x00\x01\x02\xff'],
  ];
  for (const [what, text] of broken) {
    test(`${what} keeps the last good version and is reported with its file`, async () => {
      const linesBefore = proxy.log.length;
      await proxy.folder.writeText('all.yaml', text);
      await proxy.logged('a line about all.yaml', (line) => {
        return proxy.log.indexOf(line) >= linesBefore && JSON.stringify(line).includes('all.yaml');
      });
      assert.deepEqual(await ask(proxy, '/', false), { status: 200, backend: 'kept' });
    });
  }

  test('that is mended goes live', async () => {
    await proxy.change('all.yaml', [
      ingress('h', 'h', [{ path: '/mended', service: 'web' }]),
      ...service('web', [backend.port]),
    ]);
    assert.equal((await ask(proxy, '/mended', false)).status, 200);
    assert.equal((await ask(proxy, '/', false)).status, 404);
    await proxy.change('all.yaml', manifests);
  });

  test('with one bad object does not take the others down', async () => {
    const bad = ingress('bad', 'bad host!', [{ path: 'no-slash', service: 'web' }]);
    await proxy.folder.write('bad.yaml', [
      bad,
      ingress('good', 'good.test', [{ path: '/', service: 'web' }]),
    ]);
    await proxy.logged('the bad object', (line) => JSON.stringify(line).includes('default/bad'));
    await eventually(async () => assert.match((await proxy.get('/config')).text, /good\.test/));
    assert.equal((await ask(proxy, '/', false)).status, 200);
  });
});
