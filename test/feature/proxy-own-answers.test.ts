/** The answers that Tidegate makes itself: small, typed, with the request id, silent about internals. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { fieldValue, type HttpMessage, statusOf } from '../kit/http-message.ts';
import { assertOwnAnswer } from '../kit/http1-fixture.ts';
import { ingress, service } from '../kit/manifests.ts';
import { startRawBackend } from '../kit/raw-backend.ts';
import { connect } from '../kit/raw-client.ts';
import { startTidegate } from '../kit/tidegate.ts';

/** A port on which nothing listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const backend = await startRawBackend({ after });
const proxy = await startTidegate(
  { after },
  {
    manifests: [
      ingress('h', 'h', [
        { path: '/good', service: 'good' },
        { path: '/empty', service: 'empty' },
        { path: '/dead', service: 'dead' },
        { path: '/missing', service: 'missing' },
      ]),
      ...service('good', [backend.port]),
      ...service('empty', []),
      ...service('dead', [await deadPort()]),
    ],
  },
);

async function ask(target: string, fields = '', method = 'GET', host = 'h'): Promise<HttpMessage> {
  const client = await connect({ after }, proxy.http);
  client.send(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
  const response = await client.response(method);
  client.close();
  return response;
}

describe('the status says what is missing', () => {
  const cases: readonly [what: string, target: string, host: string, status: number][] = [
    ['an unknown host', '/good', 'unknown.example', 404],
    ['an unknown path', '/other', 'h', 404],
    ['a path that only begins alike', '/goodness', 'h', 404],
    ['a Service without endpoints', '/empty', 'h', 503],
    ['a Service that does not exist', '/missing', 'h', 503],
    ['an endpoint that refuses connections', '/dead', 'h', 502],
  ];
  for (const [what, target, host, status] of cases) {
    test(`${status} for ${what}`, async () => assertOwnAnswer(await ask(target, '', 'GET', host), [status]));
  }
});

describe('the answer has the type that was asked for', () => {
  const cases: readonly [accept: string, type: RegExp][] = [
    ['text/html', /^text\/html/],
    ['application/json', /^application\/json/],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', /^text\/html/],
    ['application/json, text/plain, */*', /^application\/json/],
    ['text/html;q=0.1, application/json', /^application\/json/],
    ['application/json;q=0, text/html', /^text\/html/],
    ['image/png', /./],
    ['*/*', /./],
    ['', /./],
    [';;q=,,\t', /./],
  ];
  for (const [accept, type] of cases) {
    test(`Accept: ${accept}`, async () => {
      const response = await ask('/other', `Accept: ${accept}\r\n`);
      assertOwnAnswer(response, [404]);
      assert.match(fieldValue(response, 'content-type') ?? '', type);
      const body = response.body.toString();
      if (fieldValue(response, 'content-type')?.startsWith('application/json')) JSON.parse(body);
      assert.ok(body.length > 0 && body.length < 2000, 'it is small');
    });
  }
});

describe('the answer', () => {
  for (const accept of ['text/html', 'application/json']) {
    test(`carries the request id in a field and in its body (${accept})`, async () => {
      const first = await ask('/dead', `Accept: ${accept}\r\n`);
      const second = await ask('/dead', `Accept: ${accept}\r\n`);
      const id = fieldValue(first, 'x-request-id');
      assert.ok(id && first.body.toString().includes(id), first.raw.toString());
      assert.notEqual(id, fieldValue(second, 'x-request-id'));
    });

    test(`says nothing about internals and repeats nothing of the request (${accept})`, async () => {
      for (const target of [
        '/dead?<script>alert(1)</script>',
        '/missing?<script>',
        '/empty',
        '/other?"><img>',
      ]) {
        const text = (await ask(target, `Accept: ${accept}\r\nX-Evil: <b>\r\n`)).raw.toString();
        assert.doesNotMatch(text, /127\.0\.0\.1|ECONN|node|\.ts|default\/|<script>|<img>|<b>|Error:/i);
      }
    });
  }

  test('to HEAD has the same fields and no body', async () => {
    const response = await ask('/other', '', 'HEAD');
    assertOwnAnswer(response, [404]);
    assert.notEqual(fieldValue(response, 'content-length'), '0');
  });

  test('leaves the connection usable', async () => {
    const client = await connect({ after }, proxy.http);
    for (const [target, status] of [
      ['/other', 404],
      ['/empty', 503],
      ['/dead', 502],
      ['/good', 200],
    ] as const) {
      client.send(`GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`);
      assert.equal(statusOf(await client.response()), status);
    }
  });

  test('to a request with a body never takes the body for a request', async () => {
    const hidden = 'GET /good/smuggled HTTP/1.1\r\nHost: h\r\n\r\n';
    for (const target of ['/other', '/empty', '/dead']) {
      const client = await connect({ after }, proxy.http);
      client.send(`POST ${target} HTTP/1.1\r\nHost: h\r\nContent-Length: ${hidden.length}\r\n\r\n`);
      assert.ok(statusOf(await client.response()) >= 400);
      client.send(`${hidden}GET /good/next HTTP/1.1\r\nHost: h\r\n\r\n`);
      if ((await Promise.race([client.ended(), client.response()])) === 'fin') continue;
      assert.equal(backend.requests.at(-1)?.startLine, 'GET /good/next HTTP/1.1');
    }
    assert.ok(backend.requests.every(({ startLine }) => !startLine.includes('smuggled')));
  });
});
