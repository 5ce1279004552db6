/**
 * Structured re-emission (RFC 9112 11.2): from any bytes of a client, in any pieces, what goes upstream are, in order and
 * byte for byte, requests that a strict reader finds at the start of these bytes; once one was refused, nothing after it.
 * TIDEGATE_FUZZ_SEED=n runs one seed; TIDEGATE_FUZZ_RUNS=n that many, beginning there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizePath } from '../../src/dataplane/route/path.ts';
import type { MemoryPeer } from '../kit/memory-transport.ts';
import { anyRequest } from './fake-client.ts';
import { Random } from './random.ts';
import { readStrictRequest, readStrictResponse, type StrictMessage, value } from './strict-reader.ts';
import { World } from './world.ts';

const first = Number(process.env['TIDEGATE_FUZZ_SEED'] ?? 1);
const runs = Number(
  process.env['TIDEGATE_FUZZ_RUNS'] ?? (process.env['TIDEGATE_FUZZ_SEED'] === undefined ? 3000 : 1),
);

/** What readers have been fooled with. */
const SPITE = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  ' ',
  '\t',
  '\x0b',
  '\0',
  ':',
  ',',
  ';',
  '"',
  '#',
  '%',
  '\x85',
  '\xa0',
  '\xff',
  '0',
  '1',
  'f',
  '0\r\n\r\n',
  '\r\n ',
  'Content-Length: 0\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length : 5\r\n',
  'Content_Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding:\x0bchunked\r\n',
  'Transfer_Encoding: chunked\r\n',
  'Connection: Content-Length, Transfer-Encoding, Host\r\n',
  'Connection: close\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\nConnection: upgrade\r\n',
  'Host: evil\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
  'http://evil/',
  '/../',
  'HTTP/1.0',
  'HTTP/1.1',
  ';a="',
] as const;

/** Valid requests in a row, spoiled in a few places. */
function hostileBytes(random: Random): string {
  let text = '';
  for (let i = random.int(1, 3); i > 0; i--) {
    const { bytes } = anyRequest(random, `1${i}x`, false);
    text += bytes.slice(0, 1500);
  }
  for (let i = random.int(0, 4); i > 0; i--) {
    // Heads are where it hurts most.
    const at = random.chance(0.8) ? random.int(0, Math.min(text.length, 400)) : random.int(0, text.length);
    const lineStart = text.lastIndexOf('\n', at) + 1;
    const where = random.chance(0.5) ? lineStart : at;
    text =
      text.slice(0, where) +
      random.pick(SPITE) +
      text.slice(where + (random.chance(0.5) ? random.int(0, 3) : 0));
  }
  return text;
}

/** The requests that a strict reader finds, up to what is none; the last may be the part of one. */
function strictRequests(text: string): { message: StrictMessage; complete: boolean }[] {
  const found: { message: StrictMessage; complete: boolean }[] = [];
  let at = 0;
  for (;;) {
    for (let skipped = 0; skipped < 2 && text.startsWith('\r\n', at); skipped++) at += 2;
    const reading = readStrictRequest(text, at);
    if (reading.kind === 'message') {
      found.push({ message: reading.message, complete: true });
      at = reading.end;
      continue;
    }
    if (reading.head !== null) found.push({ message: reading.head, complete: false });
    return found;
  }
}

/** Who and what a request names, in the form in which it must go upstream; null for what must not. */
function destination(request: StrictMessage): { host: string; target: string } | null {
  const absolute = /^http:\/\/([^/?]+)(.*)$/i.exec(request.start[1]);
  const host = absolute?.[1] ?? value(request, 'host') ?? '';
  const rest = absolute === null ? request.start[1] : absolute[2]!;
  const target = rest.startsWith('/') || rest === '*' ? rest : `/${rest}`;
  if (target === '*') return { host, target };
  const query = target.indexOf('?');
  const path = normalizePath(query < 0 ? target : target.slice(0, query));
  return (
    path && {
      host: host === '' ? 'localhost' : host,
      target: path.forward + (query < 0 ? '' : target.slice(query)),
    }
  );
}

interface Backend {
  readonly peer: MemoryPeer;
  at: number;
}

const ANSWER = 'HTTP/1.1 200 OK\r\nX-From: backend\r\nContent-Length: 2\r\n\r\nok';

