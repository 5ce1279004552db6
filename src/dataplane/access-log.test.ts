import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AccessEntry, AccessLog, routeFragment } from './access-log.ts';

const ENTRY: AccessEntry = {
  id: '0123456789abcdef0123456789abcdef',
  client: '192.0.2.1',
  method: 'GET',
  host: 'a.test',
  path: '/x',
  protocol: 'HTTP/1.1',
  status: 200,
  bytesIn: 0,
  bytesOut: 12,
  durationMs: 1.23456,
  upstream: '10.0.0.1:80',
  upstreamMs: 0.5,
  attempts: 1,
  userAgent: 'curl/8',
  reason: '',
  route: routeFragment('ns', 'web', 'ns/web:80'),
};

function logged(entry: AccessEntry): string {
  let out = '';
  const log = new AccessLog({ enabled: true, sample: 1 }, (lines) => {
    out += Buffer.from(lines).toString();
  });
  log.add(entry);
  assert.equal(out, '', 'lines are collected');
  log.flush();
  return out;
}

test('a line is one JSON object with these fields', () => {
  const { time, ...rest } = JSON.parse(logged(ENTRY)) as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    id: ENTRY.id,
    client: '192.0.2.1',
    method: 'GET',
    host: 'a.test',
    path: '/x',
    protocol: 'HTTP/1.1',
    status: 200,
    bytes_in: 0,
    bytes_out: 12,
    duration_ms: 1.235,
    upstream: '10.0.0.1:80',
    upstream_ms: 0.5,
    attempts: 1,
    namespace: 'ns',
    ingress: 'web',
    service: 'ns/web:80',
    user_agent: 'curl/8',
    reason: null,
  });
});

test('what is not known is null', () => {
  const line = logged({
    ...ENTRY,
    upstream: '',
    upstreamMs: -1,
    userAgent: '',
    route: routeFragment('', '', ''),
  });
  const parsed = JSON.parse(line) as Record<string, unknown>;
  for (const name of ['upstream', 'upstream_ms', 'user_agent', 'namespace', 'ingress', 'service'])
    assert.equal(parsed[name], null, name);
  const failed = JSON.parse(logged({ ...ENTRY, upstreamMs: -1, reason: 'closed' })) as Record<
    string,
    unknown
  >;
  assert.deepEqual(
    [failed['upstream'], failed['upstream_ms'], failed['reason']],
    ['10.0.0.1:80', null, 'closed'],
  );
});

test('whatever a client sends, a line stays one line of JSON and gives the text back', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary-ascii' }),
    fc.constantFrom(
      '"',
      '\\',
      '\n',
      '"}\n{"status":500',
      '\u2028',
      '\x7f',
      '\xff',
      '\ud800',
      '</script>',
      '\\"',
    ),
  );
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, hostile, (id, method, host, path, userAgent) => {
      const line = logged({
        ...ENTRY,
        id,
        method,
        host,
        path,
        userAgent,
        route: routeFragment(host, path, method),
      });
      assert.equal(line.indexOf('\n'), line.length - 1, 'one line');
      const parsed = JSON.parse(line) as Record<string, unknown>;
      const got = [
        parsed['id'],
        parsed['method'],
        parsed['host'],
        parsed['path'],
        parsed['user_agent'] ?? '',
      ];
      assert.deepEqual(got, [id, method, host, path, userAgent]);
      assert.equal(parsed['service'] ?? '', method);
    }),
    { numRuns: 500 },
  );
});

test('lines leave by themselves when there are many', () => {
  let lines = 0;
  const log = new AccessLog({ enabled: true, sample: 1 }, (bytes) => {
    const text = Buffer.from(bytes).toString();
    assert.ok(text.endsWith('}\n'), 'whole lines');
    lines += text.split('\n').length - 1;
  });
  for (let i = 0; i < 1000; i++) log.add(ENTRY);
  assert.ok(lines > 500, `${lines}`);
  log.flush();
  assert.equal(lines, 1000);
});

test('a sample is even, and errors of the server are always in it', () => {
  const wanted = (sample: number, status: number): number => {
    const log = new AccessLog({ enabled: true, sample }, () => {});
    let count = 0;
    for (let i = 0; i < 1000; i++) if (log.wants(status)) count++;
    return count;
  };
  assert.equal(wanted(1, 200), 1000);
  assert.equal(wanted(0, 200), 0);
  assert.equal(wanted(0.25, 200), 250);
  assert.ok(Math.abs(wanted(0.1, 404) - 100) <= 1);
  assert.equal(wanted(0, 500), 1000);
  assert.equal(new AccessLog({ enabled: false, sample: 1 }, () => {}).wants(500), false);
});
