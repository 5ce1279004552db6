/** Server-sent events and long polls are passed on as they come: nothing waits for more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { issue, tlsSecret, withTls } from '../kit/certificates.ts';
import { ingress, service } from '../kit/manifests.ts';
import { connect, type RawClient } from '../kit/raw-client.ts';
import { connectTls, startHttps } from '../kit/tls.ts';
import { type Scope, within } from '../kit/waiting.ts';

const scope = { after };
const HOST = 'events.test';

/** Requests whose answer the test writes itself. */
const waiting: ((response: ServerResponse) => void)[] = [];
const arrived: ServerResponse[] = [];
const server = createServer((request, response) => {
  request.resume();
  const next = waiting.shift();
  if (next === undefined) arrived.push(response);
  else next(response);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
scope.after(() => {
  server.close();
  server.closeAllConnections();
});

function nextRequest(): Promise<ServerResponse> {
  const here = arrived.shift();
  if (here !== undefined) return Promise.resolve(here);
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  waiting.push(resolve);
  return within(promise, 'a request at the backend');
}

const proxy = await startHttps(scope, {
  manifests: [
    withTls(ingress('events', HOST, [{ path: '/', service: 'events' }]), [
      { hosts: [HOST], secretName: 's' },
    ]),
    tlsSecret('s', issue({ names: [HOST] })),
    ...service('events', [(server.address() as AddressInfo).port]),
  ],
  args: ['--ssl-redirect', 'off'],
});

/** What a client has received of one answer. */
interface Reading {
  /** Waits until `text` has come. */
  until(text: string): Promise<void>;
  close(): void;
}

type Ask = (where: Scope, path: string) => Promise<Reading>;

function readingOf(client: RawClient, path: string): Reading {
  client.send(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  return {
    until: (text) =>
      client.inbox.take(JSON.stringify(text), (rest) => {
        const at = rest.indexOf(text);
        return at < 0 ? null : { value: undefined, used: at + text.length };
      }),
    close: () => client.close(),
  };
}

async function overHttp2(where: Scope, path: string): Promise<Reading> {
  const session = connectHttp2(`https://${HOST}`, {
    host: '127.0.0.1',
    port: proxy.https,
    servername: HOST,
    rejectUnauthorized: false,
  });
  session.on('error', () => {});
  where.after(() => session.destroy());
  const stream = session.request({ ':path': path });
  let text = '';
  let wake = (): void => {};
  stream.on('response', () => wake());
  stream.on('data', (bytes: Buffer) => {
    text += String(bytes);
    wake();
  });
  stream.on('end', () => wake());
  return {
    until: async (wanted) => {
      while (!text.includes(wanted)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await within(promise, () => `${JSON.stringify(wanted)} after ${JSON.stringify(text)}`);
      }
      text = text.slice(text.indexOf(wanted) + wanted.length);
    },
    close: () => session.destroy(),
  };
}

const WAYS: readonly [name: string, ask: Ask][] = [
  ['plain HTTP/1.1', async (where, path) => readingOf(await connect(where, proxy.http), path)],
  [
    'TLS and HTTP/1.1',
    async (where, path) => readingOf(await connectTls(where, proxy.https, { servername: HOST }), path),
  ],
  ['TLS and HTTP/2', overHttp2],
];

for (const [name, ask] of WAYS) {
  describe(`over ${name}`, () => {
    test('each event arrives before the next is sent', async (t) => {
      const [reading, response] = await Promise.all([ask(t, '/events'), nextRequest()]);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let n = 0; n < 50; n++) {
        response.write(`id: ${n}\ndata: ${'x'.repeat(n)}\n\n`);
        await reading.until(`id: ${n}\ndata: ${'x'.repeat(n)}\n\n`);
      }
      response.end('data: last\n\n');
      await reading.until('data: last\n\n');
      reading.close();
    });

    test('an answer that is written byte by byte comes byte by byte, with a length as well', async (t) => {
      const text = 'not buffered';
      const [reading, response] = await Promise.all([ask(t, '/slow'), nextRequest()]);
      response.writeHead(200, { 'content-length': text.length });
      response.flushHeaders();
      for (const letter of text) {
        response.write(letter);
        await reading.until(letter);
      }
      response.end();
      reading.close();
    });

    test('a long poll is answered when the backend answers', async (t) => {
      const [reading, response] = await Promise.all([ask(t, '/poll'), nextRequest()]);
      response.end('something happened');
      await reading.until('something happened');
      reading.close();
    });
  });
}

test('a client of HTTP/2 that gives a long poll up is noticed by the backend', async (t) => {
  const [reading, response] = await Promise.all([overHttp2(t, '/poll'), nextRequest()]);
  const closed = once(response, 'close');
  reading.close();
  await within(closed, 'the end of the request at the backend');
  assert.equal(response.writableFinished, false);
});
