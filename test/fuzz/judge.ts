/** What must be true of the requests that reached the backends. */
import assert from 'node:assert/strict';
import type { FakeBackend, SeenRequest } from './fake-backend.ts';
import type { SentRequest } from './fake-client.ts';
import { type Field, value, values } from './strict-reader.ts';

/** Requests that may be sent again (RFC 9110 9.2.2). */
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];

/** What went upstream are the clients' requests and nothing else, and only what may be repeated is repeated. */
export function judgeUpstream(requests: readonly SentRequest[], backends: readonly FakeBackend[]): void {
  const sent = new Map(requests.map((one) => [one.tag, one]));
  const times = new Map<SentRequest, number>();
  for (const backend of backends) {
    for (const seen of backend.seen()) {
      const request = sent.get(value(seen.message, 'x-tag') ?? '');
      assert.ok(request, `a request that nobody sent: ${seen.message.start.join(' ')}`);
      judgeForwarded(request, seen);
      times.set(request, (times.get(request) ?? 0) + 1);
    }
  }
  for (const [{ method, tag }, count] of times) {
    assert.ok(IDEMPOTENT.includes(method) || count === 1, `${method} ${tag} was sent ${count} times`);
  }
}

/** Fields of `FIELDS` in fake-client.ts that must arrive as they were sent, unless Connection lists them. */
const END_TO_END = ['accept', 'x-empty', 'x-a', 'cookie', 'x-high'];
const HOP_BY_HOP = ['keep-alive', 'x_under', 'proxy-connection'];

function judgeForwarded(request: SentRequest, { message, complete }: SeenRequest): void {
  assert.deepEqual(message.start, [request.method, `/t/${request.tag}`]);
  assert.equal(message.minor, 1, 'the version');
  assert.deepEqual(values(message, 'host'), ['h']);
  assert.equal(message.framing, request.framing);
  if (complete) assert.equal(message.body, request.body, 'the body');
  else assert.ok(request.body.startsWith(message.body), 'the part of the body');
  if (complete && request.trailer !== '') assert.deepEqual(message.trailers, [['X-Sum', request.tag]]);
  assert.deepEqual(values(message, 'connection'), request.upgrade ? ['upgrade'] : []);
  assert.deepEqual(values(message, 'upgrade'), request.upgrade ? ['websocket'] : []);
  assert.deepEqual(values(message, 'expect'), request.expect ? ['100-continue'] : []);
  const listed = request.last && request.minor === 1 ? ['x-a'] : [];
  for (const name of [...END_TO_END, ...HOP_BY_HOP]) {
    const kept = END_TO_END.includes(name) && !listed.includes(name);
    assert.deepEqual(
      values(message, name),
      kept ? values({ fields: request.fields.map(asField) }, name) : [],
      name,
    );
  }
}

function asField(line: string): Field {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}
