/**
 * The request corpus (test/corpus/http1: one request as a JSON string each) through our codec, and through llhttp as
 * Node.js runs it, in strict mode, as a second opinion. Where the two differ on purpose, the reason stands here.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { after, describe, test } from 'node:test';
import { DEFAULT_LIMITS } from '../../src/dataplane/config.ts';
import { ChunkedDecoder, DONE } from '../../src/dataplane/http1/chunked.ts';
import { parseRequestHead } from '../../src/dataplane/http1/parse-request.ts';
import { RequestHead } from '../../src/dataplane/message/request-head.ts';
import { within } from '../kit/waiting.ts';

const CORPUS = join(import.meta.dirname, '../corpus/http1');

/** We refuse these, llhttp takes them. */
const STRICTER: Readonly<Record<string, string>> = {
  ...because('llhttp does not look into Host; a proxy routes by it (RFC 9110 7.2)', [
    'empty-host',
    'host-high-byte',
    'host-list',
    'host-open-bracket',
    'host-port-not-a-number',
    'host-port-too-large',
    'host-two-ports',
    'host-with-path',
    'host-with-query',
    'host-with-space',
    'host-with-user',
    'two-hosts',
  ]),
  ...because('a proxy must know whom an absolute target names (RFC 9112 3.2.2, 9110 4.2)', [
    'absolute-form-https',
    'absolute-form-with-user',
    'absolute-form-without-host',
  ]),
  ...because('`*` is for OPTIONS alone (RFC 9112 3.2.4), CONNECT is not for reverse proxies', [
    'asterisk-with-get',
    'connect',
  ]),
  ...because('a fragment is no part of a target (RFC 9112 3.2.1)', ['fragment-in-the-target']),
  ...because('a request line has single spaces and a version (RFC 9112 3); llhttp forgives here', [
    'no-version',
    'two-spaces-after-the-method',
    'two-spaces-before-the-version',
  ]),
  ...because('llhttp knows 2.0 as a version; on this connection it is none', ['version-2.0']),
  ...because('two empty lines before a request are forgiven, not any number', ['three-empty-lines-first']),
  ...because('a coding list that another reader may read differently (RFC 9112 6.1)', [
    'coding-empty-element-first',
    'coding-gzip-chunked',
    'coding-in-http-1.0',
  ]),
};

/** We take these, llhttp refuses them. */
const WIDER: Readonly<Record<string, string>> = {
  ...because('llhttp knows a fixed list of methods; any token may be one (RFC 9110 9.1)', [
    'every-token-character-in-the-method',
  ]),
};

function because(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}

function corpus(kind: 'accept' | 'reject'): [name: string, bytes: string][] {
  return readdirSync(join(CORPUS, kind))
    .sort()
    .map((file) => [
      file.replace('.json', ''),
      JSON.parse(readFileSync(join(CORPUS, kind, file), 'utf8')) as string,
    ]);
}

/** Whether our codec takes the bytes as one whole request. */
function weAccept(text: string): boolean {
  const bytes = Buffer.from(text, 'latin1');
  const head = new RequestHead();
  const next = parseRequestHead(bytes, 0, bytes.length, DEFAULT_LIMITS, head);
  if (next <= 0) return false;
  if (!head.chunked) return bytes.length - next === Math.max(0, head.contentLength);
  const decoder = new ChunkedDecoder(DEFAULT_LIMITS);
  const verdict = decoder.feed(bytes, next, bytes.length, { onBody() {} });
  return verdict === DONE && decoder.consumed === bytes.length;
}

const server = http.createServer({ requireHostHeader: true, insecureHTTPParser: false });
after(() => void server.close());

/** Whether Node.js' server takes the bytes as one whole request. */
async function llhttpAccepts(text: string): Promise<boolean> {
  const [client, socket] = duplexPair();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    request.resume();
    request.on('end', () => resolve(request.complete));
    request.on('error', () => resolve(false));
    response.on('error', () => resolve(false));
  };
  server.on('request', onRequest);
  server.on('checkContinue', onRequest);
  server.on('upgrade', () => resolve(true));
  server.on('connect', () => resolve(true));
  server.on('clientError', () => resolve(false));
  // A request that Node.js answers by itself (no Host, unknown expectation) reaches no handler.
  client.on('data', () => resolve(false));
  client.on('error', () => resolve(false));
  client.on('close', () => resolve(false));
  server.emit('connection', socket);
  client.end(Buffer.from(text, 'latin1'));
  const accepted = await within(promise, `what Node.js says of ${JSON.stringify(text)}`);
  server.removeAllListeners('request');
  for (const event of ['checkContinue', 'upgrade', 'connect', 'clientError'])
    server.removeAllListeners(event);
  socket.destroy();
  client.destroy();
  return accepted;
}

for (const kind of ['accept', 'reject'] as const) {
  describe(`the ${kind} corpus`, () => {
    for (const [name, bytes] of corpus(kind)) {
      test(name, async () => {
        assert.equal(weAccept(bytes), kind === 'accept', 'our verdict');
        const different = STRICTER[name] !== undefined || WIDER[name] !== undefined;
        const theirs = await llhttpAccepts(bytes);
        assert.equal(theirs, different ? kind !== 'accept' : kind === 'accept', "llhttp's verdict");
      });
    }
  });
}

test('every case that is said to differ is in the corpus', () => {
  const names = new Set([...corpus('accept'), ...corpus('reject')].map(([name]) => name));
  for (const name of [...Object.keys(STRICTER), ...Object.keys(WIDER)]) assert.ok(names.has(name), name);
});