/** Sends the text in random pieces, answers what arrives, and gives everything that reached a backend, in order. */
function play(random: Random, text: string): { world: World; client: MemoryPeer; reached: StrictMessage[] } {
  const world = new World({ endpoints: random.int(1, 2) });
  const backends: Backend[] = [];
  const reached: StrictMessage[] = [];
  world.onBackend = (peer) => void backends.push({ peer, at: 0 });
  const client = world.client();
  const answer = (): boolean => {
    let any = false;
    for (const backend of backends) {
      const reading = readStrictRequest(backend.peer.text(), backend.at);
      if (reading.kind === 'bad') assert.fail(`upstream: ${reading.why}`);
      if (reading.kind === 'incomplete') continue;
      backend.at = reading.end;
      reached.push(reading.message);
      backend.peer.send(reading.message.start[0] === 'HEAD' ? ANSWER.slice(0, -2) : ANSWER);
      any = true;
    }
    return any;
  };
  for (let at = 0; at < text.length; ) {
    const size = random.chance(0.3) ? text.length : random.size(300);
    client.send(text.slice(at, at + size));
    at += size;
    do world.transport.settle();
    while (random.chance(0.8) && answer());
    world.assertSane(200_000);
  }
  do world.transport.settle();
  while (answer());
  // What is left upstream is the beginning of a request that never ended.
  for (const { peer, at } of backends) {
    const rest = readStrictRequest(peer.text(), at);
    assert.equal(rest.kind, 'incomplete');
    assert.ok(
      peer.text().length === at ||
        rest.kind !== 'incomplete' ||
        rest.head === null ||
        rest.head.framing !== 'none',
    );
  }
  return { world, client, reached };
}

function judge(text: string, reached: readonly StrictMessage[], client: MemoryPeer): void {
  const strict = strictRequests(text).filter(({ complete }) => complete);
  let next = 0;
  for (const request of reached) {
    const wanted = strict.findIndex(({ message }, i) => i >= next && isForwardOf(request, message));
    assert.notEqual(wanted, -1, `nobody sent ${request.start.join(' ')} with ${request.body.length} bytes`);
    next = wanted + 1;
  }
  const statuses = judgeResponses(client, strict);
  assert.ok(statuses.filter((status) => status === 200).length >= reached.length - 1);
  const refused = statuses.findIndex((status) => [400, 414, 417, 431, 501, 505].includes(status));
  if (refused >= 0) assert.equal(refused, statuses.length - 1, 'a refusal is the last word');
}

function isForwardOf(forwarded: StrictMessage, sent: StrictMessage): boolean {
  const to = destination(sent);
  return (
    to !== null &&
    forwarded.start[0] === sent.start[0] &&
    forwarded.start[1] === to.target &&
    value(forwarded, 'host') === to.host &&
    forwarded.body === sent.body
  );
}

/** The statuses that the client got; throws at what is not a row of whole responses. */
function judgeResponses(client: MemoryPeer, requests: readonly { message: StrictMessage }[]): number[] {
  const text = client.text();
  const statuses: number[] = [];
  for (let at = 0; at < text.length; ) {
    const own = !text.slice(at).split('\r\n\r\n', 1)[0]!.includes('X-From: backend');
    const method = requests[statuses.length]?.message.start[0] ?? 'GET';
    // What was refused has no method that could be known: it may have a body or not.
    const readings = (own ? ['GET', 'HEAD'] : [method]).map((one) =>
      readStrictResponse(text, at, one, client.ended),
    );
    const reading = readings.find(({ kind }) => kind === 'message') ?? readings[0]!;
    if (reading.kind !== 'message')
      assert.fail(`not a whole response: ${JSON.stringify(text.slice(at, at + 300))}`);
    const status = Number(reading.message.start[0]);
    if (status >= 200) statuses.push(status);
    at = reading.end;
  }
  return statuses;
}

test(`seeds ${first} to ${first + runs - 1}`, (t) => {
  let reachedAll = 0;
  let untouched = 0;
  for (let seed = first; seed < first + runs; seed++) {
    const random = new Random(seed);
    const text = hostileBytes(random);
    try {
      const { world, client, reached } = play(random, text);
      judge(text, reached, client);
      reachedAll += reached.length;
      if (reached.length === 0) untouched++;
      client.close();
      world.settle(200_000);
      world.assertNothingLeft();
    } catch (cause) {
      throw new Error(`TIDEGATE_FUZZ_SEED=${seed}: ${JSON.stringify(text.slice(0, 2000))}`, { cause });
    }
  }
  t.diagnostic(`${runs} runs, ${reachedAll} requests reached a backend, in ${untouched} runs none`);
});
